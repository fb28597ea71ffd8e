"""Tiling: whatever the sizes, tiled prediction is the prediction."""

import itertools

import numpy as np
import pytest
from defaults import defaults

from brightcell.errors import InputError
from brightcell.inference import tiling
from brightcell.nets import loading, unet


@pytest.mark.parametrize(("height", "width"), [(1, 1), (30, 200), (64, 64), (65, 97), (200, 131)])
@pytest.mark.parametrize(("tile", "overlap", "batch_size"), [(64, 16, 1), (64, 0, 3), (32, 31, 7)])
def test_identity_survives_any_tiling(height, width, tile, overlap, batch_size):
    image = np.random.default_rng(0).normal(size=(height, width, 2)).astype(np.float32)
    result = tiling.predict_tiled(lambda tiles: tiles, image, tile, overlap, batch_size)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, image, atol=1e-4)


def test_every_batch_has_one_shape():
    shapes = set()

    def predict(tiles):
        shapes.add(tiles.shape)
        return tiles[..., 0]

    assert tiling.predict_tiled(predict, np.zeros((100, 70)), 32, 8, 4).shape == (100, 70)
    assert shapes == {(4, 32, 32, 1)}


def test_neighbouring_tiles_blend_without_a_step():
    calls = iter(range(100))
    result = tiling.predict_tiled(
        lambda tiles: np.full(tiles.shape[:3], next(calls)), np.zeros((32, 56)), 32, 8
    )
    assert np.abs(np.diff(result, axis=1)).max() < 0.2  # two tiles, 0 and 1, over a ramp of 8 px


def one_sided(tiles):
    """A predictor that sees what is left and above, and where a pixel lies in the raster of pooling."""
    row, column = np.mgrid[: tiles.shape[1], : tiles.shape[2]]
    raster = ((3 * row + column) % 8)[..., None] / 8
    return np.concatenate([np.roll(tiles, (2, 1), (1, 2)) * raster, tiles**2], axis=-1)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (30, 41), (7, 150), (90, 131)])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_symmetries_are_the_mean_of_eight_turned_frames(height, width, batch_size):
    frame = np.random.default_rng(0).integers(0, 4096, (height, width, 1)).astype(np.uint16)
    recipe = {"percentiles": [0, 100], "levels": 4}
    settings = defaults("prediction", tile=64, overlap=16, batch_size=batch_size, symmetries=False)
    expected = np.zeros((height, width, 2))
    for turns, step in itertools.product(range(4), (1, -1)):
        maps = tiling.predict_frame(one_sided, np.rot90(frame[:, ::step], turns), recipe, settings)
        expected += np.rot90(maps, -turns)[:, ::step] / 8
    found = tiling.predict_frame(one_sided, frame, recipe, settings | {"symmetries": True})
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_overlap_must_fit():
    with pytest.raises(InputError, match="overlap of 32 px does not fit tiles of 32 px"):
        tiling.predict_tiled(lambda tiles: tiles, np.zeros((8, 8)), 32, 32)


def test_precision_is_chosen_at_loading(tmp_path):
    model = unet.build_unet("residual_attention", (None, None, 1), filters=4, levels=3, outputs=2)
    model.save(tmp_path / "model.keras")
    image = np.random.default_rng(1).normal(size=(1, 32, 32, 1)).astype(np.float32)
    exact = loading.load_model(tmp_path / "model.keras").predict_on_batch(image)
    fast = loading.load_model(tmp_path / "model.keras", "mixed_bfloat16")
    assert fast.get_layer("bottom_conv1").compute_dtype == "bfloat16"
    np.testing.assert_array_equal(exact, model.predict_on_batch(image))
    np.testing.assert_allclose(fast.predict_on_batch(image), exact, atol=0.03)
