"""Steps on raw data: what each does to frames of known content, and that labels go along."""

import numpy as np
import pytest
from defaults import defaults
from scipy import ndimage

from brightcell.errors import InputError
from brightcell.preprocessing import steps as preprocess
from brightcell.preprocessing.shading import background, flat_field

SIZE = (120, 160)
PATTERNS = list(preprocess.BAYER_RED)


def disc(row=60, column=80, radius=25, size=SIZE):
    y, x = np.indices(size)
    return (y - row) ** 2 + (x - column) ** 2 < radius**2


def uneven_light(size=SIZE):
    """A lamp that is brighter in one corner, around 1."""
    y, x = np.indices(size)
    return (0.7 + 0.6 * y / size[0] * x / size[1]).astype(np.float32)[..., None]


def mosaic(colours, pattern):
    """What a sensor with a Bayer filter makes of an RGB image."""
    raw = np.empty(colours.shape[:2], colours.dtype)
    for place, colour in enumerate(pattern):
        row, column = divmod(place, 2)
        raw[row::2, column::2] = colours[row::2, column::2, "RGB".index(colour)]
    return raw[..., None]


def test_a_flat_field_takes_out_lamp_and_dark_current():
    scene = 900 + 300 * disc()[..., None].astype(np.float32)
    dark = np.random.default_rng(1).uniform(80, 120, (*SIZE, 1)).astype(np.float32)
    flat = 1000 * uneven_light() + dark
    corrected = flat_field(scene * uneven_light() + dark, flat, dark)
    np.testing.assert_allclose(corrected, scene * uneven_light().mean(), rtol=1e-4)


def test_a_dead_pixel_of_the_flat_field_does_not_shine():
    flat = np.full((*SIZE, 1), 1000, np.uint16)
    flat[5, 5] = 0
    assert flat_field(np.full((*SIZE, 1), 500, np.uint16), flat, None).max() < 100 * 500 * 1.01


@pytest.mark.parametrize("name", ["flat", "dark"])
def test_a_flat_field_of_another_size_is_refused(name):
    pictures = {"flat": np.ones((9, 9, 1)), "dark": np.zeros((9, 9, 1))} | {name: np.ones((9, 8, 1))}
    with pytest.raises(
        InputError, match=rf"preprocess\.{name}: a picture of 9 × 8 × 1; the frame is 9 × 9 × 1"
    ):
        flat_field(np.ones((9, 9, 1)), **pictures)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_quadruplets_become_their_colours(pattern, dtype):
    small = np.random.default_rng(1).integers(0, 250, (12, 15, 3)).astype(dtype)
    raw = mosaic(small.repeat(2, 0).repeat(2, 1), pattern)
    rgb = preprocess.bayer_to_rgb(raw, pattern)
    assert rgb.dtype == dtype
    np.testing.assert_array_equal(rgb, small)


def test_green_is_the_mean_of_two_and_an_odd_edge_is_left_out():
    raw = np.array([[10, 65000, 7], [65001, 30, 7], [7, 7, 7]], np.uint16)[..., None]
    assert preprocess.bayer_to_rgb(raw, "RGGB").tolist() == [[[10, 65000, 30]]]


def test_colour_images_have_no_mosaic():
    with pytest.raises(InputError, match=r"3 channels\. Expected the raw mosaic"):
        preprocess.bayer_to_rgb(np.zeros((8, 8, 3)), "RGGB")


