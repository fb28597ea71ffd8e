"""Public sets under their exact names: each is detected and pairs with the official split and the right groups."""

import json

import pytest

from brightcell.sheets import filenames, layouts, making
from brightcell.sheets.samples import read_samples

PHASE = (
    "A172_Phase_A7_1_00d00h00m_1.tif",
    "A172_Phase_A7_1_01d08h00m_2.tif",
    "SKOV3_Phase_H4_2_00d04h00m_3.tif",
)
# name → files; what COCO files list; the pairs: image, mask, group, split; images without mask, other files
SETS = {
    "livecell": (
        [
            *(f"images/livecell_train_val_images/A172/{name}" for name in PHASE[:2]),
            f"images/livecell_test_images/SKOV3/{PHASE[2]}",
            *(f"annotations/LIVECell/livecell_coco_{part}.json" for part in ("train", "val", "test")),
        ],
        {
            "annotations/LIVECell/livecell_coco_train.json": [PHASE[0]],
            "annotations/LIVECell/livecell_coco_val.json": [PHASE[1]],
            "annotations/LIVECell/livecell_coco_test.json": [PHASE[2], PHASE[2]],
        },
        [
            (PHASE[0], "livecell_coco_train.json", "A172_A7_1", "train"),
            (PHASE[1], "livecell_coco_val.json", "A172_A7_1", "validate"),
            (PHASE[2], "livecell_coco_test.json", "SKOV3_H4_2", "test"),
        ],
        (0, 0),
    ),
    "evican": (
        [
            "Images/EVICAN_train2019/12_ACHN.jpg",
            "Images/EVICAN_train2019/12_ACHN_Background.jpg",
            "Images/EVICAN_val2019/7_HeLa.jpg",
            "Images/EVICAN_eval2019/3_MCF7.jpg",
            "instances_train2019_EVICAN2.json",
            "instances_train2019_EVICAN60.json",
            "instances_val2019_EVICAN2.json",
            "instances_eval2019_easy_EVICAN2.json",
            "Masks/EVICAN_train_masks/Cells/12_ACHN.jpg",
        ],
        {
            "instances_train2019_EVICAN2.json": ["12_ACHN.jpg"],
            "instances_train2019_EVICAN60.json": ["12_ACHN.jpg"],
            "instances_val2019_EVICAN2.json": ["7_HeLa.jpg"],
            "instances_eval2019_easy_EVICAN2.json": ["3_MCF7.jpg"],
        },
        [
            ("12_ACHN.jpg", "instances_train2019_EVICAN2.json", "ACHN", "train"),
            ("3_MCF7.jpg", "instances_eval2019_easy_EVICAN2.json", "MCF7", "test"),
            ("7_HeLa.jpg", "instances_val2019_EVICAN2.json", "HeLa", "validate"),
        ],
        (0, 0),
    ),
    "yeaz": (
        ["BF/wt1_BF1_im.tif", "BF/wt1_BF1_mask.tif", "BF/wt1_BF2_im.tif"],
        {},
        [("wt1_BF1_im.tif", "wt1_BF1_mask.tif", "", "")],
        (1, 0),
    ),
    "deepbacs": (
        [
            f"{part}/{kind}/pos1_{n}.tif"
            for part in ("training", "test")
            for kind in ("source", "target")
            for n in "12"
        ],
        {},
        [(f"pos1_{n}.tif", f"pos1_{n}.tif", "", split) for split in ("test", "train") for n in "12"],
        (0, 0),
    ),
    "omnipose": (
        [
            *(f"bact_phase/train_sorted/caulobacter/0{end}.tif" for end in ("", "_masks", "_flows")),
            *(f"bact_phase/test_sorted/vibrio/0{end}.tif" for end in ("", "_masks", "_flows")),
            *(f"worm/train/7{end}.tif" for end in ("", "_masks")),
        ],
        {},
        [
            ("0.tif", "0_masks.tif", "vibrio_test", "test"),
            ("0.tif", "0_masks.tif", "caulobacter_train", "train"),
            ("7.tif", "7_masks.tif", "train", "train"),
        ],
        (0, 0),
    ),
    "nnunet": (
        [
            "imagesTr/c_001_0000.png",
            "imagesTr/c_001_0001.png",
            "imagesTs/c_009_0000.png",
            "labelsTr/c_001.png",
            "dataset.json",
        ],
        {},
        [("c_001_0000.png", "c_001.png", "", "")],
        (1, 0),
    ),
    "dsb2018": (
        [
            f"stage1_train/{name}/{kind}"
            for name in ("0a7e", "00ae")
            for kind in (f"images/{name}.png", "masks/1.png", "masks/2.png")
        ],
        {},
        [("00ae.png", "masks", "00ae", ""), ("0a7e.png", "masks", "0a7e", "")],
        (0, 0),
    ),
    "usiigaci": (
        [f"train/set{n}/{name}" for n in "12" for name in ("raw.tif", "instances_ids.png")],
        {},
        [("raw.tif", "instances_ids.png", f"set{n}", "") for n in "12"],
        (0, 0),
    ),
    "cellseg": (
        [
            "images/cell_00001.bmp",
            "images/cell_00002.tif",
            "labels/cell_00001_label.tiff",
            "labels/cell_00002_label.tiff",
        ],
        {},
        [
            (f"cell_0000{n}.{end}", f"cell_0000{n}_label.tiff", f"cell_0000{n}", "")
            for n, end in ((1, "bmp"), (2, "tif"))
        ],
        (0, 0),
    ),
    "deepsea": (
        [
            f"segmentation_dataset/{part}/{kind}/A11_z0.png"
            for part in ("train", "test")
            for kind in ("images", "masks")
        ],
        {},
        [("A11_z0.png", "A11_z0.png", "", split) for split in ("test", "train")],
        (0, 0),
    ),
    "stardist": (
        [
            f"{part}/{kind}/a{n}.tif"
            for part in ("train", "test")
            for kind in ("images", "masks")
            for n in "12"
        ],
        {},
        [(f"a{n}.tif", f"a{n}.tif", "", split) for split in ("test", "train") for n in "12"],
        (0, 0),
    ),
    "coco": (
        ["a/x.png", "b/x.png", "b/y.png", "one.json", "labels_val.json"],
        {"one.json": ["a/x.png"], "labels_val.json": ["b/x.png"]},
        [("x.png", "one.json", "", ""), ("x.png", "labels_val.json", "", "validate")],
        (1, 0),
    ),
}


