"""The gallery: which frames it shows, which part of them, and what it says of each cell."""

import base64
import re

import imagecodecs
import numpy as np
import pandas as pd
import pytest
from skimage import measure
from skimage.draw import polygon2mask

from brightcell.metrics import objects
from brightcell.metrics.matching import match_cells
from brightcell.report import gallery


def discs(number=4, radius=9, gap=24):
    """Label image (gap, number × gap) of discs in a row, numbered from 1."""
    rows, columns = np.mgrid[:gap, : number * gap]
    labels = np.zeros(rows.shape, np.int32)
    for index in range(number):
        labels[(rows - gap // 2) ** 2 + (columns - gap * index - gap // 2) ** 2 <= radius**2] = index + 1
    return labels


def points_of(path):
    """Corners (x, y) in px of each closed outline of a path."""
    outlines = []
    for outline in filter(None, path.split("z")):
        start, *moves = re.findall(r"(-?\d+) (-?\d+)", outline)
        steps = np.cumsum(np.array([start, *moves], int), axis=0)
        outlines.append(steps / gallery.STEPS_PER_PX)
    return outlines


@pytest.mark.parametrize("number", [1, 2, 3, 4, 9, 20])
def test_chosen_frames_are_distinct_and_ranked(number):
    values = np.random.default_rng(3).permutation(np.linspace(0.1, 0.9, 12))
    scores = pd.DataFrame({"sample": [f"s{i}" for i in range(12)] * 2, "cell_iou": [*values, *values]})
    chosen = gallery.choose_frames(scores.assign(network="simple"), number)
    found = [values[int(name[1:])] for _, name in chosen]
    assert len(set(found)) == len(chosen) == min(number, 12)
    assert found == sorted(found)
    assert found[0] == values.min()
    assert number < 2 or found[-1] == values.max()


def test_disputed_frames_are_those_where_networks_differ_most():
    scores = pd.DataFrame({"sample": [f"s{i}" for i in range(12)], "cell_iou": np.linspace(0.3, 0.8, 12)})
    other = scores.assign(cell_iou=scores["cell_iou"] + np.where(scores["sample"] == "s8", 0.02, 0.01))
    both = pd.concat([scores.assign(network="simple"), other.assign(network="attention")])
    ranks = dict(map(reversed, gallery.choose_frames(both, 4)))
    assert ranks["s8"] == "disputed"
    assert sorted(ranks.values()) == ["best", "disputed", "median", "worst"]


def test_frames_without_cell_iou_are_not_chosen():
    scores = pd.DataFrame({"sample": ["a"], "network": "simple", "cell_iou": [np.nan]})
    assert gallery.choose_frames(scores, 3) == []


def test_every_kind_of_cell_is_told_apart():
    truth = discs(6)
    predicted = np.where(truth == 1, 11, 0)  # found
    halves = np.arange(truth.shape[1]) < 24 * 2 + 12
    predicted[(truth == 3) & halves] = 31
    predicted[(truth == 3) & ~halves] = 32
    predicted[(truth == 4) | (truth == 5)] = 45
    predicted[11:14, 24 * 4 - 4 : 24 * 4 + 4] = 45  # a bridge
    predicted[0:3, 24 * 5 + 1 : 24 * 5 + 5] = 99
    kinds = gallery.sort_cells(truth, predicted)
    assert kinds == {"found": [11], "missed": [2, 6], "false": [99], "split": [31, 32], "merged": [45]}
    cells = match_cells(truth, predicted)
    assert objects.count_splits(cells) == objects.count_merges(cells) == 1


def test_a_path_runs_along_the_cell():
    labels = discs(3, radius=10)
    paths = points_of(gallery.outline_path(labels))
    assert len(paths) == 3
    for number, corners in enumerate(paths, start=1):
        # a path counts from the corner of the picture, an array from the centre of its first pixel
        inside = polygon2mask(labels.shape, corners[:, ::-1] - 0.5)
        own = labels == number
        assert (inside & own).sum() / (inside | own).sum() > 0.95
    assert len(points_of(gallery.outline_path(labels, [2]))) == 1
    assert gallery.outline_path(np.zeros((5, 5), int)) == ""


def test_labels_with_huge_numbers_and_at_the_edge_have_outlines():
    labels = np.zeros((8, 8), np.int32)
    labels[:4, :4] = 2_000_000_000
    (corners,) = points_of(gallery.outline_path(labels))
    assert corners.min() == 0
    assert corners.max() == 4


def test_a_large_frame_is_cut_where_the_networks_err():
    truth = measure.label(np.tile(discs(), (40, 10)) > 0)  # 960 × 960, cells 19 px across
    predicted = truth.copy()
    predicted[696:768, 288:360] = 0  # 3 × 3 cells
    rows, columns = gallery.wrong_window(truth, [predicted])
    assert rows.start <= 700 and rows.stop >= 760 and columns.start <= 300 and columns.stop >= 360
    assert rows.stop - rows.start == columns.stop - columns.start == gallery.PICTURE_SIDE_PX
    frame = gallery.GalleryFrame(
        "worst", "grouped", "s", "g", truth.astype(float), truth, {"simple": predicted}, {"simple": 0.5}
    )
    drawn = gallery.draw_frame(frame, ["simple"])
    assert drawn["part"] == [512, 512, 960, 960]
    assert drawn["width"] == 512 * gallery.STEPS_PER_PX
    counts = drawn["networks"]["simple"]["counts"]
    assert counts["missed"] == 9
    assert counts["found"] == len(np.unique(predicted[rows, columns])) - 1
    whole = gallery.wrong_window(discs(), [discs()])
    assert whole == (slice(0, 24), slice(0, 96))


def test_binary_masks_mark_wrong_pixels():
    truth, predicted = np.zeros((2, 20, 20), np.int32)
    truth[5:10, 5:10] = 1
    predicted[5:10, 7:12] = 1
    frame = gallery.GalleryFrame(
        "worst", "grouped", "s", "g", truth.astype(float), truth, {"simple": predicted}, {"simple": 0.4}, instances=False
    )  # fmt: skip
    seen = gallery.draw_frame(frame, ["simple"])["networks"]["simple"]
    assert seen["counts"] == {"missed": 10, "false": 10}
    assert set(seen["paths"]) == {"found", "missed", "false"}


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_grey_unless_coloured(channels):
    image = np.random.default_rng(0).normal(size=(30, 40, channels))
    source = gallery.encode_picture(image, (slice(0, 30), slice(0, 40)))
    decoded = imagecodecs.jpeg8_decode(base64.b64decode(source.split(",")[1]))
    assert decoded.shape == ((30, 40) if channels == 1 else (30, 40, 3))
