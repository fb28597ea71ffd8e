import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from brightcell import files
from brightcell.errors import InputError
from brightcell.io import rasterize, stacks
from brightcell.preprocessing import normalisation, rescaling

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12)
ids = st.sampled_from([0, 1, 2, 255, 256, 65535, 65536, 2**31 - 1])


@quick
@given(hnp.arrays(np.int32, shapes, elements=ids))
def test_any_number_of_a_cell_survives_a_stack(tmp_path, labels):
    stacks.write_stack(tmp_path / "s.tif", [("a", labels), ("b", labels[::-1])])
    read = stacks.read_stack(tmp_path / "s.tif")
    np.testing.assert_array_equal(read["a"], labels)
    np.testing.assert_array_equal(read["b"], labels[::-1])
    assert read["a"].dtype == np.int32


@quick
@given(
    st.lists(
        st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}", fullmatch=True),
        unique=True,
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.integers(1, 4),
    st.integers(0, 99),
)
def test_a_stack_keeps_names_order_sizes_and_types(tmp_path, names, dtype, channels, seed):
    random = np.random.default_rng(seed)
    pages = [
        (name, (random.random((*random.integers(2, 20, 2), channels)) * 200).astype(dtype)) for name in names
    ]
    stacks.write_stack(tmp_path / "s.tif", pages)
    read = list(stacks.iterate_stack(tmp_path / "s.tif"))
    assert [name for name, _ in read] == names
    for (_, written), (_, page) in zip(pages, read, strict=True):
        assert page.dtype == dtype
        np.testing.assert_array_equal(np.atleast_3d(page), written)
    assert list(stacks.read_stack(tmp_path / "s.tif", names[:1])) == names[:1]


def test_a_stack_appears_whole_or_not_at_all(tmp_path):
    def pages():
        yield "a", np.zeros((4, 4), np.uint8)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        stacks.write_stack(tmp_path / "s.tif", pages())
    assert list(tmp_path.iterdir()) == []


def test_probabilities_in_16_bits():
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.abs(stacks.from_uint16(stacks.to_uint16(values)) - values).max() < 1e-5
    stored = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(stacks.to_uint16(stacks.from_uint16(stored)), stored)


@pytest.mark.parametrize("outputs", [1, 2])
def test_maps_of_a_network_are_read_by_name(tmp_path, outputs):
    stored = np.stack([np.full((4, 5), 65535), np.full((4, 5), 13107)], axis=-1).astype(np.uint16)
    stacks.write_stack(
        tmp_path / "test.tif", [("b", stored[..., :outputs]), ("a", 0 * stored[..., :outputs])]
    )
    maps = stacks.open_maps(tmp_path / "test.tif")
    assert list(maps) == ["b", "a"]
    foreground, distance = maps["b"]
    assert foreground.shape == (4, 5)
    assert foreground.dtype == np.float32
    assert (foreground == 1).all()
    assert distance is None if outputs == 1 else (distance == np.float32(0.2)).all()
    assert not maps["a"].foreground.any()


@pytest.mark.parametrize("factor", [0.5, 0.37, 1.6])
def test_image_and_labels_keep_their_match_when_rescaled(factor):
    rows, columns = np.mgrid[:101, :140]
    disc = (rows - 50) ** 2 + (columns - 60) ** 2 < 30**2
    labels = rescaling.rescale_labels(disc * np.int32(70000), factor)
    image = rescaling.rescale_image(disc[..., None].astype(np.uint8) * 200, factor)
    assert image.shape == (*labels.shape, 1)
    assert image.dtype == np.float32
    assert set(np.unique(labels)) == {0, 70000}
    assert ((image[..., 0] > 100) == (labels > 0)).mean() > 0.99
    assert (labels > 0).mean() == pytest.approx(disc.mean(), rel=0.03)


def test_rescaling_by_one_changes_nothing():
    image = np.arange(12, dtype=np.uint16).reshape(3, 4, 1)
    assert rescaling.rescale_image(image, 1) is image


def test_normalise_brings_percentiles_to_0_and_1():
    image = np.stack([np.arange(10_000).reshape(100, 100)] * 2, axis=-1) * [1, 3] + [0, 500]
    frame = normalisation.normalise(image, (1, 99))
    assert frame.dtype == np.float32
    for channel in range(2):
        np.testing.assert_allclose(np.percentile(frame[..., channel], [1, 99]), [0, 1], atol=1e-3)
    assert not normalisation.normalise(np.full((5, 5, 1), 7, np.uint8)).any()


def test_outlines_separate_touching_cells():
    labels = np.zeros((10, 12), np.int32)
    labels[2:8, 2:6], labels[2:8, 6:10] = 1, 2
    lines = rasterize.outline_pixels(labels)
    assert lines[4, [2, 5, 6, 9]].all()
    assert not lines[4, [3, 4, 7, 8]].any()
    assert not lines[labels == 0].any()


def test_pages_are_read_one_by_one_and_by_name(tmp_path):
    pages = {"b": np.full((4, 5), 7, np.uint16), "a": np.arange(12, dtype=np.uint16).reshape(3, 4)}
    stacks.write_stack(tmp_path / "stack.tif", pages.items())
    stack = stacks.Pages(tmp_path / "stack.tif")
    assert list(stack) == ["b", "a"]
    assert "c" not in stack
    np.testing.assert_array_equal(stack["a"], pages["a"])
    np.testing.assert_array_equal(stacks.Pages(tmp_path / "stack.tif", lambda page: page[0])["b"], [7] * 5)
    with pytest.raises(KeyError):
        stack["c"]


def test_a_group_of_the_list_is_checked_when_it_is_opened(tmp_path):
    rows = pd.DataFrame({"sample": ["a", "b"], "group": ["one", "two"]})
    for name, group in zip(rows["sample"], rows["group"], strict=True):
        for kind in ("frames", "truth"):
            path = tmp_path / "prepared" / group / f"{kind}.tif"
            stacks.write_stack(path, [(name, np.full((4, 5), len(group + kind), np.uint16))])
            files.seal(path, "prepare_group", "prepare.log")
    made = [
        [tmp_path / f"prepared/{group}/{kind}.tif" for group in rows["group"]] for kind in ("frames", "truth")
    ]
    stacks.list_groups(*made, tmp_path / stacks.LIST)
    assert [stacks.listed_groups(tmp_path / stacks.LIST, kind) for kind in ("frames", "truth")] == made
    assert list(stacks.open_groups(made[1], ["two"])) == ["b"]
    made[0][0].write_bytes(b"II*\0wrong")
    made[1][0].unlink()
    assert list(stacks.read_named(made[0], rows[1:])) == ["b"]  # a group that is not asked for may be damaged
    listed = f"{tmp_path / stacks.LIST}"
    with pytest.raises(InputError, match="damaged since the rule prepare_group wrote it") as damaged:
        stacks.read_named(made[0], rows)
    assert f"Delete {made[0][0]} and {listed}" in str(damaged.value)
    with pytest.raises(InputError, match="missing") as missing:
        stacks.open_groups(made[1], ["one"])
    assert str(made[1][0]) in str(missing.value) and f"Delete {listed}" in str(missing.value)
