"""The watershed, on shapes whose cells are known."""

import numpy as np
import pytest
from scipy import ndimage
from shapes import draw

from brightcell.instances import labelling
from brightcell.metrics import registry
from brightcell.training import patches


def test_a_big_and_a_small_disc_both_survive():
    truth = draw((120, 160), (60, 50, 30), (60, 130, 12))
    labels = labelling.label_cells(truth > 0)
    assert labels.dtype == np.int32
    assert labels.max() == 2
    assert registry.instance_scores(truth, labels)["ap90"] == 1


def test_two_touching_discs_are_separated():
    truth = draw((80, 120), (40, 40, 25), (40, 80, 25))
    labels = labelling.label_cells(truth > 0, depth=0.1)
    assert labels.max() == 2
    assert registry.instance_scores(truth, labels)["ap70"] == 1


def test_learned_distance_separates_what_the_shape_does_not():
    truth = np.zeros((40, 60), np.int32)
    truth[5:35, 5:30], truth[5:35, 30:55] = 1, 2  # a rectangle cut in two: its outline tells nothing
    distance = patches.normalised_distance(truth)
    assert labelling.label_cells(truth > 0).max() == 1
    assert registry.instance_scores(truth, labelling.label_cells(truth > 0, distance))["ap90"] == 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_and_full(value):
    for distance in (None, np.full((50, 60), value)):
        labels = labelling.label_cells(np.full((50, 60), value), distance)
        np.testing.assert_array_equal(labels, np.full((50, 60), value))


def test_a_cell_cut_by_the_border_is_one_cell():
    truth = draw((60, 60), (0, 30, 20))
    labels = labelling.label_cells(truth > 0)
    np.testing.assert_array_equal(labels, truth)
    assert not labelling.label_cells(truth > 0, border="clear").any()


def test_cells_at_the_border_are_cleared_and_the_others_numbered_anew():
    truth = draw((80, 120), (40, 0, 15), (40, 60, 15), (10, 110, 15))
    labels = labelling.label_cells(truth > 0, border="clear")
    np.testing.assert_array_equal(labels, truth == 2)
    with pytest.raises(ValueError, match=r"drop.*keep, clear"):
        labelling.label_cells(truth > 0, border="drop")


@pytest.mark.parametrize("learned", [True, False])
def test_elongated_cells_side_by_side(learned):
    """Five rods of 12 × 60 px, one pixel of background between them; with a learned distance, none."""
    gap = 0 if learned else 1
    truth = np.zeros((80, 80), np.int32)
    for number in range(5):
        left = 8 + number * (12 + gap)
        truth[10:70, left : left + 12] = number + 1
    distance = patches.normalised_distance(truth) if learned else None
    labels = labelling.label_cells(truth > 0, distance)
    assert registry.instance_scores(truth, labels)["ap90"] == 1


def test_a_ring_is_one_cell_with_its_hole_filled_and_specks_go():
    disc = draw((80, 80), (40, 40, 30))
    ring = disc - draw((80, 80), (40, 40, 15))
    ring[2:4, 2:4] = 1
    labels = labelling.label_cells(ring > 0, minimum_area_px=20)
    np.testing.assert_array_equal(labels, disc)


def test_a_gap_that_several_cells_enclose_stays():
    truth = draw((100, 100), (30, 30, 21), (30, 70, 21), (70, 30, 21), (70, 70, 21))
    labels = labelling.label_cells(truth > 0, patches.normalised_distance(truth))
    assert labels.max() == 4
    assert labels[50, 50] == 0
    np.testing.assert_array_equal(labels > 0, truth > 0)


def test_seventy_thousand_cells_in_one_frame():
    """Touching squares of 5 px, more than 16 bits can number."""
    side, pitch = 265, 5
    truth = np.kron(np.arange(1, side**2 + 1).reshape(side, side), np.ones((pitch, pitch), int))
    one = patches.normalised_distance(truth[: 3 * pitch, : 3 * pitch])[pitch : 2 * pitch, pitch : 2 * pitch]
    distance = np.tile(one, (side, side))
    labels = labelling.label_cells(np.ones(truth.shape), distance, smoothing_px=0, minimum_area_px=5)
    assert labels.max() == 70_225
    corner = slice(0, 8 * pitch)
    assert registry.instance_scores(truth[corner, corner], labels[corner, corner])["ap90"] == 1


def test_small_holes_are_filled():
    disc = draw((60, 60), (30, 30, 20)) > 0
    holey = disc.copy()
    holey[30, 30] = False
    np.testing.assert_array_equal(labelling.label_cells(holey), disc)
    np.testing.assert_array_equal(labelling.label_cells(np.asfortranarray(holey)), disc)


def test_deeper_asks_for_fewer_cells():
    rng = np.random.default_rng(0)
    noise = rng.uniform(size=(60, 60))
    counts = [
        labelling.label_cells(np.ones((60, 60)), noise, depth=depth, smoothing_px=0, minimum_area_px=0).max()
        for depth in (0.02, 0.2, 0.6)
    ]
    assert counts[0] > counts[1] > counts[2] >= 1


def test_local_contrast_finds_a_textured_square():
    rng = np.random.default_rng(1)
    image = rng.normal(100, 1, (80, 80))
    image[20:60, 20:60] += rng.normal(0, 30, (40, 40))
    found = labelling.local_contrast_foreground(image, 5)
    truth = np.zeros((80, 80), bool)
    truth[20:60, 20:60] = True
    assert registry.pixel_scores(truth, found)["cell_dice"] > 0.9
    assert not labelling.local_contrast_foreground(np.zeros((20, 20)), 5).any()


def test_a_large_frame_is_parted_without_a_trace(monkeypatch):
    """Blocks of pieces give the cells that the whole frame gives."""
    rng = np.random.default_rng(0)
    foreground = ndimage.gaussian_filter(rng.normal(size=(300, 400)), 5)
    foreground = (foreground - foreground.min()) / np.ptp(foreground)
    whole = labelling.label_cells(foreground)
    blocks = labelling.blocks_of_pieces
    monkeypatch.setattr(labelling, "blocks_of_pieces", lambda mask: blocks(mask, side=64))
    parted = labelling.label_cells(foreground)
    assert whole.max() > 50
    np.testing.assert_array_equal(np.unique(parted), np.arange(whole.max() + 1))
    pairs = np.unique(np.stack([whole.ravel(), parted.ravel()]), axis=1)
    assert pairs.shape[1] == whole.max() + 1
    assert len(list(blocks(foreground > 0.5, side=64))) > 10