def last(path):
    return path.rpartition("/")[2]


@pytest.mark.parametrize("name", SETS)
def test_a_public_set_is_found_under_its_names(name):
    files, listed, pairs, (unlabelled, unpaired) = SETS[name]
    files = sorted(files)
    options = {"listed": lambda file: listed.get(file, [])}
    assert layouts.detect(files, **options)[0] == name
    found = layouts.find_pairs(files, name, **options)
    seen = [(last(pair.image), last(pair.mask), pair.group, pair.split) for pair in found.pairs]
    assert sorted(seen) == sorted(pairs)
    assert all(pair.mask.rpartition("/")[0] for pair in found.pairs if name == "dsb2018")
    assert (len(found.unlabelled), len(found.unpaired)) == (unlabelled, unpaired)
    rows, left, _ = filenames.make_rows(found.pairs)
    assert not left
    assert len({row["sample"] for row in rows}) == len(pairs)


def test_every_set_but_those_named_by_their_rows_is_tried():
    assert set(SETS) == set(layouts.SETS)


def test_an_image_listed_in_two_files_is_left_to_the_user():
    files = ["a.json", "b.json", "x.png", "y.png"]
    listed = {"a.json": ["x.png", "y.png"], "b.json": ["x.png"]}
    found = layouts.find_pairs(files, "coco", listed=lambda file: listed[file])
    assert [(pair.image, pair.mask) for pair in found.pairs] == [("y.png", "a.json")]
    assert ("x.png", "listed in a.json and b.json: remove one of these files") in found.unpaired


def test_groups_in_several_parts_of_an_official_split_are_told():
    files, listed, *_ = SETS["livecell"]
    found = layouts.find_pairs(files, "livecell", listed=lambda file: listed.get(file, []))
    assert any(
        "1 group is in several parts of the official split, such as A172_A7_1: fields" in note
        for note in found.notes
    )


def test_a_set_of_coco_files_becomes_a_sheet(tmp_path):
    for number, part in enumerate(("train", "val", "test")):
        name = f"{number}.png"
        (tmp_path / name).touch()
        content = {"images": [{"id": 1, "file_name": name}], "annotations": {}}
        (tmp_path / f"{part}.json").write_text(json.dumps(content))
    (tmp_path / "other.json").write_text("{")
    told = []
    making.make_sheet(tmp_path, tmp_path / "samples.tsv", tell=told.append)
    table = read_samples(tmp_path / "samples.tsv")
    assert [last(mask) for mask in table["mask"]] == ["train.json", "val.json", "test.json"]
    assert table["split"].tolist() == ["train", "validate", "test"]
    assert any("other.json: lists none of the images" in line for line in told)


@pytest.mark.parametrize(
    ("word", "split"), [("training", "train"), ("val", "validate"), ("dev", "validate"), ("eval", "test")]
)
def test_words_for_splits_in_a_pattern(word, split):
    text = "{split}/{group}_{frame}"
    assert filenames.fields(f"{word}/a_3.tif", filenames.compile_pattern(text), text)["split"] == split
