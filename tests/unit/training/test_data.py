"""What a training learns from: its target by the kinds of masks, its frames by their samples."""

import numpy as np
import pandas as pd
import pytest

from brightcell.errors import InputError
from brightcell.io import stacks
from brightcell.training import data


def samples(*types):
    return pd.DataFrame({"sample": [f"s{n}" for n in range(len(types))], "mask_type": types})


@pytest.mark.parametrize(
    ("wanted", "types", "target"),
    [
        ("auto", ["instances", "instances"], "foreground+distance"),
        ("auto", ["instances", "binary"], "foreground"),
        ("foreground", ["instances"], "foreground"),
        ("foreground+distance", ["instances"], "foreground+distance"),
    ],
)
def test_the_distance_is_learned_where_every_mask_tells_cells_apart(wanted, types, target):
    assert data.choose_target(wanted, samples(*types)) == target


def test_a_distance_that_cannot_be_learned_is_refused():
    with pytest.raises(InputError, match=r"the masks of 1 sample \(s1, …\) do not tell touching cells apart"):
        data.choose_target("foreground+distance", samples("instances", "binary"))


@pytest.fixture
def prepared(tmp_path):
    """Two groups of two frames, whose grey values and labels are those of their number, and their table."""
    rows = pd.DataFrame({"sample": ["a1", "a2", "b1", "b2"], "group": ["a", "a", "b", "b"]})
    for group, members in rows.groupby("group"):
        for kind in ("frames", "truth"):
            pages = []
            for number, sample in zip(members.index + 1, members["sample"], strict=True):
                page = np.zeros((8, 8), np.uint8 if kind == "frames" else np.int32)
                page[:2, :number] = 100 * (kind == "frames") or number
                pages.append((sample, page))
            stacks.write_stack(tmp_path / group / f"{kind}.tif", pages)
    paths = [[tmp_path / group / f"{kind}.tif" for group in "ab"] for kind in ("frames", "truth")]
    return paths, rows.assign(mask_type="instances")


def test_frames_come_in_the_order_of_their_rows_normalised(prepared):
    paths, rows = prepared
    frames = data.load_frames(*paths, rows.iloc[[3, 0]], (0, 100))
    assert [np.count_nonzero(frame.labels) for frame in frames] == [8, 2]
    assert [frame.labels.max() for frame in frames] == [4, 1]
    for frame in frames:
        assert (frame.image[..., 0] == (frame.labels > 0)).all()


def test_cells_are_described_where_masks_number_them(prepared):
    paths, rows = prepared
    assert data.describe_data(*paths, rows)["cell_area_px"][1] == 5.0  # median of 2, 4, 6 and 8 px
    binary = rows.assign(mask_type=["binary", "binary", "binary", "instances"])
    assert data.describe_data(*paths, binary)["cell_area_px"] == [8.0, 8.0, 8.0]
    assert "cell_area_px" not in data.describe_data(*paths, rows.assign(mask_type="binary"))