@pytest.mark.parametrize("method", ["gaussian", "median"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_background_that_is_estimated_evens_the_light(method, channels):
    size = (240, 320)
    cells = sum(disc(row, column, 6, size) for row in range(30, 240, 60) for column in range(30, 320, 60))
    frame = np.repeat((1000 - 300 * cells[..., None]) * uneven_light(size), channels, axis=2)
    empty = ~ndimage.binary_dilation(cells, iterations=3)
    before, after = frame[empty], background(frame, method, 40)[empty]
    assert after.dtype == np.float32
    assert after.std() / after.mean() < 0.25 * before.std() / before.mean()
    assert after.mean() == pytest.approx(before.mean(), rel=0.05)


@pytest.mark.parametrize("method", ["gaussian", "median"])
@pytest.mark.parametrize("size_px", [4, 60, 1000])
def test_an_even_frame_stays_what_it_is(method, size_px):
    frame = np.full((37, 53, 1), 700, np.uint16)
    np.testing.assert_allclose(background(frame, method, size_px), 700, rtol=1e-4)
    assert np.isfinite(background(np.zeros((37, 53, 1), np.uint8), method, size_px)).all()


def test_8_bits_by_percentile():
    frame = np.arange(10_001, dtype=np.uint16).reshape(73, 137, 1)
    found = preprocess.bit_depth(frame, (10, 90))
    assert found.dtype == np.uint8
    assert found.ravel()[[0, 1000, 5000, 9000, 10_000]].tolist() == [0, 0, 128, 255, 255]
    assert preprocess.bit_depth(frame, (0, 100), (0, 510)).ravel()[:6].tolist() == [0, 0, 1, 2, 2, 2]
    assert not preprocess.bit_depth(np.full((9, 9, 1), 7), (1, 99)).any()


def test_colours_keep_their_balance_in_8_bits():
    frame = np.stack([np.full(SIZE, 400), np.full(SIZE, 200), np.zeros(SIZE)], axis=-1)
    assert preprocess.bit_depth(frame, (0, 100))[0, 0].tolist() == [255, 128, 0]


@pytest.mark.parametrize("sigma", [2.0, 20.0])
def test_the_noise_of_a_frame(sigma):
    frame = 500 + 100 * disc() + np.random.default_rng(1).normal(0, sigma, SIZE)
    assert preprocess.noise_level(frame[..., None]) == pytest.approx(sigma, rel=0.06)


@pytest.mark.parametrize("size_px", [3, 5])
def test_the_mean_of_a_window_divides_noise_by_its_side(size_px):
    noise = np.random.default_rng(1).normal(1000, 40, (*SIZE, 2)).astype(np.float32)
    assert preprocess.denoise(noise, "mean", size_px).std() == pytest.approx(40 / size_px, rel=0.1)


def test_nonlocal_means_take_noise_and_leave_the_edge():
    clean = 1000 + 400 * disc()[..., None].astype(np.float32)
    noisy = np.random.default_rng(1).normal(clean, 40).astype(np.uint16)
    found = preprocess.denoise(noisy, "nonlocal", 5)
    assert found.dtype == np.uint16
    assert np.abs(found - clean).mean() < 0.4 * np.abs(noisy - clean).mean()
    assert np.abs(found - clean).mean() < 0.7 * np.abs(preprocess.denoise(noisy, "mean", 5) - clean).mean()


@pytest.mark.parametrize("method", ["mean", "nonlocal"])
def test_without_noise_nothing_changes(method):
    for frame in (np.full((20, 30, 1), 255, np.uint8), np.full((1, 1, 3), 9, np.float32)):
        np.testing.assert_array_equal(preprocess.denoise(frame, method, 3), frame)


def test_a_crop_beyond_the_frame_is_refused():
    with pytest.raises(
        InputError, match=r"\[100, 0, 40, 160\] reaches to row 140 and column 160; the frame has 120"
    ):
        preprocess.crop(np.zeros((*SIZE, 1)), (100, 0, 40, 160))


def test_all_steps_are_off_by_default():
    assert preprocess.plan(defaults("preprocess")) == {}
    frame = np.zeros((3, 4, 1))
    assert preprocess.apply(frame, {}) is frame


ON = {
    "flat": np.full((*SIZE, 1), 100.0),
    "bayer": "GRBG",
    "background": "gaussian",
    "bit_depth": "frame",
    "denoise": "mean",
    "crop": [5, 10, 40, 60],
}


def test_every_step_is_switched_on_by_its_key_and_they_keep_their_order():
    assert list(preprocess.plan(defaults("preprocess", **ON))) == list(preprocess.PREPROCESS)
    for key, step in zip(ON, preprocess.PREPROCESS, strict=True):
        assert list(preprocess.plan(defaults("preprocess", **{key: ON[key]}))) == [step]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_labels_go_where_the_pixels_went_and_do_not_grow(pattern):
    cell = disc(70, 90, 20)
    frame = mosaic(np.stack([1000 - 600 * cell] * 3, axis=-1).astype(np.uint16), pattern)
    steps = preprocess.plan(defaults("preprocess", bayer=pattern, crop=[15, 25, 40, 50]))
    image, labels = preprocess.apply(frame, steps), preprocess.apply_to_labels(cell * np.int32(70_000), steps)
    assert image.shape == (40, 50, 3)
    assert labels.shape == (40, 50)
    assert set(np.unique(labels)) == {0, 70_000}
    assert ((image.mean(axis=-1) < 700) == (labels > 0)).mean() > 0.97
    assert (labels > 0).sum() == pytest.approx(cell.sum() / 4, rel=0.03)
    assert preprocess.shrinkage(steps) == 2


def test_steps_that_do_not_move_pixels_leave_the_labels():
    labels = disc().astype(np.int32)
    steps = preprocess.plan(defaults("preprocess", background="median", bit_depth="frame", denoise="mean"))
    assert preprocess.apply_to_labels(labels, steps) is labels
    assert preprocess.shrinkage(steps) == 1


def test_the_grey_values_of_a_group_are_those_of_its_frames_together():
    frames = [np.full((*SIZE, 1), value, np.uint16) for value in (100, 200, 300)]
    steps = preprocess.with_limits(
        preprocess.plan(defaults("preprocess", bit_depth="group", bit_depth_percentiles=[0, 100])), frames
    )
    assert [preprocess.apply(frame, steps).max() for frame in frames] == [0, 128, 255]


def test_the_grey_values_of_a_group_are_taken_after_the_steps_before():
    flat = np.full((*SIZE, 1), 10.0) * uneven_light()
    asked = defaults(
        "preprocess", flat=flat, bit_depth="group", bit_depth_percentiles=[0, 100], crop=[0, 0, 9, 9]
    )
    frames = [np.full((*SIZE, 1), value) * uneven_light() for value in (100, 300)]
    steps = preprocess.with_limits(preprocess.plan(asked), frames)
    mean = uneven_light().mean()
    assert steps["bit_depth"]["limits"] == pytest.approx((100 * mean, 300 * mean), rel=1e-3)
