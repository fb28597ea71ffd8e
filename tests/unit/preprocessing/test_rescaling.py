"""Rescaling: cells stay where they are, as large as they are, in the image and in the labels."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from brightcell.preprocessing import rescaling, steps

FIELD = np.mgrid[:160, :160] + 0.5


def discs(number=20):
    """Labels of a disc of radius 30 px, its centre anywhere near the middle; int32."""
    centres = np.random.default_rng(0).uniform(60, 100, (number, 2, 1, 1))
    return [(np.hypot(*(FIELD - centre)) < 30).astype(np.int32) * 7 for centre in centres]


def apart(one, other):
    """The distances between the centres of mass of pictures, row and column."""
    return np.array([np.subtract(*map(center_of_mass, pair)) for pair in zip(one, other, strict=True)])


@pytest.mark.parametrize("factor", [1 / 4, 1 / 2, 3 / 4, 3 / 2])
def test_labels_lie_where_the_image_lies_and_come_back(factor):
    truth = discs()
    scaled = [rescaling.rescale_labels(labels, factor) for labels in truth]
    images = [rescaling.rescale_image(labels[..., None] / 7, factor)[..., 0] for labels in truth]
    shift = apart(scaled, images)
    assert np.abs(shift.mean(axis=0)).max() < 0.03, (
        "px of the result; nearest neighbour alone lies off by 0.25"
    )
    assert np.abs(shift).max() < 0.25
    for labels in scaled:
        assert set(np.unique(labels)) == {0, 7}
        assert (labels > 0).sum() == pytest.approx(np.pi * 30**2 * factor**2, rel=0.03)
    back = [rescaling.resize_labels(labels, (160, 160)) for labels in scaled]
    assert np.abs(apart(back, truth).mean(axis=0)).max() * factor < 0.03


def test_a_bayer_mosaic_and_its_labels_lie_together():
    truth = discs()
    greens = [steps.bayer_to_rgb(labels[..., None] * 100, "RGGB")[..., 1] for labels in truth]
    shift = apart([steps.halve(labels) for labels in truth], greens)
    assert np.abs(shift.mean(axis=0)).max() < 0.03
    assert steps.halve(np.ones((5, 7), np.int32)).shape == (2, 3)


def test_most_of_the_nearest_pixels_decide_and_ties_go_either_way_in_turn():
    squares = np.array([[5, 5, 5, 0, 0, 9], [0, 5, 0, 0, 9, 9]])
    assert rescaling.resize_labels(squares, (1, 3)).tolist() == [[5, 0, 9]]
    walls = np.tile([0, 4], (8, 1))  # the wall runs through the middle of the only new column
    assert rescaling.resize_labels(walls, (4, 1)).ravel().tolist() == [0, 4, 0, 4]


def test_other_factors_take_the_nearest_pixel():
    labels = np.arange(36, dtype=np.int32).reshape(6, 6)
    np.testing.assert_array_equal(rescaling.resize_labels(labels, (2, 2)), labels[1::3, 1::3])
    np.testing.assert_array_equal(rescaling.resize_labels(labels, (12, 18)), labels.repeat(2, 0).repeat(3, 1))
    np.testing.assert_array_equal(rescaling.resize_labels(labels, (6, 6)), labels)
