import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import make_samples
from brightcell.errors import InputError
from brightcell.io.readers import READERS
from brightcell.sheets import filenames, layouts, making
from brightcell.sheets.names import natural
from brightcell.sheets.samples import read_samples

ROOT = Path(__file__).parents[3]
ID = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9._-]{1,100}")


def fill(folder, *names, pages=1):
    """Write small TIFFs, or empty files of other kinds."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".tif":
            shape = (pages, 8, 8) if pages > 1 else (8, 8)
            pixels = np.zeros(shape, np.uint8)
            pixels[..., 2:6, 2:6] = 3
            tifffile.imwrite(
                path, pixels, photometric="minisblack", metadata={"axes": "TYX"[3 - len(shape) :]}
            )
        else:
            path.touch()


def make(folder, layout=None, **options):
    """Make the sheet of a folder; returns its table, by sample, and what was told."""
    told = []
    sheet = options.pop("sheet", folder / "samples.tsv")
    making.make_sheet(folder, sheet, layout, tell=told.append, **options)
    return read_samples(sheet, check_files=True).set_index("sample"), "\n".join(told)


def test_two_folders(tmp_path):
    fill(tmp_path, *[f"images/dish{d}_{n:02d}.tif" for d in (1, 2) for n in range(3)])
    fill(tmp_path, *[f"masks/dish{d}_{n:02d}.tif" for d in (1, 2) for n in range(3)])
    table, told = make(tmp_path)
    assert "The layout is folders: folders images and masks" in told
    assert table["group"].tolist() == ["dish1"] * 3 + ["dish2"] * 3
    assert table["frame"].tolist() == ["0", "1", "2"] * 2
    assert table.loc["dish2_01", "mask"] == str(tmp_path / "masks/dish2_01.tif")
    assert (tmp_path / "samples.tsv").read_text().splitlines()[1].split("\t")[1] == "images/dish1_00.tif"


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/a1.tif", "labels/a1.tif"),
        ("IMG/a1.tif", "Labels/a1_mask.tif"),
        ("x/images/a1_img.tif", "x/masks/a1_label.tif"),
        ("images/sub/a1.tif", "gt/sub/mask_a1.png"),
        ("images/phase_001.tif", "masks/mask001.tif"),
        ("a1.tif", "a1_mask.tif"),
        ("deep/a1_img.tif", "deep/a1_cp_masks.png"),
        *[(f"x_{end}.tif", f"x_{end}_cp_masks.png") for end in ("BF", "bf", "phase", "raw", "img", "image")],
        *[(f"images/x_{end}.tif", f"masks/x_{end}_cp_masks.png") for end in ("BF", "raw", "DIC")],
        *[(f"x_{end}.tif", "x_mask.tif") for end in ("BF", "DIC", "TL", "Phase Contrast")],
        ("x_ch00.tif", "x_ch00_masks.png"),
        ("x-BF.tif", "x-mask.png"),
        *[("x.tif", outlines) for outlines in ("RoiSet_x.zip", "x_RoiSet.zip", "x_rois.zip", "x.zip")],
        ("x.tif", "x.tif_mask.png"),
        ("x.tif", "x.geojson"),
        ("dish1/stack.tif", "dish1/labels.ome.tif"),
        ("dish1/x.tif", "dish1/RoiSet.zip"),
        ("dish1.tif", "dish1/labels.ome.tif"),
        ("d/x.tif", "d/masks/x_cp_masks.png"),
        ("01/t007.tif", "01_GT/SEG/man_seg007.tif"),
        ("data/02/t007.tif", "data/02_GT/SEG/man_seg0007.tif"),
        ("spilit_x_image_train/1.tif", "spilit_y_mask_train/1.tif"),
    ],
)
def test_a_pair_is_found_by_detection(image, mask):
    names = [image, mask]
    layout, _ = layouts.detect(names)
    assert [(pair.image, pair.mask) for pair in layouts.find_pairs(names, layout).pairs] == [(image, mask)]


def test_names_pair_by_number_only_where_the_number_is_the_only_one_of_its_kind():
    found = layouts.find_pairs(["images/a_1.tif", "images/b_1.tif", "masks/m1.tif"], "folders")
    assert not found.pairs
    assert [pair.image for pair in found.unlabelled] == ["images/a_1.tif", "images/b_1.tif"]
    assert found.unpaired == [("masks/m1.tif", "a mask without image")]


def test_masks_of_each_folder_stay_with_it():
    names = [f"{dish}/{kind}/00.tif" for dish in ("d1", "d2") for kind in ("images", "masks")]
    found = layouts.find_pairs(names, "folders")
    assert [(pair.image, pair.mask) for pair in found.pairs] == [
        ("d1/images/00.tif", "d1/masks/00.tif"),
        ("d2/images/00.tif", "d2/masks/00.tif"),
    ]
    rows, _, notes = filenames.make_rows(found.pairs)
    assert [(row["sample"], row["group"], row["frame"]) for row in rows] == [
        ("d1_00", "d1", "00"),
        ("d2_00", "d2", "00"),
    ]
    assert notes == ["2 samples renamed: '00' → d1_00, '00' → d2_00"]


def test_other_names_of_folders_and_endings():
    names = ["phase/a.tif", "drawn/a.tif"]
    assert layouts.find_pairs(names, "folders", images="phase", masks="drawn").pairs[0].mask == "drawn/a.tif"
    names = ["a_ch0.tif", "a_ch1.tif", "a_roi.tif"]
    found = layouts.find_pairs(names, "suffix", images="_ch0", masks="_roi")
    assert [(pair.image, pair.mask) for pair in found.pairs] == [("a_ch0.tif", "a_roi.tif")]
    assert found.unpaired == [("a_ch1.tif", "not an image's name with --images _ch0")]


@pytest.mark.parametrize(
    "options",
    [
        {"masks": "_cp_masks"},
        {"images": "_BF", "masks": "_cp_masks"},
        {"images": "BF", "masks": "cp_masks"},
        {"images": "_bf.tif", "masks": "_CP_masks.png"},
        {"images": "*_BF.tif", "masks": "*_cp_masks.png"},
        {"images": "_BF"},
    ],
)
def test_endings_may_be_written_in_any_way(options):
    names = ["x_BF.tif", "x_BF_cp_masks.png", "y_BF.tif", "y_BF_cp_masks.png", "x_flows.tif"]
    layout, _ = layouts.detect(names, **options)
    found = layouts.find_pairs(names, layout, **options)
    assert [(pair.image, pair.mask, pair.name) for pair in found.pairs] == [
        ("x_BF.tif", "x_BF_cp_masks.png", "x"),
        ("y_BF.tif", "y_BF_cp_masks.png", "y"),
    ]
    assert [name for name, _ in found.unpaired] == ["x_flows.tif"]


def test_named_folders_are_detected(tmp_path):
    fill(tmp_path, "in/phase/a.tif", "in/drawn/a.tif", "in/other/a.tif")
    for images, masks in (("phase", "drawn"), ("in/phase", "in/drawn"), ("in/phase/", "drawn")):
        options = {"images": images, "masks": masks}
        names = layouts.list_files(tmp_path)
        layout, _ = layouts.detect(names, **options)
        pairs = layouts.find_pairs(names, layout, **options).pairs
        assert [pair.image for pair in pairs] == ["in/phase/a.tif"]
    table, _ = make(tmp_path, images=str(tmp_path / "in/phase"), masks=str(tmp_path / "in/drawn"))
    assert table.index.tolist() == ["a"]
    with pytest.raises(InputError, match="no layout fits the 3 files with --images nowhere, such as"):
        layouts.detect(names, images="nowhere")


def test_the_whole_name_counts_before_a_part_of_it():
    found = layouts.find_pairs(["x.tif", "x_BF.tif", "x_BF_mask.tif", "x_mask.tif"], "suffix")
    assert {(pair.image, pair.mask) for pair in found.pairs} == {
        ("x.tif", "x_mask.tif"),
        ("x_BF.tif", "x_BF_mask.tif"),
    }
    assert {pair.name for pair in found.pairs} == {"x", "x_BF"}


def test_a_mask_that_fits_two_images_is_not_given_to_either():
    found = layouts.find_pairs(["x_BF.tif", "x_phase.tif", "x_mask.tif", "y.tif", "y_mask.tif"], "suffix")
    assert [pair.image for pair in found.pairs] == ["y.tif"]
    assert "fits 2 images, x_BF.tif and x_phase.tif: choose with --images" in found.unpaired[0][1]


def test_stacks_of_equal_names_in_two_folders_are_two_groups(tmp_path):
    for dish in ("dish1", "dish2"):
        fill(tmp_path, f"{dish}/stack.tif", f"{dish}/labels.ome.tif", pages=3)
    table, _ = make(tmp_path)
    assert sorted(set(table["group"])) == ["dish1_stack", "dish2_stack"]


def test_one_coco_file_belongs_to_all_images():
    found = layouts.find_pairs(["images/a.tif", "images/b.tif", "masks/cells.json"], "folders")
    assert {pair.mask for pair in found.pairs} == {"masks/cells.json"}


def test_two_masks_of_one_image_are_told_not_chosen_between():
    found = layouts.find_pairs(["a.tif", "a_mask.tif", "a_label.tif", "b.tif", "b_mask.tif"], "suffix")
    assert [pair.image for pair in found.pairs] == ["b.tif"]
    assert len(found.unpaired) == 2
    assert all("one of several masks of a.tif" in why for _, why in found.unpaired)


def challenge(folder, annotated=(0, 2), silver=range(4)):
    fill(folder, *[f"{s}/t{n:03d}.tif" for s in ("01", "02") for n in range(4)])
    fill(folder, *[f"{s}_GT/SEG/man_seg{n:03d}.tif" for s in ("01", "02") for n in annotated])
    fill(folder, *[f"{s}_ST/SEG/man_seg{n:03d}.tif" for s in ("01", "02") for n in silver])
    fill(folder, *[f"{s}_GT/TRA/man_track{n:03d}.tif" for s in ("01", "02") for n in range(4)])


def test_cell_tracking_challenge(tmp_path):
    challenge(tmp_path)
    table, told = make(tmp_path)
    assert table.index.tolist() == ["01_t000", "01_t002", "02_t000", "02_t002"]
    assert table["group"].tolist() == ["01", "01", "02", "02"]
    assert table["frame"].tolist() == ["0", "2", "0", "2"]
    assert "GT: 4 masks; ST: 8, taken with --truth ST" in told
    assert "Two groups: each is tested once" in told
    others = read_samples(tmp_path / "samples_unlabelled.tsv", masks=False, check_files=True)
    assert others["sample"].tolist() == ["01_t001", "01_t003", "02_t001", "02_t003"]
    assert others["mask"].tolist() == [""] * 4

    table, _ = make(tmp_path, "ctc", truth="ST", sheet=tmp_path / "silver.tsv")
    assert len(table) == 8
    assert table.loc["01_t003", "mask"].endswith("01_ST/SEG/man_seg003.tif")
    assert not (tmp_path / "silver_unlabelled.tsv").exists()


def test_tracks_of_the_challenge_are_columns_of_the_sheet(tmp_path):
    challenge(tmp_path)
    fill(tmp_path, "01_GT/TRA/man_track.txt")
    table, told = make(tmp_path)
    assert "for 4 of 8 frames" in told
    assert set(table["track"]) == {""}
    fill(tmp_path, "02_GT/TRA/man_track.txt")
    table, _ = make(tmp_path, force=True)
    assert table.loc["02_t002", "track"] == str(tmp_path / "02_GT/TRA/man_track002.tif")
    assert table.loc["02_t002", "lineage"] == str(tmp_path / "02_GT/TRA/man_track.txt")
    others = read_samples(tmp_path / "samples_unlabelled.tsv", masks=False, check_files=True)
    assert others["track"].str.endswith("man_track003.tif").sum() == 2
    (tmp_path / "02_GT/TRA/man_track002.tif").unlink()
    with pytest.raises(InputError, match=r"track .*man_track002\.tif: no such file"):
        read_samples(tmp_path / "samples.tsv", check_files=True)


def test_slices_of_3d_frames_are_told():
    names = ["01/t000.tif", "01_GT/SEG/man_seg_000_005.tif"]
    found = layouts.find_pairs(names, "ctc")
    assert found.unpaired == [(names[1], "outlines of one slice of a 3-D frame, which is not read")]


SPLITS = {"train": 4, "validate": 2, "test": 2}


def study_names(image="{n}.png", mask="{n}.png"):
    return [
        f"top/spilit_{axis}_{kind}_{split}/{name.format(n=n)}"
        for split, number in SPLITS.items()
        for axis, kind, name in (("x", "image", image), ("y", "mask", mask))
        for n in range(number)
    ]


@pytest.mark.parametrize("mask", ["{n}.png", "{n}_mask.tif", "drawn ({n}).png"])
def test_the_study_pairs_by_name_or_number(mask):
    found = layouts.find_pairs(study_names(mask=mask), "study")
    assert not found.notes and not found.unpaired
    assert {pair.split for pair in found.pairs} == set(SPLITS)
    assert all(natural(pair.image)[-2] == natural(pair.mask)[-2] or "drawn" in mask for pair in found.pairs)
    rows, _, _ = filenames.make_rows(found.pairs)
    assert len({row["sample"] for row in rows}) == sum(SPLITS.values())
    assert rows[0]["sample"] == "train_0"


def test_the_study_pairs_by_order_where_names_do_not_tell_and_says_so():
    names = [name.replace("mask_train/", "mask_train/q9_z") for name in study_names(mask="{n}-7.png")]
    found = layouts.find_pairs(names, "study")
    assert len(found.pairs) == sum(SPLITS.values())
    assert len(found.notes) == 3 and "by their order alone" in found.notes[0]


def test_the_study_does_not_guess_where_numbers_differ():
    names = [name for name in study_names(mask="{n}-7.png") if name != "top/spilit_y_mask_test/1-7.png"]
    found = layouts.find_pairs(names, "study")
    assert {pair.split for pair in found.pairs} == {"train", "validate"}
    assert [pair.image for pair in found.unlabelled] == [f"top/spilit_x_image_test/{n}.png" for n in range(2)]


def test_a_stack_becomes_a_row_a_page(tmp_path):
    fill(tmp_path, "a_img.tif", "a_mask.tif", pages=12)
    fill(tmp_path, "b_img.tif", "b_mask.tif")
    table, _ = make(tmp_path, "suffix")
    assert table["page"].tolist() == [str(n) for n in range(12)] + ["0"]
    assert table.index[:2].tolist() == ["a_00", "a_01"]
    assert table.loc["a_11", ["group", "image", "mask"]].tolist() == [
        "a",
        str(tmp_path / "a_img.tif"),
        str(tmp_path / "a_mask.tif"),
    ]


def test_a_stack_with_a_mask_of_other_length_is_told(tmp_path):
    fill(tmp_path, "a.tif", pages=7)
    fill(tmp_path, "a_mask.tif", pages=6)
    with pytest.raises(InputError, match=r"7 frames, but its mask a_mask\.tif has 6"):
        make(tmp_path, "suffix")


def test_groups_and_frames_by_a_pattern(tmp_path):
    fill(
        tmp_path,
        *[
            f"{kind}/{d}/w{w}_t{n}.tif"
            for kind in ("images", "masks")
            for d in "ab"
            for w in (1, 2)
            for n in (8, 9)
        ],
    )
    fill(tmp_path, "images/a/other.tif", "masks/a/other.tif")
    table, told = make(tmp_path, "folders", pattern="{dish}/{well}_t{frame}.tif")
    assert sorted(set(table["group"])) == ["a_w1", "a_w2", "b_w1", "b_w2"]
    assert sorted(set(table["frame"])) == ["8", "9"]
    assert "images/a/other.tif: not '{dish}/{well}_t{frame}.tif'" in told


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("{group}_{frame}", "dish_1_007.tif", ("dish_1", "007", "")),
        ("{group}_{frame}.tif", "dish_1_007.tif", ("dish_1", "007", "")),
        ("{split}/{group}-{frame}", "x/train/a-1.tif", ("a", "1", "train")),
        ("{}_{group}_{frame}", "2020_a_1.ome.tif", ("a", "1", "")),
        ("{group}({frame})+", "a(3)+.tif", ("a", "3", "")),
    ],
)
def test_patterns(pattern, name, expected):
    found = filenames.fields(name, filenames.compile_pattern(pattern), pattern)
    assert (found["group"], found["frame"], found["split"]) == expected


@pytest.mark.parametrize(
    "pattern", ["{frame}", "name", "{group", "group}", "{group}_{group}", "{9x}_{group}", ""]
)
def test_wrong_patterns_are_refused(pattern):
    with pytest.raises(InputError, match="Expected for example"):
        filenames.compile_pattern(pattern)


@pytest.mark.parametrize(
    ("name", "group", "frame"),
    [
        ("dish1_00", "dish1", "00"),
        ("dish1", "dish1", ""),
        ("field-2 t017", "field-2", "017"),
        ("0012", "all", "0012"),
        ("t0012", "all", "0012"),
        ("plating_10000K", "plating_10000K", ""),
        ("2020-01-02", "2020-01", "02"),
        ("dish1_007_BF", "dish1", "007"),
        ("Series001_t03_ch00", "Series001", "03"),
        ("Project_Series001_z00_ch00", "Project_Series001", ""),
        ("t001_pos2", "pos2", "001"),
        ("VID12_A1_1_00d06h00m", "VID12_A1_1", "360"),
        ("VID12_A1_1_01d06h30m_2", "VID12_A1_1", "1830"),
        ("img_000000003_Default_000", "all", "000000003"),
        ("img_channel000_position001_time000000003_z000", "img_position001", "000000003"),
        ("exp_s01t005c1", "exp_s01", "005"),
        ("Plate_A01_T0002F001L01A01Z01C01", "Plate_A01_F001_L01_A01", "0002"),
        ("r02c03f05p01-ch1sk3fk1fl1", "r02c03f05p01", "3"),
        ("T1_dish2_003", "T1_dish2", "003"),
        ("T98G_p53r2_04", "T98G_p53r2", "04"),
    ],
)
def test_without_a_pattern_the_number_at_the_end_is_the_frame(name, group, frame):
    found = filenames.numbered(filenames.Pair(f"images/{name}.tif"), "images")
    assert (found["group"], found["frame"]) == (group, frame)


def test_a_date_before_the_clock_orders_the_frames():
    names = ["A1_2021y02m28d_23h00m", "A1_2021y03m01d_00h30m", "A1_2021y03m01d_01h00m"]
    found = [filenames.numbered(filenames.Pair(f"{name}.tif")) for name in names]
    assert {each["group"] for each in found} == {"A1"}
    assert sorted(found, key=lambda each: int(each["frame"])) == found


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        ([f"{day}_{frame}_ctrl" for day in ("mo", "tu") for frame in range(3)], "{group}_{frame}_ctrl"),
        ([f"{frame}of3-dish{dish}" for dish in (1, 2) for frame in range(3)], "{frame}of{group}"),
        (
            [f"d{dish}_{frame}_{drug}" for dish in (1, 2) for frame in range(3) for drug in "xy"],
            "{first}_{frame}_{second}",
        ),
        (["mo", "tu", "we", "th"], ""),
        ([f"{frame}_a" for frame in range(9)], ""),
    ],
)
def test_a_pattern_is_proposed_that_fits_all_names(names, pattern):
    proposed = filenames.propose_pattern(f"x/{name}.tif" for name in names)
    assert proposed == pattern
    if pattern:
        rows, left, _ = filenames.make_rows([filenames.Pair(f"{name}.tif") for name in names], pattern)
        assert not left and 1 < len({row["group"] for row in rows}) < len(names)


def test_many_groups_of_one_frame_are_told_with_a_pattern(tmp_path):
    names = [f"d{dish}_{frame}_ctrl" for dish in (1, 2, 3) for frame in range(4)]
    fill(tmp_path, *[f"{name}{end}.tif" for name in names for end in ("", "_mask")])
    _, told = make(tmp_path)
    assert "12 of 12 groups have one frame only" in told
    assert "--pattern '{group}_{frame}_ctrl', which reads d1_0_ctrl.tif as frame 0 of d1" in told
    table, told = make(tmp_path, pattern="{group}_{frame}_ctrl", force=True)
    assert table["group"].nunique() == 3 and "one frame only" not in told


def test_frames_in_a_folder_for_each_dish_are_told_with_a_pattern(tmp_path):
    names = [f"Schale {dish}/Bild{frame}" for dish in (1, 2, 3) for frame in (1, 2)]
    fill(tmp_path, *[f"{name}{end}.tif" for name in names for end in ("", "_mask")])
    table, told = make(tmp_path)
    assert table.index.tolist() == table["group"].tolist()
    assert table.index[0] == "Schale_1_Bild1"  # not with its name twice
    assert "--pattern '{group}/Bild{frame}', which reads Bild1.tif as frame 1 of Schale 1" in told
    table, told = make(tmp_path, pattern="{group}/Bild{frame}", force=True)
    assert table["group"].value_counts().to_dict() == {f"Schale_{dish}": 2 for dish in (1, 2, 3)}
    assert table.index.nunique() == 6 and "one frame only" not in told


@pytest.mark.parametrize("folders", [("a/x", "b/x"), ("a", "a")])
def test_no_pattern_is_proposed_that_joins_folders_of_one_name(folders):
    assert filenames.propose_pattern(f"{folder}/c{n}d.tif" for folder in folders for n in (1, 2)) == ""


def test_a_single_time_lapse_is_told_of_blocks(tmp_path):
    fill(tmp_path, *[f"d_{frame:02d}{end}.tif" for frame in range(20) for end in ("", "_mask")])
    _, told = make(tmp_path)
    assert "1 group used as a whole" in told and "for example --block 4" in told


def test_a_group_is_cut_into_blocks_in_the_order_of_time():
    pairs = [filenames.Pair(f"a_{n}.tif", f"m_{n}.tif") for n in (9, 10, 1, 2, 3, 4, 5, 6, 7, 8)]
    rows, _, notes = filenames.make_rows(pairs, block=3)
    assert {row["frame"]: row["group"][-1] for row in rows} == {
        **dict.fromkeys("1234", "1"), **dict.fromkeys("567", "2"), **dict.fromkeys(("8", "9", "10"), "3")
    }  # fmt: skip
    assert "scores are higher" in notes[0]
    with pytest.raises(InputError, match="at least 1"):
        filenames.make_rows(pairs, block=-1)


def test_names_become_legal_ids_and_the_change_is_told(tmp_path):
    names = ["zelle ä.tif", "zelle_a.tif", "b..c.tif", "中.tif", "文.tif", f"{'x' * 120}.tif"]
    for kind in ("images", "masks"):
        fill(tmp_path / kind, *names)
    (tmp_path / "images/tab\tin.tif").touch()
    (tmp_path / "masks/tab\tin.tif").touch()
    table, told = make(tmp_path)
    assert len(table) == len(names) == table["group"].nunique()
    assert "'zelle ä' → zelle_a" in told and "samples renamed" in told
    assert "rename it" in told
    assert table.loc[[name for name in table.index if name.startswith("x")], "image"].tolist()  # 中 and 文


def test_equal_names_in_three_splits_get_the_split_in_front():
    pairs = [filenames.Pair(f"{split}/1.tif", "m.tif", split=split) for split in SPLITS]
    rows, _, _ = filenames.make_rows(pairs)
    assert [row["sample"] for row in rows] == ["train_1", "validate_1", "test_1"]
    assert {row["group"] for row in rows} == {"all"}  # the folder of a split is no group


@given(st.lists(st.text(min_size=1, max_size=130), min_size=1, max_size=30))
def test_any_names_become_legal_and_unique(names):
    rows = [{"sample": name, "group": name, "split": ""} for name in names]
    filenames.legal_names(rows)
    assert all(ID.fullmatch(row["sample"]) and ID.fullmatch(row["group"]) for row in rows)
    assert len({row["sample"] for row in rows}) == len(rows)
    assert len({row["group"] for row in rows}) == len(set(names))


def test_a_sheet_is_not_written_over_without_force(tmp_path):
    fill(tmp_path, "a.tif", "a_mask.tif")
    (tmp_path / "samples.tsv").write_text("mine")
    with pytest.raises(InputError, match="--force"):
        make(tmp_path)
    assert (tmp_path / "samples.tsv").read_text() == "mine"
    making.make_sheet(tmp_path, tmp_path / "samples.tsv", dry_run=True, tell=str)
    assert (tmp_path / "samples.tsv").read_text() == "mine"
    assert len(make(tmp_path, force=True)[0]) == 1
    fill(tmp_path, "b.tif")
    (tmp_path / "samples_unlabelled.tsv").write_text("mine too")
    _, told = make(tmp_path, sheet=tmp_path / "other/samples.tsv")
    assert (tmp_path / "other/samples_unlabelled.tsv").read_text().splitlines()[1] == "b\t../b.tif\tb"
    (tmp_path / "samples.tsv").unlink()
    _, told = make(tmp_path)
    assert "kept as it is" in told
    assert (tmp_path / "samples_unlabelled.tsv").read_text() == "mine too"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no image found"),
        (["notes.txt"], "no image found"),
        (["a.tif", "b.tif"], "no layout fits the 2 files, none of which is called a mask"),
        (["a film.tif"], "no layout fits the 1 file, .* To segment images without masks, no sheet is needed"),
        ([".hidden/images/a.tif"], "no image found"),
    ],
)
def test_folders_without_pairs_are_refused(tmp_path, names, message):
    fill(tmp_path, *names)
    with pytest.raises(InputError, match=message):
        make(tmp_path)


def test_a_wrong_layout_or_folder_is_told(tmp_path):
    fill(tmp_path, "images/a.tif", "masks/a.tif")
    with pytest.raises(InputError, match="nothing is laid out as ctc"):
        make(tmp_path, "ctc")
    with pytest.raises(InputError, match="no such folder"):
        make(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is no folder"):
        make(tmp_path / "images/a.tif", sheet=tmp_path / "s.tsv")


def test_links_are_followed_once(tmp_path):
    fill(tmp_path / "far", "a.tif")
    fill(tmp_path / "near/masks", "a.tif")
    (tmp_path / "near/images").symlink_to(tmp_path / "far")
    (tmp_path / "far/loop").symlink_to(tmp_path / "near")
    assert layouts.list_files(tmp_path / "near") == ["images/a.tif", "masks/a.tif"]


def test_a_damaged_stack_is_left_to_the_reader(tmp_path):
    fill(tmp_path, "a.tif", "a_mask.tif")
    (tmp_path / "a.tif").write_bytes(b"II*\0broken")
    assert len(make(tmp_path)[0]) == 1


def test_every_format_that_is_read_is_listed():
    assert set(READERS) <= set(layouts.IMAGE_SUFFIXES)


def test_fifty_thousand_frames_are_paired_by_name_alone():
    names = [f"{kind}/d{n // 100}_{n:05d}.tif" for kind in ("images", "masks") for n in range(50_000)]
    rows, left, _ = filenames.make_rows(layouts.find_pairs(names, layouts.detect(names)[0]).pairs)
    assert (len(rows), left) == (50_000, [])


def command(capsys, *words):
    make_samples.main([str(word) for word in words])
    return capsys.readouterr().out


def test_the_command_writes_sheet_and_config(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(
        tmp_path / "mine",
        *[f"{kind}/d{d}_{n}.tif" for kind in ("images", "masks") for d in (1, 2, 3) for n in (0, 1)],
    )
    out = command(capsys, "folders", "mine", "--pixel-size-um", "0.5", "--config", "mine.yaml")
    assert "6 frames with masks" in out and "Written: mine/samples.tsv" in out
    import yaml

    from brightcell.config import validation

    config = validation.complete(
        yaml.safe_load((tmp_path / "mine.yaml").read_text()), validation.load_schema()
    )
    assert config["samples"] == "mine/samples.tsv" and config["dataset"] == "mine"
    assert config["images"]["pixel_size_um"] == 0.5
    with pytest.raises(InputError, match=r"mine.yaml: exists already"):
        command(capsys, "folders", "mine", "--output", "x.tsv", "--config", "mine.yaml")
    assert not os.path.exists("x.tsv")  # noqa: PTH110


@pytest.mark.parametrize(
    "words", [["."], ["folders", ".", "--detect"], ["--detect", ".", "--pixel-size-um", "-1"], ["boxes", "."]]
)
def test_a_wrong_command_is_refused(words, capsys):
    with pytest.raises(SystemExit) as raised:
        make_samples.main(words)
    assert raised.value.code == 2


def test_fields_of_one_group_with_the_same_frames_have_no_column_frame(tmp_path):
    fill(
        tmp_path, *(f"f{field}_{frame}{end}.tif" for field in "ab" for frame in "01" for end in ("", "_mask"))
    )
    table, told = make(tmp_path, pattern="{group}{}_{frame}")
    assert "Frame 0 stands 2 times in the group f" in told
    assert table["frame"].tolist() == [""] * 4


def test_a_decimal_comma_is_named(capsys):
    with pytest.raises(SystemExit):
        make_samples.main(["--detect", ".", "--pixel-size-um", "0,65"])
    assert (
        "found '0,65'; expected a number with a decimal point, such as 0.65; write 0.65"
        in capsys.readouterr().err
    )


def test_the_suggested_config_says_how_large_cells_are(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "mine", *[f"{kind}/d{d}.tif" for kind in ("images", "masks") for d in (1, 2, 3)])
    assert "Cells are about 5 px across" in command(capsys, "folders", "mine")
    assert "cell_diameter_px" in command(capsys, "folders", "mine", "--force")
    out = command(capsys, "folders", "mine", "--force", "--pixel-size-um", "65")
    assert (
        "Cells are about 5 px = 293 µm across (median of 3). Cells are 5 to 200 µm: is the pixel size of 65 µm"
        in out
    )


def test_a_closed_pipe_and_bad_input_end_the_command_without_a_traceback(tmp_path):
    fill(tmp_path, *[f"d{n}{end}.tif" for n in range(40) for end in ("", "_mask")])
    script = f"{sys.executable} {ROOT}/workflow/scripts/make_samples.py --detect"
    for folder in (tmp_path, tmp_path / "nowhere"):
        run = subprocess.run(
            f"{script} {folder} --dry-run | head -c 1",
            shell=True,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in run.stderr and "Exception" not in run.stderr, run.stderr
    assert "ERROR" in run.stderr and "no such folder" in run.stderr


def test_the_config_is_named_as_its_file_and_its_trainings_are_counted(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "hela", *[f"{kind}/d{d}.tif" for kind in ("images", "masks") for d in range(5)])
    out = command(capsys, "folders", "hela", "--config", "config/mine.yaml")
    assert "dataset: mine\n" in (tmp_path / "config/mine.yaml").read_text()
    assert "45 trainings (3 networks × 5 folds × 3 seeds) of up to 5,000 steps" in out


def test_numpy_files_beside_pictures_are_left_out_but_for_masks_of_cellpose(tmp_path):
    fill(
        tmp_path,
        "a_1.tif",
        "a_1_seg.npy",
        "a_1.npy",
        "b_1.tif",
        "b_1_seg.npy",
        "b_1_cp_masks.png",
        "c_1_flows.npz",
    )
    names = layouts.list_files(tmp_path)
    assert names == ["a_1.tif", "a_1_seg.npy", "b_1.tif", "b_1_cp_masks.png"]
    found = layouts.find_pairs(names, layouts.detect(names)[0])
    assert [(pair.image, pair.mask) for pair in found.pairs] == [
        ("a_1.tif", "a_1_seg.npy"),
        ("b_1.tif", "b_1_cp_masks.png"),
    ]
    fill(tmp_path / "only", "a.npy", "a_mask.npy")
    assert layouts.list_files(tmp_path / "only") == ["a.npy", "a_mask.npy"]


def sequence(*names):
    found = layouts.find_pairs(list(names), layouts.detect(list(names))[0])
    return [(pair.image, pair.mask) for pair in found.pairs], found


def test_masks_that_count_from_another_number_pair_by_their_order():
    images = [f"Position01Channel01Frame{n:06d}.tif" for n in (1, 2, 3)]
    masks = [f"expected_results/labels_{n:03d}.tif" for n in (0, 1, 2)]
    pairs, found = sequence(*images, *masks)
    assert pairs == list(zip(images, masks, strict=True))
    assert "The numbers of 3 images and masks differ by 1" in " ".join(found.notes)
    rows, *_ = filenames.make_rows(found.pairs)
    assert [(row["group"], int(row["frame"])) for row in rows] == [
        ("Position01", 1),
        ("Position01", 2),
        ("Position01", 3),
    ]


@pytest.mark.parametrize("numbers", [(0, 1), (0, 1, 5), (3, 4)])
def test_masks_with_numbers_of_no_image_are_not_paired_by_number(numbers):
    images = [f"images/run{n}.tif" for n in (1, 2, 3)]
    masks = [f"masks/cells{n}.tif" for n in numbers]
    if numbers == (0, 1):  # fewer masks than images: they may be those of the first or of the last images
        masks.append("masks/cells9.tif")
    found = layouts.find_pairs([*images, *masks], "folders")
    assert not found.pairs
    assert len(found.unpaired) == len(masks)


def test_the_only_image_and_the_only_mask_pair_and_it_is_said():
    pairs, found = sequence("movie/test.tif", "movie/test_results/labels_from_nc.tif")
    assert pairs == [("movie/test.tif", "movie/test_results/labels_from_nc.tif")]
    assert "1 pair of the only two files" in found.notes[0]


@pytest.mark.parametrize(
    "outlines",
    [
        ["a.zip"],
        ["RoiSet_a.zip"],
        ["RoiSet.zip"],
        [f"a/{frame}-{cell}.roi" for frame in (1, 2) for cell in (1, 2)],
        [f"outlines/a/{frame}-{cell}.roi" for frame in (1, 2) for cell in (1, 2)],
    ],
)
def test_one_file_of_outlines_belongs_to_a_whole_sequence(tmp_path, outlines):
    images = ["a_1.tif", "a_2.tif"]
    fill(tmp_path, *images, *outlines)
    table, told = make(tmp_path)
    assert "The layout is sequence" in told
    expected = outlines[0] if len(outlines) == 1 else str(Path(outlines[0]).parent)
    assert set(table["mask"]) == {str(tmp_path / expected)}
    assert list(table["frame"]) == ["1", "2"]


def test_outlines_of_a_sequence_of_another_name_are_told():
    names = ["d1/a_1.tif", "d1/a_2.tif", "d2/a_1.tif", "d2/a_2.tif", "d1/a.zip", "d3/b.zip"]
    found = layouts.find_pairs(names, "sequence")
    assert [pair.mask for pair in found.pairs] == ["d1/a.zip"] * 2
    assert len(found.unlabelled) == 2
    assert found.unpaired == [("d3/b.zip", "no sequence of images is called so")]


def test_rois_called_as_their_images_stay_files(tmp_path):
    fill(tmp_path, "images/a.tif", "images/b.tif", "masks/a.roi", "masks/b.roi")
    table, _ = make(tmp_path)
    assert [Path(mask).name for mask in table["mask"]] == ["a.roi", "b.roi"]


def test_a_stack_with_depth_asks_for_the_slices(tmp_path, capsys):
    stack = np.zeros((2, 3, 8, 8), np.uint8)
    stack[..., 2:6, 2:6] = 3
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, ome=True, metadata={"axes": "TZYX"})
    tifffile.imwrite(tmp_path / "a_mask.tif", stack[:, 0], imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(InputError, match=r"2 × T of 3 × Z, so 3 slices of depth.*--plane 1.*--plane focus"):
        make(tmp_path)
    for plane in ("1", "0,2", "focus", "0"):
        make_samples.main(["--detect", str(tmp_path), "--force", "--plane", plane])
        wanted = f"plane: [{plane.replace(',', ', ')}]" if "," in plane else f"plane: {plane}"
        assert wanted in capsys.readouterr().out
        assert list(read_samples(tmp_path / "samples.tsv")["page"]) == ["0", "1"]


def test_masks_in_panels_are_measured_if_it_is_said(tmp_path, capsys):
    fill(tmp_path, "a_BF.png")
    wide, drawn = np.zeros((20, 60), np.uint8), np.zeros((20, 40), np.uint8)
    drawn[5:15, 5:15] = drawn[3:13, 28:38] = 255
    Image.fromarray(wide).save(tmp_path / "a_BF.png")
    Image.fromarray(drawn).save(tmp_path / "a_segoutlines.png")
    make_samples.main(["--detect", str(tmp_path)])
    assert "Then write `images: {panels: 3}`" in capsys.readouterr().out
    make_samples.main(["--detect", str(tmp_path), "--force", "--panels", "3", "--plane", "1"])
    said = capsys.readouterr().out
    assert "median of 2" in said
    assert "panels: 3, plane: 1" in said


def test_masks_whose_numbers_are_tracks(tmp_path):
    fill(tmp_path, "a_00.tif", "a_00_mask.tif", "a_01.tif", "a_01_mask.tif")
    table, _ = make(tmp_path, tracked=True)
    assert list(table["track"]) == list(table["mask"])
    assert set(table["lineage"]) == {""}
    fill(tmp_path / "drawn", "b_00.tif", "b_00.zip")
    table, told = make(tmp_path / "drawn", tracked=True)
    assert set(table["track"]) == {""}
    assert "b_00.zip holds outlines, which have no numbers" in told


@pytest.mark.parametrize(
    ("frames", "told", "config"), [(1, "too few", "[random]"), (2, "each is tested once", "number: 2")]
)
def test_two_groups(tmp_path, capsys, frames, told, config):
    for group in "ab":
        fill(
            tmp_path,
            *[f"{group}_{n}{end}.tif" for n in range(2 if group == "a" else frames) for end in ("", "_mask")],
        )
    make_samples.main(["--detect", str(tmp_path)])
    said = capsys.readouterr().out
    assert told in said
    assert config in said
