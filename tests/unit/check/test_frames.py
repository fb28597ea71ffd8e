import numpy as np
import pytest
from scipy import ndimage
from textured import scene

from brightcell.check import alignment, frames


def texture(seed=1, shape=(60, 80)):
    """Grey values that vary smoothly over some pixels, as in every image of a microscope."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, shape), 3)
    return (1000 + 100 * noise / noise.std()).astype(np.uint16)


def found(image):
    return set(frames.image_findings(image))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_good_frame_has_no_findings(dtype):
    image, _ = scene()
    assert found((image // 16).astype(dtype)) == set()
    assert found(np.dstack([image, image + 1, image + 2]).astype(np.float32)) == set()


def test_a_constant_frame():
    assert found(np.full((60, 80), 7, np.uint8)) == {"constant"}
    assert found(np.full((60, 80, 3), [1, 2, 3], np.uint8)) == {"constant"}


@pytest.mark.parametrize("noise", [1, 50])
def test_a_frame_of_noise_is_blank(noise):
    image = np.random.default_rng(3).normal(500, noise, (128, 128)).round()
    assert found(image.astype(np.uint16)) == {"blank"}
    assert found((image + scene(side=128)[0]).astype(np.uint16)) == set()


@pytest.mark.parametrize(("share", "expected"), [(0.04, set()), (0.06, {"saturated"})])
@pytest.mark.parametrize("value", [0, 65535])
def test_a_saturated_frame(share, expected, value):
    image = texture()
    image.ravel()[: int(share * image.size)] = value
    assert found(image) == expected


def test_a_camera_of_10_bits_saturates_below_the_end_of_16_bits():
    assert found(np.minimum(texture(), 1023)) == {"saturated"}


def test_one_saturated_channel_is_enough():
    assert "saturated" in found(np.dstack([texture(1), texture(2), np.minimum(texture(3), 1000)]))


def test_contrast_is_the_range_over_the_median():
    ramp = np.linspace(100, 300, 10_001).reshape(73, 137)
    assert frames.measure_frame(ramp)["contrast"] == pytest.approx(0.99, abs=0.01)
    assert frames.measure_frame(2 * ramp)["contrast"] == pytest.approx(0.99, abs=0.01)


def test_sharpness_falls_with_blur_and_not_with_the_number_of_cells():
    few, many = (scene(cells=cells)[0] for cells in (5, 25))
    sharp = frames.measure_frame(few)["sharpness"]
    assert frames.measure_frame(many)["sharpness"] == pytest.approx(sharp, rel=0.1)
    assert frames.measure_frame(ndimage.gaussian_filter(few, 2))["sharpness"] < 0.7 * sharp


def test_blocks_are_averaged():
    image = np.arange(24, dtype=np.uint8).reshape(4, 6)
    np.testing.assert_allclose(frames.block_mean(image, 2), [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]])
    assert frames.block_mean(image, 4).shape == (1, 1)
    assert frames.block_mean(np.zeros((3, 9, 2), np.uint8), 4).shape == (1, 2, 2)


# Mask and image


def lying(image, mask):
    measured = alignment.measure_fit(image, mask)
    return measured, alignment.fit_findings(measured, max(mask.shape))


@pytest.mark.parametrize("seed", range(5))
def test_a_right_mask_fits_where_it_is(seed):
    measured, findings = lying(*scene(seed))
    assert findings == {}
    assert measured.here > 0.6


@pytest.mark.parametrize(("rows", "columns"), [(20, 0), (0, -25), (-15, 18)])
def test_a_shift_is_found_with_its_way(rows, columns):
    image, labels = scene(side=200, cells=30)
    measured, findings = lying(image, np.roll(labels, (rows, columns), (0, 1)))
    assert list(findings) == ["shifted"]
    assert measured.rows == pytest.approx(-rows, abs=2)
    assert measured.columns == pytest.approx(-columns, abs=2)
    down, right = ("down" if -rows >= 0 else "up"), ("right" if -columns >= 0 else "left")
    assert f"px {down}" in findings["shifted"] and f"px {right}" in findings["shifted"]


def test_a_small_shift_is_a_warning():
    image, labels = scene(side=200, cells=30)
    assert list(lying(image, np.roll(labels, 5, 0))[1]) == ["offset"]
    assert lying(image, np.roll(labels, 1, 0))[1] == {}


def test_a_large_frame_is_reduced_and_its_shift_told_in_its_own_pixels():
    image, labels = (np.kron(array, np.ones((6, 6), array.dtype)) for array in scene(side=200, cells=30))
    measured, findings = lying(image, np.roll(labels, 90, 0))
    assert list(findings) == ["shifted"]
    assert measured.rows == pytest.approx(-90, abs=9)


@pytest.mark.parametrize(
    "turn", [np.flipud, np.fliplr, np.rot90, np.transpose, lambda mask: mask[::-1, ::-1]]
)
def test_a_turned_mask(turn):
    image, labels = scene(side=200, cells=30)
    assert list(lying(image, turn(labels))[1]) == ["turned"]


def test_a_mask_that_is_inverted():
    image, labels = scene()
    assert list(lying(image, (labels == 0).astype(np.int32))[1]) == ["inverted"]


def test_another_frames_mask_fits_nowhere():
    measured, findings = lying(scene(1)[0], scene(2)[1])
    assert findings == {}
    assert abs(measured.here) < 0.2


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        (np.full((64, 64), 3, np.uint8), scene(side=64, cells=5)[1]),
        (scene(side=64, cells=5)[0], np.zeros((64, 64), np.int32)),
        (scene(side=64, cells=5)[0], np.ones((64, 64), np.int32)),
        (np.eye(9, dtype=np.uint8), np.eye(9, dtype=np.int32)),
    ],
)
def test_nothing_is_said_where_there_is_nothing_to_compare(image, labels):
    assert lying(image, labels) == (None, {})
