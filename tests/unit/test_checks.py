import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import check
import gate
import gather
import prepare
from brightcell import checks, images
from brightcell.errors import InputError
from brightcell.files import read_table

OPTIONS = {"mask_type": "auto", "pixel_size_um": None, "working_pixel_size_um": None}


def texture(seed=1, shape=(60, 80)):
    return np.random.default_rng(seed).normal(1000, 100, shape).astype(np.uint16)


def cells(shape=(60, 80), numbers=(1, 2, 3)):
    labels = np.zeros(shape, np.int32)
    for position, number in enumerate(numbers):
        labels[10:25, 5 + 20 * position : 20 + 20 * position] = number
    return labels


def names(image=None, labels=None, mask_type="instances"):
    found = checks.frame_findings(
        texture() if image is None else image, cells() if labels is None else labels, mask_type
    )
    return set(found)


def facts(**columns):
    table = pd.DataFrame(
        {
            "sample": ["a", "b", "c"],
            "group": ["g", "g", "h"],
            "split": "",
            "mask_type": "instances",
            "channels": 1,
            "pixel_size_um": 0.65,
            "cells": 100,
        }
    )
    return table.assign(**columns)


def test_a_good_frame_has_no_findings():
    assert names() == set()
    assert names(image=np.dstack([texture(1), texture(2), texture(3)]).astype(np.float32)) == set()


def test_a_blank_frame():
    assert names(image=np.full((60, 80), 7, np.uint8)) == {"blank"}
    assert names(image=np.full((60, 80, 3), [1, 2, 3], np.uint8)) == {"blank"}


@pytest.mark.parametrize(("share", "found"), [(0.04, set()), (0.06, {"saturated"})])
@pytest.mark.parametrize("value", [0, 65535])
def test_a_saturated_frame(share, found, value):
    image = texture()
    image.ravel()[: int(share * image.size)] = value
    assert names(image=image) == found


def test_a_camera_of_10_bits_saturates_below_the_end_of_16_bits():
    assert names(image=np.minimum(texture(), 1023)) == {"saturated"}


def test_one_saturated_channel_is_enough():
    image = np.dstack([texture(1), texture(2), np.minimum(texture(3), 1000)])
    assert "saturated" in names(image=image)


def test_empty_and_full_masks():
    assert names(labels=np.zeros((60, 80), np.int32)) == {"empty_mask"}
    assert names(labels=np.ones((60, 80), np.int32), mask_type="binary") == {"full_mask"}


def test_an_inverted_binary_mask():
    assert names(labels=(cells() == 0).astype(np.int32), mask_type="binary") == {"inverted"}


def test_background_with_a_number_among_cells():
    assert names(labels=cells() + 1) == {"full_mask", "inverted"}


