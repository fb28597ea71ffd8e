import base64
import io
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
from defaults import defaults
from PIL import Image
from scipy import ndimage
from textured import scene

import check
import gate
import gather
import prepare
from brightcell.check import crops, dataset, thumbnails
from brightcell.check import page as page_module
from brightcell.check.findings import FINDINGS, LEVELS, UNACCEPTABLE, finding_row, findings_table, summary
from brightcell.errors import InputError
from brightcell.files import read_table
from brightcell.io import stacks

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _few_comparisons(monkeypatch):
    monkeypatch.setattr(crops, "MOST_COMPARISONS", 2400)


def texture(seed=1, shape=(60, 80)):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, shape), 1.5)
    return (1000 + 100 * noise / noise.std()).astype(np.uint16)


def cells(shape=(60, 80), numbers=(1, 2, 3)):
    labels = np.zeros(shape, np.int32)
    for position, number in enumerate(numbers):
        labels[10:25, 5 + 20 * position : 20 + 20 * position] = number
    return labels


def facts(frames=3, **columns):
    """Samples with what `look` measures, nothing wrong with them."""
    table = pd.DataFrame(
        {
            "sample": [f"s{number}" for number in range(frames)],
            "group": ["g"] * (frames - 1) + ["h"],
            "split": "",
            "mask_type": "instances",
            "channels": 1,
            "height": 100,
            "width": 100,
            "pixel_size_um": 0.65,
            "cells": 100,
            "foreground": 0.2,
            "touching": 0.1,
            "diameter_low_px": 20.0,
            "diameter_px": 30.0,
            "diameter_high_px": 40.0,
            "contrast": 1.0,
            "sharpness": 1.0,
            "fit": 0.6,
            "image_print": [str(number) for number in range(frames)],
        }
    )
    return table.assign(**columns)


def listed(rows):
    return [(row["finding"], row["sample"]) for row in rows]


def names(image, labels, mask_type="instances"):
    return set(dataset.check_frame(image, labels, mask_type).findings)


