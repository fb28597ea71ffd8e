"""Patches: known answers for the warp and for the distance."""

import numpy as np
import pytest

from brightcell import augment

STILL = dict.fromkeys(("rotation", "shift", "shear", "zoom", "gamma", "contrast", "noise", "blur"), 0) | {
    "flip": False
}
STRONG = {"rotation": 90, "shift": 0.3, "shear": 0.5, "zoom": 0.3, "flip": True} | dict.fromkeys(
    ("gamma", "contrast", "noise", "blur"), 0
)


def discs(size=96):
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    labels[(y - 40) ** 2 + (x - 40) ** 2 < 15**2] = 1
    labels[(y - 70) ** 2 + (x - 60) ** 2 < 9**2] = 2
    return labels


def frame(labels):
    return augment.Frame.from_labels((labels > 0).astype(np.float32)[..., None], labels)


def test_without_strength_a_patch_is_a_crop():
    image = np.arange(400, dtype=np.float32).reshape(20, 20, 1)
    whole = augment.Frame.from_labels(image, np.zeros((20, 20), np.int32))
    patch, target = augment.draw_patch(whole, 20, 1, STILL, np.random.default_rng(0))
    np.testing.assert_allclose(patch, image, atol=1e-4)
    assert target.shape == (20, 20, 1)
    assert not target.any()


def test_image_and_labels_pass_one_warp():
    rng = np.random.default_rng(3)
    for _ in range(20):
        patch, target = augment.draw_patch(frame(discs()), 64, 2, STRONG, rng)
        assert np.abs(patch[..., 0] - target[..., 0]).mean() < 0.02  # the picture of a mask is the mask
        assert (target[..., 1][target[..., 0] == 0] < 0.7).all()
        assert ((patch[..., 0] > 0.5) == (target[..., 0] > 0.5)).mean() > 0.99


def test_rigid_warps_keep_areas():
    labels = np.pad(discs(), 80)
    rng = np.random.default_rng(5)
    rigid = STILL | {"rotation": 180, "flip": True}
    for _ in range(10):
        matrix = augment.random_matrix(rng, rigid)
        warped = augment.warp(labels, matrix, np.array([130.0, 130.0]), 160, order=0)
        for cell in (1, 2):
            assert np.sum(warped == cell) == pytest.approx(np.sum(labels == cell), rel=0.02)


def test_a_quarter_turn_is_exact():
    image = np.arange(25, dtype=np.float32).reshape(5, 5)
    turned = augment.warp(image, np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([2.0, 2.0]), 5, order=1)
    np.testing.assert_allclose(turned, np.rot90(image, -1), atol=1e-5)


def test_a_seed_gives_the_same_batch():
    frames = [frame(discs()), frame(discs().T)]
    settings = STRONG | {"gamma": 0.2, "contrast": 0.2, "noise": 0.1, "blur": 1}
    one, two, other = (
        augment.draw_batch(frames, 3, 32, 2, settings, np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert (one[0] != other[0]).any()
    assert one[0].dtype == one[1].dtype == np.float32


def test_half_of_the_patches_lie_on_cells():
    labels = np.zeros((400, 400), np.int32)
    labels[10:30, 10:30] = 1
    rng = np.random.default_rng(2)
    hits = [augment.draw_patch(frame(labels), 32, 1, STILL, rng)[1].any() for _ in range(60)]
    assert 20 <= sum(hits) <= 45


def test_normalised_distance_of_a_disc():
    distance = augment.normalised_distance(discs())
    assert distance[40, 40] == distance[70, 60] == 1
    assert distance[discs() == 0].max() == 0
    row = distance[40, 26:41]
    assert (np.diff(row) > 0).all()


def test_touching_cells_are_told_apart_by_distance():
    labels = np.zeros((20, 40), np.int32)
    labels[4:16, 4:20], labels[4:16, 20:36] = 1, 2
    distance = augment.normalised_distance(labels)
    assert distance[10, 19] == distance[10, 20] == pytest.approx(1 / 6)
    assert distance.max() == 1


def test_a_cell_cut_by_the_border_has_no_edge_there():
    labels = np.zeros((20, 20), np.int32)
    labels[:, :10] = 1
    distance = augment.normalised_distance(labels)
    assert distance[0, 0] == 1
    assert distance[10, 9] == pytest.approx(0.1)
