import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from textured import scene

from brightcell.check import duplicates


def facts(**columns):
    table = pd.DataFrame({"sample": ["a", "b", "c"], "group": ["g", "g", "h"], "split": ""})
    return table.assign(**columns)


def test_fingerprints_tell_arrays_apart():
    image, _ = scene()
    assert duplicates.pixel_digest(image) == duplicates.pixel_digest(image.copy())
    assert duplicates.pixel_digest(np.asfortranarray(image)) == duplicates.pixel_digest(image)
    others = [image.astype(np.int32), image.reshape(80, 320), image + 1]
    assert len({duplicates.pixel_digest(each) for each in [image, *others]}) == 4


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
    rows = duplicates.repeat_findings(facts(split=split, image_print=prints, mask_print=["1", "2", "3"]))
    assert [row["finding"] for row in rows] == [finding]
    assert "a (group g" in rows[0]["found"]


def test_equal_masks_of_different_frames():
    rows = duplicates.repeat_findings(facts(image_print=["x", "y", "z"], mask_print=["1", "1", "2"]))
    assert [row["finding"] for row in rows] == ["duplicate_mask"]


def test_constant_frames_and_empty_masks_are_no_repeats():
    assert duplicates.repeat_findings(facts(image_print=["", "", "x"], mask_print=["", "", "1"])) == []


def likeness(frames, groups, split=""):
    samples = pd.DataFrame({"sample": [f"s{n}" for n in range(len(frames))], "group": groups, "split": split})
    samples["image_print"] = [duplicates.pixel_digest(image) for image, _ in frames]
    pictures = np.stack([duplicates.small_picture(image) for image, _ in frames])
    masks = np.stack([duplicates.small_mask(labels) for _, labels in frames])
    return [(row["finding"], row["found"]) for row in duplicates.likeness_findings(samples, pictures, masks)]


COPIES = {
    "brighter": lambda image: (image * 1.5 + 300).astype(np.uint16),
    "noisier": lambda image: image + np.random.default_rng(0).integers(0, 20, image.shape).astype(np.uint16),
    "of 8 bits": lambda image: (image // 10).astype(np.uint8),
    "in colour": lambda image: np.dstack([image] * 3),
    "denoised": lambda image: ndimage.gaussian_filter(image, 0.7),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_that_was_saved_again_is_leakage(name):
    image, labels = scene(1)
    ((finding, text),) = likeness([scene(2), (image, labels), (COPIES[name](image), labels)], ["g", "g", "h"])
    assert finding == "leakage"
    assert "s1 (group g), s2 (group h)" in text


@pytest.mark.parametrize("turn", [np.rot90, np.fliplr, np.transpose])
def test_a_turned_copy_is_leakage(turn):
    image, labels = scene(1)
    ((finding, text),) = likeness([(image, labels), (turn(image), turn(labels))], ["g", "h"])
    assert finding == "leakage"
    assert ", the first " in text


def test_a_copy_at_half_the_size_is_leakage():
    image, labels = scene(1, side=320)
    small = image.reshape(160, 2, 160, 2).mean((1, 3)), labels[::2, ::2]
    assert [finding for finding, _ in likeness([(image, labels), small], ["g", "h"])] == ["leakage"]


def test_the_same_picture_with_other_cells_is_told_as_near():
    image, labels = scene(1)
    other = image + 5, scene(2)[1]
    assert [finding for finding, _ in likeness([(image, labels), other], ["g", "h"])] == ["near_duplicate"]


def test_neighbours_of_a_time_lapse_are_told_across_groups_and_splits_only():
    image, labels = scene(1, side=240, cells=30)
    moved = np.roll(image, 1, 0), np.roll(labels, 1, 0)
    assert likeness([(image, labels), moved], ["g", "g"]) == []
    ((finding, _),) = likeness([(image, labels), moved], ["g", "h"])
    assert finding == "near_duplicate"
    ((finding, text),) = likeness([(image, labels), moved], ["g", "g"], ["train", "test"])
    assert finding == "near_duplicate"
    assert "s0 (group g, train), s1 (group g, test)" in text


def test_different_cells_under_the_same_uneven_light_are_not_alike():
    rows, columns = np.mgrid[:160, :160]
    light = 2000 * np.exp(-((rows - 60) ** 2 + (columns - 90) ** 2) / 80**2)
    frames = [((image + light).astype(np.uint16), labels) for image, labels in map(scene, range(6))]
    assert likeness(frames, list("abcdef")) == []


def test_pairs_of_the_same_groups_are_counted_in_one_row():
    image, labels = scene(1)
    frames = [(image + n, labels) for n in range(6)]
    ((finding, text),) = likeness(frames, ["g", "g", "g", "h", "h", "h"])
    assert finding == "leakage"
    assert "and 8 more pairs" in text


def test_frames_beyond_one_block_are_compared_too(monkeypatch):
    monkeypatch.setattr(duplicates, "BLOCK", 2)
    image, labels = scene(1)
    frames = [(image, labels), scene(2), scene(3), scene(4), (image + 3, labels)]
    ((finding, text),) = likeness(frames, list("abcde"))
    assert finding == "leakage"
    assert "s0 (group a), s4 (group e)" in text


def test_one_mask_that_fits_two_pictures_is_one_field_twice():
    prints = {"image_print": ["x", "y", "z"], "mask_print": ["1", "2", "1"]}
    (row,) = duplicates.repeat_findings(facts(**prints, fit=[0.6, 0.6, 0.5]))
    assert row["finding"] == "leakage"
    assert "a (group g), c (group h)" in row["found"]
    (row,) = duplicates.repeat_findings(facts(**prints, fit=[0.6, 0.6, 0.1]))
    assert row["finding"] == "duplicate_mask"
    prints["mask_print"] = ["1", "1", "2"]  # in one group
    (row,) = duplicates.repeat_findings(facts(**prints, fit=[0.6, 0.6, 0.6]))
    assert row["finding"] == "duplicate_mask"


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["well3_24h", "well3_48h", "well4_24h"], ["well3_24h, well3_48h"]),
        (["pos1_t00", "pos1_t01", "pos2_t00", "pos2_t01"], ["pos1_t00, pos1_t01", "pos2_t00, pos2_t01"]),
        (["day1_dish2", "day2_dish2"], ["day1_dish2, day2_dish2"]),
        (["A1_00d06h00m", "A1_00d12h00m"], ["A1_00d06h00m, A1_00d12h00m"]),
        (["dish1", "dish2", "t1", "t2", "plating_10000K", "plating_1250K", "s1_part1", "s1_part2"], []),
    ],
)
def test_groups_whose_names_differ_by_a_time(groups, expected):
    rows = duplicates.name_findings(groups)
    assert [row["found"] for row in rows] == [
        f"by their names one field at 2 times: {each}" for each in expected
    ]
    assert {row["finding"] for row in rows} <= {"same_field"}
