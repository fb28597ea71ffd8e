"""Patches: known answers for the warp, the light and the distance."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from brightcell.training import patches as augment
from brightcell.training import warping

STILL = dict.fromkeys(
    ("rotation", "shift", "shear", "zoom", "scale", "elastic_px", "gamma", "contrast", "noise", "blur"), 0
) | {"flip": False, "elastic_scale_px": 16}
STUDY = STILL | {"rotation": 90, "shift": 0.3, "shear": 0.5, "zoom": 0.3, "flip": True}
ALL = STUDY | {"scale": 0.5, "elastic_px": 4, "gamma": 0.2, "contrast": 0.2, "noise": 0.1, "blur": 1}


def discs(size=96):
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    labels[(y - 40) ** 2 + (x - 40) ** 2 < 15**2] = 1
    labels[(y - 70) ** 2 + (x - 60) ** 2 < 9**2] = 2
    return labels


def frame(labels):
    return augment.TrainingFrame.from_labels((labels > 0).astype(np.float32)[..., None], labels)


def numbers(labels):
    """A frame whose picture is its labels: what the picture shows is known, and not 0 or 1 alone."""
    return augment.TrainingFrame.from_labels(labels.astype(np.float32)[..., None], labels)


def draw(frames, batch, patch, outputs, settings, seed):
    return augment.draw_batch(frames, batch, patch, outputs, settings, np.random.default_rng(seed))


def make(drawn, patch, outputs):
    return [keras.ops.convert_to_numpy(part) for part in warping.make_patches(drawn, patch, outputs)]


def patches(frames, batch, patch, outputs, settings, seed):
    return make(draw(frames, batch, patch, outputs, settings, seed), patch, outputs)


def warp(plane, matrix, centre, patch):
    """Warp a whole plane as labels; the matrix takes offsets in the patch to offsets in the plane."""
    drawn = {
        "planes": plane[None, ..., None].astype(np.float32),
        "matrix": np.asarray(matrix, np.float32)[None],
        "centre": np.asarray(centre, np.float32)[None],
        "corner": np.zeros((1, 2), np.int32),
        "size": np.array([plane.shape], np.int32),
    }
    return keras.ops.convert_to_numpy(warping.warp(drawn, patch)[1])[0, ..., 0]


def test_without_strength_a_patch_is_a_crop():
    image = np.arange(800, dtype=np.float32).reshape(20, 20, 2)
    whole = augment.TrainingFrame.from_labels(image, np.zeros((20, 20), np.int32))
    images, targets = patches([whole], 3, 20, 1, STILL, 0)
    for patch in images:
        np.testing.assert_allclose(patch, image, atol=1e-3)
    assert targets.shape == (3, 20, 20, 1)
    assert not targets.any()


def test_a_crop_keeps_the_grey_values_of_its_frame():
    """Percentiles are those of the whole frame: a dark corner stays dark."""
    from brightcell.preprocessing import normalisation

    counts = (100 + np.arange(64 * 64).reshape(64, 64, 1) // 2).astype(np.uint16)
    whole = normalisation.normalise(counts, (0, 100))
    drawn, _ = patches(
        [augment.TrainingFrame.from_labels(whole, np.zeros((64, 64), np.int32))], 20, 16, 1, STILL, 0
    )
    corners = drawn[:, 0, 0, 0]
    assert corners.min() < 0.3
    assert corners.max() > 0.6
    steps = np.add.outer(np.arange(16) * 64, np.arange(16)) / (64 * 64 - 1)
    np.testing.assert_allclose(
        drawn[..., 0] - corners[:, None, None], np.repeat(steps[None], 20, 0), atol=1e-3
    )


@pytest.mark.parametrize("settings", [STUDY, STUDY | {"elastic_px": 6, "scale": 0.5}])
def test_image_and_labels_pass_one_warp(settings):
    images, targets = patches([frame(discs())], 20, 64, 2, settings, 3)
    assert 0.05 < targets[..., 0].mean() < 0.6
    assert np.abs(images - targets[..., :1]).mean() < 0.02  # the picture of a mask is the mask
    assert ((images > 0.5) == (targets[..., :1] > 0.5)).mean() > 0.99
    assert (targets[..., 1][targets[..., 0] == 0] < 0.7).all()


@pytest.mark.parametrize("size", [(40, 300), (300, 50), (300, 310)])
def test_the_warp_is_scipys_on_the_whole_frame(size):
    """The crop is large enough, and beyond the frame's border the picture is reflected, more than once if need be."""
    rng = np.random.default_rng(1)
    labels = ndimage.zoom(rng.integers(0, 3, (size[0] // 10, size[1] // 10)), 10, order=0).astype(np.int32)
    image = rng.normal(size=(*labels.shape, 2)).astype(np.float32)
    source = augment.TrainingFrame.from_labels(image, labels)
    drawn = draw([source], 12, 64, 2, STUDY | {"shift": 0.9, "scale": 0.3}, 5)
    images, targets = make(drawn, 64, 2)
    for number in range(12):
        matrix, centre = (drawn[key][number].astype(float) for key in ("matrix", "centre"))
        offset = centre + drawn["corner"][number] - matrix @ np.full(2, 31.5)

        def by_scipy(plane, order, matrix=matrix, offset=offset):
            return ndimage.affine_transform(plane, matrix, offset, (64, 64), order=order, mode="reflect")

        for channel in (0, 1):
            np.testing.assert_allclose(
                images[number, ..., channel], by_scipy(image[..., channel], 1), atol=2e-3
            )
        np.testing.assert_allclose(targets[number, ..., 1], by_scipy(source.distance, 1), atol=2e-3)
        assert (targets[number, ..., 0] == (by_scipy(labels, 0) > 0)).mean() > 0.999


def test_rigid_warps_keep_areas():
    labels = np.pad(discs(), 80)
    rng = np.random.default_rng(5)
    for _ in range(10):
        matrix = augment.random_matrix(rng, STILL | {"rotation": 180, "flip": True})
        warped = warp(labels, matrix, (130, 130), 160)
        for cell in (1, 2):
            assert np.sum(warped == cell) == pytest.approx(np.sum(labels == cell), rel=0.02)


def test_a_quarter_turn_is_exact():
    labels = np.arange(25).reshape(5, 5)
    turned = warp(labels, [[0, -1], [1, 0]], (2, 2), 5)
    np.testing.assert_array_equal(turned, np.rot90(labels, -1))


def test_scale_keeps_shapes_and_reaches_both_ways():
    rng = np.random.default_rng(0)
    values = [np.linalg.svd(augment.random_matrix(rng, STILL | {"scale": 1}))[1] for _ in range(1000)]
    assert all(one == pytest.approx(other) for one, other in values)
    assert min(np.ravel(values)) == pytest.approx(0.5, rel=0.05)
    assert max(np.ravel(values)) == pytest.approx(2, rel=0.05)
    assert np.median(values) == pytest.approx(1, rel=0.1)


def test_an_even_bend_is_a_shift():
    drawn = draw([numbers(discs())], 1, 32, 1, STILL | {"elastic_px": 5}, 0)
    drawn["bend"][:] = (3, -2)
    shifted = {key: values for key, values in drawn.items() if key != "bend"}
    shifted["centre"] = drawn["centre"] + np.array([[3, -2]], np.float32)
    np.testing.assert_allclose(make(drawn, 32, 1)[0], make(shifted, 32, 1)[0], atol=1e-3)


def test_a_bend_is_bounded_and_does_not_fold():
    drawn = draw([frame(discs())], 30, 64, 1, STILL | {"elastic_px": 6.4}, 0)
    straight = {key: values for key, values in drawn.items() if key != "bend"}
    bent, straight = (
        np.stack([keras.ops.convert_to_numpy(axis) for axis in warping.positions(each, 64)])
        for each in (drawn, straight | {"matrix": np.repeat(np.eye(2, dtype=np.float32)[None], 30, 0)})
    )
    moved = np.abs(bent - straight)
    assert 1 < moved.mean() < 3
    assert moved.max() <= 6.4 + 1e-3
    (down_y, right_y), (down_x, right_x) = (np.gradient(axis, axis=(1, 2)) for axis in bent)
    assert (down_y * right_x - down_x * right_y > 0).all()


def test_a_seed_gives_the_same_batch():
    frames = [frame(discs()), frame(discs().T)]
    one, two, other = (patches(frames, 3, 32, 2, ALL, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert (one[0] != other[0]).any()
    assert one[0].dtype == one[1].dtype == np.float32


def test_half_of_the_patches_lie_on_cells():
    labels = np.zeros((400, 400), np.int32)
    labels[10:30, 10:30] = 1
    _, targets = patches([frame(labels)], 60, 32, 1, STILL, 2)
    assert 20 <= targets.any(axis=(1, 2, 3)).sum() <= 45


def test_cuts_are_bounded_by_the_patch_not_by_the_frame():
    assert augment.crop_shape([frame(np.zeros((900, 70), np.int32))], 64, STILL) == (68, 68)
    height, width = augment.crop_shape([frame(np.zeros((900, 70), np.int32))], 64, STUDY)
    assert 64 * 1.3 * 2**0.5 <= height <= 130
    assert width == 70


def light(image, settings, seed=0):
    """A patch before and after a change of light, and what was drawn."""
    drawn = augment.random_light(image.shape, STILL | settings, np.random.default_rng(seed))
    batch = {key: np.asarray(values)[None] for key, values in drawn.items()}
    return keras.ops.convert_to_numpy(warping.change_light(image[None], batch))[0], drawn


def test_light_follows_its_formulas():
    image = np.random.default_rng(3).normal(0.5, 0.5, (24, 24, 2)).astype(np.float32)
    same, drawn = light(image, {})
    assert drawn == {}
    np.testing.assert_array_equal(same, image)
    changed, drawn = light(image, {"gamma": 0.5})
    np.testing.assert_allclose(changed, np.sign(image) * np.abs(image) ** drawn["gamma"], atol=1e-5)
    assert 0.6 < drawn["gamma"] < 1.65
    changed, drawn = light(image, {"contrast": 0.5})
    gain, lift = drawn["contrast"]
    np.testing.assert_allclose(changed, (image - 0.5) * gain + 0.5 + lift, atol=1e-5)
    changed, _ = light(np.zeros((64, 64, 1), np.float32), {"noise": 0.2}, seed=4)
    sigma = np.random.default_rng(4).uniform(0, 0.2)
    assert changed.std() == pytest.approx(sigma, rel=0.05)


def test_blur_is_a_gaussian_reflected_at_the_border():
    image = np.random.default_rng(3).normal(size=(24, 24, 2)).astype(np.float32)
    blurred = 0
    for seed in range(20):
        changed, _ = light(image, {"blur": 2}, seed)
        sigma = np.random.default_rng(seed).uniform(0, 2)
        if not np.array_equal(changed, image):
            blurred += 1
            expected = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="reflect")
            np.testing.assert_allclose(changed, expected, atol=1e-4)
    assert 5 <= blurred <= 15


def test_a_warped_distance_is_that_of_the_warped_labels():
    """Away from the patch's border, where cells are whole; at the border the warped distance is the right one."""
    compared = 0
    for seed in range(10):
        turning = STILL | {"rotation": 180, "flip": True, "scale": 0.3}
        drawn = draw([numbers(discs())], 1, 64, 2, turning, seed)
        _, target = make(drawn, 64, 2)
        labels = keras.ops.convert_to_numpy(warping.warp(drawn, 64)[1])[0, ..., 0].astype(int)
        cut = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        whole = ~np.isin(labels, cut) & (labels > 0)
        again = augment.normalised_distance(labels)
        if whole.any():
            compared += 1
            away = np.abs(again - target[0, ..., 1])[whole]
            assert away.mean() < 0.05
            assert away.max() < 0.2
    assert compared >= 5


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


def test_labels_below_zero_are_foreground_minus_one():
    labels = discs()
    labels[:, 80:] = -1
    frames = [augment.TrainingFrame.from_labels(np.zeros((96, 96, 1), np.float32), labels)]
    assert len(frames[0].cells) == (labels > 0).sum()
    assert frames[0].distance[:, 80:].max() == 0
    _, targets = patches(frames, 6, 96, 2, STUDY, seed=3)
    assert set(np.unique(targets[..., 0])) == {-1, 0, 1}
    _, still = patches(frames, 1, 96, 2, STILL, seed=3)
    np.testing.assert_array_equal(still[0, ..., 0], np.sign(labels))
