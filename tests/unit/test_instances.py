"""The watershed, on shapes whose cells are known."""

import numpy as np
import pytest
from scipy import ndimage

from brightcell import augment, instances, metrics


def draw(size, *discs):
    y, x = np.mgrid[: size[0], : size[1]]
    labels = np.zeros(size, np.int32)
    for number, (row, column, radius) in enumerate(discs, start=1):
        labels[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = number
    return labels


def test_a_big_and_a_small_disc_both_survive():
    truth = draw((120, 160), (60, 50, 30), (60, 130, 12))
    labels = instances.label_cells(truth > 0)
    assert labels.dtype == np.int32
    assert labels.max() == 2
    assert metrics.instance_scores(truth, labels)["ap90"] == 1


@pytest.mark.parametrize(("radius", "found"), [(12, False), (14, False), (16, True)])
def test_the_published_watershed_loses_small_discs(radius, found):
    truth = draw((120, 160), (60, 50, 30), (60, 130, radius))
    labels = instances.label_cells_published((truth > 0).astype(float))
    assert labels[60, 50] > 0
    assert bool(labels[60, 130] > 0) is found
    assert not instances.label_cells_published(np.zeros((9, 9))).any()


def test_two_touching_discs_are_separated():
    truth = draw((80, 120), (40, 40, 25), (40, 80, 25))
    labels = instances.label_cells(truth > 0, depth=0.1)
    assert labels.max() == 2
    assert metrics.instance_scores(truth, labels)["ap70"] == 1


def test_learned_distance_separates_what_the_shape_does_not():
    truth = np.zeros((40, 60), np.int32)
    truth[5:35, 5:30], truth[5:35, 30:55] = 1, 2  # a rectangle cut in two: its outline tells nothing
    distance = augment.normalised_distance(truth)
    assert instances.label_cells(truth > 0).max() == 1
    assert metrics.instance_scores(truth, instances.label_cells(truth > 0, distance))["ap90"] == 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_and_full(value):
    labels = instances.label_cells(np.full((50, 60), value))
    assert labels.shape == (50, 60)
    assert labels.max() == value


def test_a_cell_cut_by_the_border_is_one_cell():
    assert instances.label_cells(draw((60, 60), (0, 30, 20)) > 0).max() == 1


def test_a_ring_keeps_its_hole_and_specks_go():
    ring = draw((80, 80), (40, 40, 30)) - draw((80, 80), (40, 40, 15))
    ring[2:4, 2:4] = 1
    labels = instances.label_cells(ring > 0, minimum_area_px=20, depth=2.0)
    assert labels[40, 40] == 0
    assert labels[3, 3] == 0
    assert labels.max() == 1


def test_small_holes_are_filled():
    disc = draw((60, 60), (30, 30, 20)) > 0
    disc[30, 30] = False
    assert instances.label_cells(disc)[30, 30] == 1


def test_deeper_asks_for_fewer_cells():
    rng = np.random.default_rng(0)
    noise = rng.uniform(size=(60, 60))
    counts = [
        instances.label_cells(np.ones((60, 60)), noise, depth=depth, smoothing_px=0, minimum_area_px=0).max()
        for depth in (0.02, 0.2, 0.6)
    ]
    assert counts[0] > counts[1] > counts[2] >= 1


def test_local_contrast_finds_a_textured_square():
    rng = np.random.default_rng(1)
    image = rng.normal(100, 1, (80, 80))
    image[20:60, 20:60] += rng.normal(0, 30, (40, 40))
    found = instances.local_contrast_foreground(image, 5)
    truth = np.zeros((80, 80), bool)
    truth[20:60, 20:60] = True
    assert metrics.pixel_scores(truth, found)["cell_dice"] > 0.9
    assert not instances.local_contrast_foreground(np.zeros((20, 20)), 5).any()


def test_a_large_frame_is_parted_without_a_trace(monkeypatch):
    """Blocks of pieces give the cells that the whole frame gives."""
    rng = np.random.default_rng(0)
    foreground = ndimage.gaussian_filter(rng.normal(size=(300, 400)), 5)
    foreground = (foreground - foreground.min()) / np.ptp(foreground)
    whole = instances.label_cells(foreground)
    blocks = instances.blocks_of_pieces
    monkeypatch.setattr(instances, "blocks_of_pieces", lambda mask: blocks(mask, side=64))
    parted = instances.label_cells(foreground)
    assert whole.max() > 50
    np.testing.assert_array_equal(np.unique(parted), np.arange(whole.max() + 1))
    pairs = np.unique(np.stack([whole.ravel(), parted.ravel()]), axis=1)
    assert pairs.shape[1] == whole.max() + 1
    assert len(list(blocks(foreground > 0.5, side=64))) > 10