def test_a_good_frame_has_no_findings():
    image, labels = scene()
    assert names(image, labels) == set()
    assert names(np.dstack([image, image // 2, image]).astype(np.float32), labels) == set()


def test_an_inverted_mask_is_told_as_that_alone():
    image, labels = scene()
    found = names(image, (labels == 0).astype(np.int32), "binary")
    assert "inverted" in found and "mostly_cell" not in found


def test_background_drawn_as_a_cell_where_the_image_tells_nothing():
    found = names(texture(), (cells() == 0).astype(np.int32), "binary")
    assert "mostly_cell" in found and "inverted" not in found


def test_a_dense_layer_with_bright_borders_is_not_inverted():
    rows, columns = np.mgrid[:192, :192]
    border = (rows % 16 < 3) | (columns % 16 < 3)
    labels = np.where(border, 0, 1 + rows // 16 * 12 + columns // 16).astype(np.int32)
    image = 1000 + 500 * border * texture(shape=(192, 192)) / 1000.0
    assert names(image.astype(np.uint16), labels) == set()


def test_facts_of_a_frame():
    image, labels = scene(cells=10)
    seen = dataset.check_frame(image, labels, "instances")
    area = np.count_nonzero(labels)
    assert seen.facts["foreground"] == area / labels.size
    assert seen.facts["diameter_px"] == pytest.approx(2 * np.sqrt(area / 10 / np.pi), rel=0.02)
    assert seen.facts["touching"] == 0
    assert len(seen.cells) == 10
    empty = dataset.check_frame(image, 0 * labels, "instances")
    assert np.isnan([empty.facts["diameter_px"], empty.facts["touching"], empty.facts["fit"]]).all()


def test_a_group_is_summed_up():
    samples = facts(cells=[10, 30, 60], diameter_px=[20, 40, 50], pixel_size_um=[0.5, 0.5, np.nan])
    groups = dataset.group_table(samples).set_index("group")
    assert groups.loc["g", ["frames", "cells", "fewest_cells", "most_cells"]].tolist() == [2, 40, 10, 30]
    assert groups.loc["g", "diameter_um"] == 15
    assert np.isnan(groups.loc["h", "diameter_um"])


@pytest.mark.parametrize(
    ("columns", "working", "found"),
    [
        ({}, None, []),
        ({"channels": [1, 1, 3]}, None, ["channels"]),
        ({"mask_type": ["instances", "instances", "binary"]}, None, ["mask_types"]),
        ({"mask_type": ["instances", "instances", "binary"], "cells": [99, 99, 0]}, None, []),
        ({"pixel_size_um": [0.65, 0.65, 0.33]}, None, ["pixel_sizes"]),
        ({"pixel_size_um": [0.65, 0.65, np.nan]}, None, ["pixel_sizes"]),
        ({"pixel_size_um": np.nan}, None, []),
        ({"pixel_size_um": np.nan}, 1.3, ["pixel_sizes"]),
        ({"cells": [10, 10, 10]}, None, ["few_cells"]),
        ({"cells": 0}, None, ["no_cells"]),
        ({"cells": [0, 0, 100], "split": ["train", "train", "test"]}, None, ["no_cells"]),
        ({"foreground": [0.01, 0.01, 0.03]}, None, ["class_balance"]),
        ({"foreground": 0.99}, None, ["class_balance"]),
        ({"foreground": [0, 0.03, 0.06]}, None, []),
    ],
)
def test_findings_on_the_whole(columns, working, found):
    assert [row["finding"] for row in dataset.table_findings(facts(**columns), working)] == found


def test_a_working_pixel_size_is_proposed_for_large_cells():
    samples = facts(diameter_px=56.0, pixel_size_um=0.65, height=1024, width=1024)
    (row,) = dataset.table_findings(samples)
    assert row["finding"] == "working_size"
    assert "56 px across (median); with images.working_pixel_size_um: 1.3 about 28 px" in row["found"]
    assert dataset.suggested_settings(samples)["images"] == {"working_pixel_size_um": 1.3}
    unknown = samples.assign(pixel_size_um=np.nan)
    assert "working_pixel_size_um" not in dataset.table_findings(unknown)[0]["found"]
    assert "images" not in dataset.suggested_settings(facts())


def test_a_group_with_cells_of_another_size():
    samples = facts(4, group=list("abcd"), diameter_px=[30, 31, 29, 65])
    (row,) = dataset.table_findings(samples)
    assert (row["finding"], row["group"]) == ("cell_sizes", "d")
    assert "42.2 µm across; the median of all groups is 19.8 µm" in row["found"]
    assert not dataset.table_findings(samples.assign(cells=9))[1:]  # few cells tell no size


def test_cell_sizes_are_compared_in_micrometres_where_they_are_known():
    samples = facts(4, group=list("abcd"), diameter_px=[30, 30, 30, 90], pixel_size_um=[0.6, 0.6, 0.6, 0.2])
    assert "cell_sizes" not in [row["finding"] for row in dataset.table_findings(samples)]


def test_a_frame_out_of_focus_in_its_group():
    samples = facts(8, sharpness=[1, 1.02, 0.98, 1.01, 0.5, 1, 0.99, 0.4])
    assert listed(dataset.outlier_findings(samples)) == [("focus", "s4"), ("focus", "s7")]
    assert dataset.outlier_findings(facts(8, sharpness=[1, 1.02, 0.98, 1.01, 0.95, 1, 0.99, 1.6])) == []


def test_a_frame_of_other_contrast():
    samples = facts(8, contrast=[1, 1.1, 0.9, 1, 5, 1, 1, 0.1])
    assert listed(dataset.outlier_findings(samples)) == [("contrast", "s4"), ("contrast", "s7")]


def test_frames_that_vary_have_no_outlier():
    samples = facts(8, contrast=[0.3, 0.7, 1, 1.8, 2.5, 0.5, 1.2, 2.4])
    assert dataset.outlier_findings(samples) == []


def fits(values, **columns):
    return listed(dataset.fit_findings_of_set(facts(len(values), fit=values, **columns)))


def test_a_mask_that_does_not_follow_its_image_as_the_others_do():
    good = [0.6, 0.7, 0.65, 0.7]
    assert fits([*good, 0.02, 0.6, 0.1], foreground=[*[0.2] * 6, 0.7]) == [
        ("wrong_mask", "s4")
    ]  # one is dense
    assert fits([0.71, 0.7, 0.02]) == [("wrong_mask", "s2")]
    assert fits([*good, 0.12]) == [("misfit", "s4")]
    assert fits([*good, 0.02], foreground=[*[0.2] * 4, 0.02]) == [
        ("misfit", "s4")
    ]  # few of the cells are outlined
    assert fits([0.2, 0.3, 0.1, 0, 0.2, 0.3, 0.1, 0]) == []
    assert fits([0.6, 0.02]) == []


def test_masks_that_follow_no_image_stop_the_run():
    (row,) = dataset.fit_findings_of_set(facts(4, fit=[0.02, -0.1, 0.05, 0.0]))
    assert (row["finding"], row["level"], row["sample"]) == ("no_fit", "error", "")
    assert "the correlations of 4 frames have the median 0.01" in row["found"]
    assert fits([0.02, -0.1, 0.05, 0.0], foreground=0.6) == []  # dense layers
    assert fits([0.02, 0.0]) == [] and fits([0.15, 0.2, 0.19]) == [] and fits([0.02, 0.0, 0.5]) == []


def test_masks_of_the_next_frame_and_outlines_in_micrometres_follow_no_image():
    frames = [scene(seed, 200, cells=30) for seed in range(4)]
    small = np.zeros((200, 200), np.int32)
    small[:130, :130] = frames[0][1][np.ix_(*[np.linspace(0, 199, 130).astype(int)] * 2)]
    for masks in ([labels for _, labels in frames[1:]], [small] * 3):
        seen = [
            dataset.check_frame(image, labels, "instances")
            for (image, _), labels in zip(frames, masks, strict=False)
        ]
        values = {name: [each.facts[name] for each in seen] for name in ("fit", "foreground")}
        assert listed(dataset.fit_findings_of_set(facts(3, **values))) == [("no_fit", "")]


def test_cells_of_an_impossible_size_are_told_in_micrometres():
    samples = facts(diameter_px=31.0, pixel_size_um=6.5)
    (row,) = dataset.table_findings(samples)
    assert row["finding"] == "cell_diameter" and row["level"] == "warning"
    assert "cells are 31 px = 202 µm across" in row["found"] and "expected 5 to 200 µm" in row["found"]
    assert dataset.table_findings(facts(diameter_px=30.0, pixel_size_um=0.065), None, [0.5, 10]) == []
    assert dataset.table_findings(samples.assign(pixel_size_um=np.nan)) == []


def test_few_frames_have_no_outlier():
    assert dataset.outlier_findings(facts(4, sharpness=[1, 1, 1, 0.1])) == []


def test_every_finding_has_a_level_and_advice():
    assert {level for level, _ in FINDINGS.values()} == set(LEVELS)
    assert all(advice.endswith((".", "?")) for _, advice in FINDINGS.values())
    assert all(FINDINGS[name][0] == "error" for name in UNACCEPTABLE)


def test_errors_come_first_and_accepted_findings_become_notes():
    rows = [finding_row(name, "2", "a", "g") for name in ("specks", "saturated", "constant")]
    assert findings_table(rows)["level"].tolist() == ["error", "warning", "note"]
    table = findings_table(rows, ignore=["constant", "specks"])
    assert table["finding"].tolist() == ["saturated", "specks", "constant"]
    assert table["level"].tolist() == ["warning", "note", "note"]
    assert table["advice"].str.startswith("Accepted").tolist() == [False, False, True]
    assert findings_table([]).empty


def test_findings_are_sorted_by_harm_and_summed_up():
    names = ("holes", "saturated", "misfit", "shifted", "leakage", "near_duplicate")
    table = findings_table([finding_row(name, name.upper(), "a", "g") for name in names])
    assert table["finding"].tolist() == [
        "leakage",
        "shifted",
        "near_duplicate",
        "misfit",
        "saturated",
        "holes",
    ]
    assert summary(table, shown=2) == [
        "2 errors, 3 warnings, 1 note",
        "  error leakage, a: LEAKAGE",
        "  error shifted, a: SHIFTED",
        "  … and 3 more",
    ]
    assert summary(findings_table([])) == ["0 errors, 0 warnings, 0 notes"]


@pytest.mark.parametrize("scale", [1, 10])
def test_a_thumbnail_shows_outlines_of_small_and_large_frames(scale):
    image, labels = (np.kron(each, np.ones((scale, scale), each.dtype)) for each in (texture(), cells()))
    picture = thumbnails.thumbnail(image, labels, side=72)
    assert picture.shape == (54, 72, 3)
    outlined = (picture == thumbnails.OUTLINE).all(-1)
    assert outlined[10:22, 5:19].any() and not outlined[25:].any()
    assert thumbnails.thumbnail(np.zeros((5, 6, 2), np.uint8), np.zeros((5, 6), np.int32)).shape == (
        5,
        6,
        3,
    )


@pytest.mark.parametrize(("side", "shown"), [(60, 60), (3000, thumbnails.LARGE_SIDE)])
def test_a_frame_is_shown_unreduced_in_whole_or_around_a_fault(side, shown):
    labels = np.zeros((side, side), np.int32)
    labels[5:20, 5:20], labels[-9:-3, -9:-3], labels[-3:, -19:-15] = 1, 2, 2
    seen = dataset.check_frame(np.resize(texture(), labels.shape), labels, "instances")
    rows, columns = part = thumbnails.shown_part(labels.shape, seen.cells)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (shown, shown)
    assert rows.stop == side  # the cell in pieces is in sight
    sizes = []
    for uri, kind in zip(
        thumbnails.large_picture(np.resize(texture(), labels.shape), labels, part),
        ("jpeg", "png"),
        strict=True,
    ):
        assert uri.startswith(f"data:image/{kind};base64,")
        sizes.append(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
    assert [each.size for each in sizes] == [(shown, shown)] * 2
    outlines = np.array(sizes[1])
    assert outlines[-9, -9] == 1 and outlines[-6, -6] == 0
    (mark,) = thumbnails.cell_marks(seen.cells, 1, (rows.start, columns.start))
    assert 0 < mark["x"] < shown and shown - 15 < mark["y"] < shown


def test_faulty_cells_are_marked():
    labels = cells(numbers=(4, 9, 4))
    seen = dataset.check_frame(texture(), labels, "instances")
    (mark,) = thumbnails.cell_marks(seen.cells, 0.5)
    assert (mark["x"], mark["y"], mark["finding"], mark["text"]) == (16, 8.5, "pieces", "pieces: number 4")


def test_the_arrow_points_to_where_the_mask_fits():
    image, labels = scene(side=200, cells=30)
    seen = dataset.check_frame(image, np.roll(labels, 20, 1), "instances")
    arrow = thumbnails.shift_mark(seen.fit, seen.findings, labels.shape, 0.5)
    assert arrow["dx"] == pytest.approx(-10, abs=1) and arrow["dy"] == pytest.approx(0, abs=1)
    right = dataset.check_frame(image, labels, "instances")
    assert thumbnails.shift_mark(right.fit, right.findings, labels.shape, 0.5) is None


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
    paths = [out / name for name in ("frames.tif", "truth.tif", "samples.tsv")]
    prepare.main(rows, defaults("images", **options), *paths, defaults("preprocess"))
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
    stack = stacks.read_stack(tmp_path / "out" / "frames.tif")
    labels = stacks.read_stack(tmp_path / "out" / "truth.tif")
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
        "ignored",
    ]
    assert list(table) == columns
    assert table["frame"].tolist() == [0, 1, 2]
    assert table.loc[0, ["mask_type", "height", "width", "channels", "cells"]].tolist() == [
        *("instances", 60, 80, 1, 3)
    ]
    assert table["pixel_size_um"].isna().all()


def test_other_types_of_images_become_float32(group, tmp_path):
    run_prepare(group([(texture().astype(np.int32), cells())]), tmp_path / "out")
    assert stacks.read_stack(tmp_path / "out" / "frames.tif")["g0"].dtype == np.float32


def test_one_mask_with_several_numbers_tells_for_the_whole_group(group, tmp_path):
    one = cells(numbers=(5, 0, 5))
    rows = group([(texture(1), one), (texture(2), cells())])
    table = run_prepare(rows, tmp_path / "out")
    assert table["mask_type"].tolist() == ["instances"] * 2
    assert table["cells"].tolist() == [1, 3]
    np.testing.assert_array_equal(stacks.read_stack(tmp_path / "out" / "truth.tif")["g0"], one)


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
    for name in ("frames", "truth"):
        shapes = [page.shape for page in stacks.read_stack(tmp_path / "out" / f"{name}.tif").values()]
        assert shapes == [(30, 40), (120, 160)]


def test_without_a_pixel_size_the_diameter_of_cells_scales_frames(group, tmp_path):
    rows = group([(texture(), cells())], cell_diameter_px="14")
    (row,) = run_prepare(rows, tmp_path / "out", cell_diameter_px=99.0).to_dict("records")
    assert (row["height"], row["width"], row["cells"]) == (120, 160, 3)  # the sheet's 14 px become 28
    assert np.isnan(row["pixel_size_um"])
    (row,) = run_prepare(rows, tmp_path / "um", pixel_size_um=0.65).to_dict("records")
    assert (row["height"], row["width"]) == (60, 80)  # a known pixel size counts
    rows = group([(texture(), cells())], cell_diameter_px="0.1")
    assert "give the diameter of a typical cell in pixels of the file" in refuse_prepare(
        rows, tmp_path / "wrong"
    )


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
    assert f"1 in 3 images, such as {rows[0]['image']}; 3 in 1 image, such as {rows[3]['image']}" in text


TEMPLATE = ROOT / "workflow/report/check.html.j2"


def run_check(groups, out, title="", ignore=()):
    for rows in groups:
        run_prepare(rows, out / rows[0]["group"])
    folders = [out / rows[0]["group"] for rows in groups]
    stacks = [[folder / f"{kind}.tif" for folder in folders] for kind in ("frames", "truth")]
    outputs = SimpleNamespace(**{name: out / f"{name}.tsv" for name in ("findings", "frames", "groups")})
    outputs.page = out / "check.html"
    gather.main([folder / "samples.tsv" for folder in folders], out / "samples.tsv")
    check.main(out / "samples.tsv", *stacks, TEMPLATE, outputs, title, ignore, None, [5, 200])
    return read_table(outputs.findings), outputs.page.read_text()


def test_check_joins_groups_and_lists_findings(group, tmp_path):
    constant, empty = np.full((60, 80), 9, np.uint16), 0 * cells()
    groups = [
        group([(texture(1), cells()), (constant, cells()), (texture(2), empty)], "g"),
        group([(texture(1), cells((60, 80), (3, 4, 5)))], "h"),
    ]
    found, page = run_check(groups, tmp_path / "out", title="<b>mine</b>")
    assert read_table(tmp_path / "out" / "samples.tsv")["sample"].tolist() == ["g0", "g1", "g2", "h0"]
    listed = set(zip(found["level"], found["finding"], found["sample"], strict=True))
    assert listed == {
        ("error", "constant", "g1"),
        ("error", "leakage", "g0"),
        ("warning", "empty_mask", "g2"),
        ("warning", "duplicate_mask", "g0"),
        ("note", "few_cells", ""),
        ("note", "working_size", ""),
    }
    assert "&lt;b&gt;mine" in page and "<b>mine" not in page
    assert page.count("<figure ") == page.count("data:image/jpeg;base64,") == 4
    assert not re.search(r"(src|href)=\"(?!data:|#frame-)", page)
    facts = read_table(tmp_path / "out" / "frames.tsv")
    assert facts["cells"].tolist() == [3, 3, 0, 3]
    assert facts["foreground"].tolist() == pytest.approx([675 / 4800, 675 / 4800, 0, 675 / 4800])
    assert read_table(tmp_path / "out" / "groups.tsv")["cells"].tolist() == [6, 3]
    passed = tmp_path / "out" / "passed.txt"
    with pytest.raises(InputError) as raised:
        gate.main(tmp_path / "out" / "findings.tsv", tmp_path / "out" / "check.html", passed)
    assert "2 errors" in str(raised.value)
    assert "check.html" in str(raised.value)
    assert "constant: sample g1: all pixels are 9" in str(raised.value)
    assert not passed.exists()


def test_accepted_findings_pass_the_gate(group, tmp_path):
    groups = [group([(texture(1), cells())], name) for name in "gh"]
    found, _ = run_check(groups, tmp_path, ignore=["leakage"])
    assert set(found["level"]) == {"note"}
    gate.main(tmp_path / "findings.tsv", tmp_path / "check.html", tmp_path / "passed.txt")
    assert (tmp_path / "passed.txt").read_text() == "errors\t0\nwarnings\t0\nnotes\t3\n"


def test_check_tells_of_mixed_channels_and_many_frames_give_few_pictures(group, tmp_path):
    groups = [
        group([(texture(n), cells()) for n in range(60)], "g"),
        group([(np.dstack([texture(99)] * 3), cells(numbers=(9, 8, 7)))], "h"),
    ]
    found, page = run_check(groups, tmp_path, ignore=["duplicate_mask", "no_fit"])
    assert found.loc[found["level"] == "error", "finding"].tolist() == ["channels"]
    assert 2 <= page.count("<figure ") <= page_module.PICTURES
    assert "of 61 frames: those with findings" in page


def test_the_page_shows_both_frames_of_a_pair_and_marks_faults(group, tmp_path):
    frames = [scene(n, side=96, cells=8) for n in range(50)]
    image, labels = frames[7]
    broken = frames[3][1].copy()
    broken[broken == 2] = 1
    frames[3] = frames[3][0], broken
    groups = [group(frames, "g"), group([(image * 2, labels)], "h")]
    found, page = run_check(groups, tmp_path)
    assert set(zip(found["level"], found["finding"], found["sample"], strict=True)) == {
        ("error", "leakage", "g7"),
        ("warning", "pieces", "g3"),
        ("note", "working_size", ""),
    }
    assert '<a href="#frame-g7">g7</a>' in page
    assert all(f'id="frame-{name}"' in page for name in ("g7", "h0", "g3", "g0"))
    assert page.count('<circle class="pieces"') == 2  # in the small picture and in the large one
    assert page.count("<figure ") == 4


def test_every_stack_is_read_once_in_a_set_of_few_frames(group, tmp_path, monkeypatch):
    opened = []
    true = stacks.iterate_stack
    monkeypatch.setattr(
        stacks, "iterate_stack", lambda path, *names: opened.append(path) or true(path, *names)
    )
    run_check([group([scene(n, side=96, cells=8) for n in range(3)], "g")], tmp_path)
    assert sorted(path.name for path in opened) == ["frames.tif", "truth.tif"]


def test_a_group_without_cells_does_not_make_masks_binary(group, tmp_path):
    rows = group([(texture(1), 0 * cells()), (texture(2), 0 * cells())], "control")
    run_prepare(rows, tmp_path / "out")
    assert set(read_table(tmp_path / "out" / "samples.tsv")["mask_type"]) == {"instances"}


def test_what_does_not_count_is_left_out_of_the_check():
    image, labels = scene(3)
    half = labels.copy()
    half[:, half.shape[1] // 2 :] = 0  # the right half was not annotated
    bad = dataset.check_frame(image, half, "instances")
    half[:, half.shape[1] // 2 :] = -1
    seen = dataset.check_frame(image, half, "instances")
    assert seen.facts["fit"] > bad.facts["fit"] + 0.1
    assert seen.facts["foreground"] == pytest.approx((half > 0).sum() / (half >= 0).sum())
    assert min(cell.number for cell in seen.cells) > 0
    (row,) = [row for row in dataset.table_findings(facts(4, ignored=0.25)) if row["finding"] == "ignored"]
    assert (row["level"], row["found"]) == ("note", "25.0% of all pixels, in 4 of 4 frames")
    picture = page_module.figure(image, half, seen)
    assert picture["png"] != page_module.figure(image, np.maximum(half, 0), seen)["png"]
