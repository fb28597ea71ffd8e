"""Frames cut out of other frames are found again, also if they were scaled and compressed since; others are not."""

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image
from textured import scene

from brightcell.check import crops


def saved_again(image, factor, quality):
    """Scale a picture, and save it as JPEG of 8 bits."""
    image = image.astype(float)
    grey = np.round(255 * (image - image.min()) / np.ptp(image)).astype(np.uint8)
    size = [round(length * factor) for length in grey.shape[::-1]]
    file = io.BytesIO()
    Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


FRAMES = [scene(seed, side=320, cells=40)[0] for seed in range(3)]


def found(images, groups, alike=()):
    samples = pd.DataFrame({"sample": [f"s{n}" for n in range(len(images))], "group": groups, "split": ""})
    samples["image_print"] = [str(n) for n in range(len(images))]
    pictures = {f"s{n}": crops.picture(image) for n, image in enumerate(images)}
    return crops.crop_findings(samples, pictures, alike)


@pytest.mark.parametrize(("part", "factor"), [((30, 10, 280), 1), ((70, 40, 170), 0.6), ((200, 5, 100), 1.4)])
def test_a_part_of_another_frame_is_leakage(part, factor):
    top, left, side = part
    crop = saved_again(FRAMES[1][top : top + side, left : left + side], factor, 60)
    (row,) = found([*FRAMES, crop], list("abcd"))
    assert (row["finding"], row["sample"], row["others"]) == ("leakage", "s3", ["s1"])
    assert f"s3 (group d) shows a part of s1 (group b): {round(100 * side / 320)}"[:-1] in row["found"]


def test_parts_within_a_group_and_different_frames_are_no_findings():
    crop = FRAMES[1][70:240, 40:210]
    assert found([*FRAMES, crop], list("abcb")) == []
    assert found(FRAMES, list("abc")) == []


def test_groups_that_are_known_to_be_alike_are_not_reported_again():
    crop = FRAMES[1][70:240, 40:210]
    assert found([*FRAMES, crop], list("abcd"), [{"sample": "s1", "others": ["s3"]}]) == []


def test_the_frames_compared_are_limited_and_spread_over_the_table():
    few = pd.DataFrame({"sample": list("abc")})
    assert crops.chosen_frames(few) == ["a", "b", "c"]
    many = pd.DataFrame({"sample": np.arange(5000)})
    chosen = crops.chosen_frames(many)
    assert len(chosen) ** 2 * len(crops.SIDES) <= crops.MOST_COMPARISONS
    assert (chosen[0], chosen[-1]) == (0, 4999)


def test_frames_of_all_shapes_and_without_structure():
    rng = np.random.default_rng(0)
    images = [np.zeros((50, 60)), rng.normal(size=(4, 900)), rng.normal(size=(30, 20, 3)), FRAMES[0]]
    assert found(images, list("abcd")) == []


REAL = Path(os.environ.get("BRIGHTCELL_REAL_DATA", "nowhere"))


@pytest.mark.skipif(not REAL.is_dir(), reason="BRIGHTCELL_REAL_DATA names no folder")
@pytest.mark.parametrize("cells", ["hela", "nih3t3"])
def test_parts_of_real_frames(cells):
    frames = [tifffile.imread(path) for path in sorted((REAL / cells / "images").glob("*.tif"))[:4]]
    assert found(frames, list("abcd")) == []
    height, width = (length // 2 for length in frames[2].shape)
    part = saved_again(frames[2][height // 2 :, width // 2 :][:height, :width], 0.6, 60)
    (row,) = found([*frames, part], list("abcde"))
    assert (row["finding"], row["others"]) == ("leakage", ["s2"])