def test_a_dense_layer_of_cells_is_not_inverted():
    rows, columns = np.mgrid[:60, :80]
    assert names(labels=(1 + rows // 10 * 8 + columns // 10).astype(np.int32)) == {"full_mask"}
    labels = (1 + rows // 10 * 8 + columns // 10).astype(np.int32) * (rows % 10 > 0)
    assert names(labels=labels) == set()


def test_cells_in_pieces_are_counted():
    labels = cells(numbers=(4, 9, 4))
    found = checks.mask_findings(labels, "instances")
    assert found == {"pieces": "1 of 2 cells are in several pieces: numbers 4"}
    assert checks.mask_findings(labels, "binary") == {}


def test_specks_are_counted():
    labels = cells()
    labels[50, 3:12] = 70000
    labels[40, 3:13] = 5
    found = checks.mask_findings(labels, "instances")
    assert found == {"specks": "1 of 5 cells have fewer than 10 pixels: numbers 70000"}


def test_fingerprints_tell_arrays_apart():
    image = texture()
    assert checks.fingerprint(image) == checks.fingerprint(image.copy())
    assert checks.fingerprint(np.asfortranarray(image)) == checks.fingerprint(image)
    others = [image.astype(np.int32), image.reshape(80, 60), image + 1]
    assert len({checks.fingerprint(each) for each in [image, *others]}) == 4


@pytest.mark.parametrize(
    ("prints", "split", "finding"),
    [
        (["x", "x", "y"], "", "duplicate"),
        (["x", "y", "x"], "", "leakage"),
        (["x", "x", "y"], ["train", "test", "test"], "leakage"),
        (["x", "x", "y"], ["train", "train", "test"], "duplicate"),
        (["x", "x", "x"], "", "leakage"),
    ],
)
def test_equal_frames(prints, split, finding):
    rows = checks.repeat_findings(facts(split=split, image_print=prints, mask_print=["1", "2", "3"]))
    assert [row["finding"] for row in rows] == [finding]
    assert "a (group g" in rows[0]["found"]


def test_equal_masks_of_different_frames():
    rows = checks.repeat_findings(facts(image_print=["x", "y", "z"], mask_print=["1", "1", "2"]))
    assert [row["finding"] for row in rows] == ["duplicate_mask"]


def test_blank_frames_and_empty_masks_are_no_repeats():
    assert checks.repeat_findings(facts(image_print=["", "", "x"], mask_print=["", "", "1"])) == []


@pytest.mark.parametrize(
    ("columns", "working", "found"),
    [
        ({}, None, []),
        ({"channels": [1, 1, 3]}, None, ["channels"]),
        ({"mask_type": ["instances", "instances", "binary"]}, None, ["mask_types"]),
        (
            {"mask_type": ["instances", "instances", "binary"], "cells": [99, 99, 0]},
            None,
            [],
        ),
        ({"pixel_size_um": [0.65, 0.65, 0.33]}, None, ["pixel_sizes"]),
        ({"pixel_size_um": [0.65, 0.65, np.nan]}, None, ["pixel_sizes"]),
        ({"pixel_size_um": np.nan}, None, []),
        ({"pixel_size_um": np.nan}, 1.3, ["pixel_sizes"]),
        ({"cells": [10, 10, 10]}, None, ["few_cells"]),
        ({"cells": 0}, None, ["no_cells"]),
        ({"cells": [0, 0, 100], "split": ["train", "train", "test"]}, None, ["no_cells"]),
    ],
)
def test_findings_on_the_whole(columns, working, found):
    assert [row["finding"] for row in checks.table_findings(facts(**columns), working)] == found


def test_errors_come_first_and_accepted_findings_become_notes():
    rows = checks.sample_rows({"specks": "2", "saturated": "9 %", "blank": "0"}, "a", "g")
    assert checks.findings_table(rows)["level"].tolist() == ["error", "warning", "note"]
    table = checks.findings_table(rows, ignore=["blank", "specks"])
    assert table["finding"].tolist() == ["saturated", "specks", "blank"]
    assert table["level"].tolist() == ["warning", "note", "note"]
    assert table["advice"].str.startswith("Accepted").tolist() == [False, False, True]
    assert checks.findings_table([]).empty


def test_a_thumbnail_shows_outlines_of_small_frames_too():
    picture = checks.thumbnail(
        texture(shape=(600, 800)), np.kron(cells(), np.ones((10, 10), np.int32)), side=200
    )
    assert picture.shape == (150, 200, 3)
    assert (picture == (255, 190, 0)).all(-1).any()
    assert checks.thumbnail(np.zeros((5, 6, 2), np.uint8), np.zeros((5, 6), np.int32)).shape == (5, 6, 3)


# The scripts


@pytest.fixture
def group(tmp_path):
    """Write images and masks of a group; gives the rows of its sheet."""

    def write(frames, name="g", **columns):
        rows = []
        for number, (image, mask) in enumerate(frames):
            paths = [tmp_path / f"{name}{number}{kind}.tif" for kind in ("", "_mask")]
            for path, array in zip(paths, (image, mask), strict=True):
                tifffile.imwrite(path, array, photometric="rgb" if array.shape[-1] == 3 else "minisblack")
            row = {"sample": f"{name}{number}", "image": str(paths[0]), "mask": str(paths[1]), "group": name}
            rows.append(row | {"frame": "", "split": "", "pixel_size_um": ""} | columns)
        return rows

    return write


def run_prepare(rows, out, **options):
    prepare.main(rows, OPTIONS | options, out / "frames.tif", out / "labels.tif", out / "samples.tsv")
    return read_table(out / "samples.tsv")


def refuse_prepare(rows, out, **options):
    with pytest.raises(InputError) as raised:
        run_prepare(rows, out, **options)
    assert not list(out.glob("*"))
    return str(raised.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_prepare_keeps_pixels_types_and_numbers(group, tmp_path, dtype):
    frames = [(texture(n).astype(dtype), cells(numbers=(1, 300, 70000))) for n in range(3)]
    table = run_prepare(group(frames), tmp_path / "out")
    stack = images.read_stack(tmp_path / "out" / "frames.tif")
    labels = images.read_stack(tmp_path / "out" / "labels.tif")
    assert list(stack) == list(labels) == ["g0", "g1", "g2"]
    for (image, mask), name in zip(frames, stack, strict=True):
        assert stack[name].dtype == dtype
        np.testing.assert_array_equal(stack[name], image)
        np.testing.assert_array_equal(labels[name], mask)
    columns = [
        "sample",
        "group",
        "frame",
        "split",
        "mask_type",
        "height",
        "width",
        "channels",
        "pixel_size_um",
        "cells",
    ]
    assert list(table) == columns
    assert table["frame"].tolist() == [0, 1, 2]
    assert table.loc[0, ["mask_type", "height", "width", "channels", "cells"]].tolist() == [
        *("instances", 60, 80, 1, 3)
    ]
    assert table["pixel_size_um"].isna().all()


def test_other_types_of_images_become_float32(group, tmp_path):
    run_prepare(group([(texture().astype(np.int32), cells())]), tmp_path / "out")
    assert images.read_stack(tmp_path / "out" / "frames.tif")["g0"].dtype == np.float32


def test_one_mask_with_several_numbers_tells_for_the_whole_group(group, tmp_path):
    one = cells(numbers=(5, 0, 5))
    rows = group([(texture(1), one), (texture(2), cells())])
    table = run_prepare(rows, tmp_path / "out")
    assert table["mask_type"].tolist() == ["instances"] * 2
    assert table["cells"].tolist() == [1, 3]
    np.testing.assert_array_equal(images.read_stack(tmp_path / "out" / "labels.tif")["g0"], one)


def test_without_such_a_mask_the_pieces_are_the_cells(group, tmp_path):
    rows = group([(texture(1), cells(numbers=(255, 0, 255)).astype(np.uint8)), (texture(2), 0 * cells())])
    table = run_prepare(rows, tmp_path / "out")
    assert table["mask_type"].tolist() == ["binary"] * 2
    assert table["cells"].tolist() == [2, 0]


def test_the_declared_mask_type_goes_first(group, tmp_path):
    rows = group([(texture(1), cells(numbers=(7, 0, 7)))])
    assert run_prepare(rows, tmp_path / "a", mask_type="instances")["cells"].tolist() == [1]
    rows = group([(texture(1), cells(numbers=(7, 8, 9)))])
    table = run_prepare(rows, tmp_path / "b", mask_type="binary")
    assert table.loc[0, ["mask_type", "cells"]].tolist() == ["binary", 3]


def test_frames_are_brought_to_the_working_pixel_size(group, tmp_path):
    rows = group([(texture(), cells())] * 2)
    rows[1]["pixel_size_um"] = "2.6"
    table = run_prepare(rows, tmp_path / "out", pixel_size_um=0.65, working_pixel_size_um=1.3)
    assert table["height"].tolist() == [30, 120]
    assert table["width"].tolist() == [40, 160]
    assert table["pixel_size_um"].tolist() == [1.3, 1.3]
    for name in ("frames", "labels"):
        shapes = [page.shape for page in images.read_stack(tmp_path / "out" / f"{name}.tif").values()]
        assert shapes == [(30, 40), (120, 160)]


def test_without_a_pixel_size_frames_stay_as_they_are(group, tmp_path):
    table = run_prepare(group([(texture(), cells())]), tmp_path / "out", working_pixel_size_um=1.3)
    assert table["height"].tolist() == [60]
    assert table["pixel_size_um"].isna().all()


def test_pixel_sizes_in_nanometres_are_refused(group, tmp_path):
    rows = group([(texture(), cells())], pixel_size_um="650")
    assert "are both in µm" in refuse_prepare(rows, tmp_path / "out", working_pixel_size_um=1.3)


def test_all_bad_files_of_a_group_are_told_at_once(group, tmp_path):
    rows = group([(texture(n), cells()) for n in range(5)])
    tifffile.imwrite(rows[0]["mask"], cells((30, 40)))
    Path(rows[1]["image"]).write_bytes(Path(rows[1]["image"]).read_bytes()[:3000])
    Path(rows[2]["mask"]).unlink()
    tifffile.imwrite(rows[3]["image"], np.dstack([texture()] * 3), photometric="rgb")
    text = refuse_prepare(rows, tmp_path / "out")
    assert "group g: 4 problems" in text
    assert f"mask {rows[0]['mask']} is 30 × 40 px, its image {rows[0]['image']} is 60 × 80 px" in text
    assert f"sample g1: {rows[1]['image']}: damaged or truncated" in text
    assert f"sample g2: {rows[2]['mask']}: no such file" in text
    assert f"1 in 3 images, such as {rows[0]['image']}; 3 in 1 images, such as {rows[3]['image']}" in text


TEMPLATE = Path(check.__file__).parents[1] / "report/check.html.j2"


def run_check(groups, out, **options):
    for rows in groups:
        run_prepare(rows, out / rows[0]["group"])
    folders = [out / rows[0]["group"] for rows in groups]
    stacks = [[folder / f"{kind}.tif" for folder in folders] for kind in ("frames", "labels")]
    outputs = [out / name for name in ("samples.tsv", "findings.tsv", "check.html")]
    gather.main([folder / "samples.tsv" for folder in folders], outputs[0])
    check.main(outputs[0], *stacks, TEMPLATE, *outputs[1:], **options)
    return read_table(outputs[1]), outputs[2].read_text()


def test_check_joins_groups_and_lists_findings(group, tmp_path):
    blank, empty = np.full((60, 80), 9, np.uint16), 0 * cells()
    groups = [
        group([(texture(1), cells()), (blank, cells()), (texture(2), empty)], "g"),
        group([(texture(1), cells((60, 80), (3, 4, 5)))], "h"),
    ]
    found, page = run_check(groups, tmp_path / "out", dataset="<b>mine</b>")
    assert read_table(tmp_path / "out" / "samples.tsv")["sample"].tolist() == ["g0", "g1", "g2", "h0"]
    listed = set(zip(found["level"], found["finding"], found["sample"], strict=True))
    assert listed == {
        ("error", "blank", "g1"),
        ("error", "leakage", "g0"),
        ("warning", "empty_mask", "g2"),
        ("warning", "duplicate_mask", "g0"),
        ("note", "few_cells", ""),
    }
    assert "&lt;b&gt;mine" in page and "<b>mine" not in page
    assert page.count("data:image/png;base64,") == 4
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    passed = tmp_path / "out" / "passed.txt"
    with pytest.raises(InputError) as raised:
        gate.main(tmp_path / "out" / "findings.tsv", tmp_path / "out" / "check.html", passed)
    assert "2 errors" in str(raised.value)
    assert "check.html" in str(raised.value)
    assert "blank: sample g1: all pixels are 9" in str(raised.value)
    assert not passed.exists()


def test_accepted_findings_pass_the_gate(group, tmp_path):
    groups = [group([(texture(1), cells())], name) for name in "gh"]
    found, _ = run_check(groups, tmp_path, ignore=["leakage"])
    assert set(found["level"]) == {"note"}
    gate.main(tmp_path / "findings.tsv", tmp_path / "check.html", tmp_path / "passed.txt")
    assert (tmp_path / "passed.txt").read_text() == "errors\t0\nwarnings\t0\nnotes\t2\n"


def test_check_tells_of_mixed_channels_and_many_frames_give_few_pictures(group, tmp_path):
    groups = [
        group([(texture(n), cells()) for n in range(60)], "g"),
        group([(np.dstack([texture(99)] * 3), cells(numbers=(9, 8, 7)))], "h"),
    ]
    found, page = run_check(groups, tmp_path, ignore=["duplicate_mask"])
    assert found.loc[found["level"] == "error", "finding"].tolist() == ["channels"]
    assert page.count("data:image/png;base64,") == 2
    assert "2 of 61 frames" in page


def test_a_group_without_cells_does_not_make_masks_binary(group, tmp_path):
    rows = group([(texture(1), 0 * cells()), (texture(2), 0 * cells())], "control")
    run_prepare(rows, tmp_path / "out")
    assert set(read_table(tmp_path / "out" / "samples.tsv")["mask_type"]) == {"instances"}
