"""Predict frames of any size with a trained network: tiles with overlap, blended."""

from collections.abc import Callable

import numpy as np

from . import images
from .errors import InputError


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return where tiles begin along an axis: evenly spread, at least `overlap` shared by neighbours.

    >>> tile_starts(100, 64, 16)
    [0, 36]
    """
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(index * (length - tile) / (count - 1)) for index in range(count)]


def blending_window(tile: int, overlap: int) -> np.ndarray:
    """Weights of a tile's pixels, float32 (tile, tile, 1): a ramp over the overlap, 1 inside, never 0."""
    ramp = np.minimum(np.arange(tile), np.arange(tile)[::-1]) + 1.0
    profile = np.minimum(1, ramp / (overlap + 1)).astype(np.float32)
    return (profile[:, None] * profile[None, :])[..., None]


def predict_tiled(
    predict: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    tile: int,
    overlap: int,
    batch_size: int = 1,
) -> np.ndarray:
    """Predict an image of any size through tiles of one size.

    Parameters
    ----------
    predict : callable
        From float32 (batch_size, tile, tile, channels) to (batch_size, tile, tile[, outputs]).
    image : float32 (height, width, channels) or (height, width)
        Reflected where it is smaller than a tile.
    tile, overlap : int
        Side of a tile and what neighbours share at least, in pixels; overlap < tile.
    batch_size : int
        Tiles given to `predict` at once; the last batch is filled up with copies.

    Returns
    -------
    numpy.ndarray
        float32 (height, width), or (height, width, outputs) where `predict` returns several maps.

    Examples
    --------
    >>> image = np.arange(12, dtype=np.float32).reshape(3, 4)
    >>> np.allclose(predict_tiled(lambda tiles: tiles[..., 0], image, tile=2, overlap=1), image)
    True
    """
    if not 0 <= overlap < tile:
        raise InputError(f"An overlap of {overlap} px does not fit tiles of {tile} px: 0 ≤ overlap < tile.")
    image = np.atleast_3d(image).astype(np.float32, copy=False)
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, max(0, tile - height)), (0, max(0, tile - width)), (0, 0)), mode="symmetric")
    corners = [
        (top, left)
        for top in tile_starts(padded.shape[0], tile, overlap)
        for left in tile_starts(padded.shape[1], tile, overlap)
    ]
    window = blending_window(tile, overlap)
    total, weights = None, np.zeros((*padded.shape[:2], 1), np.float32)
    for start in range(0, len(corners), batch_size):
        chosen = corners[start : start + batch_size]
        tiles = [padded[top : top + tile, left : left + tile] for top, left in chosen]
        tiles += tiles[-1:] * (batch_size - len(tiles))
        predicted = np.asarray(predict(np.stack(tiles)), np.float32)
        flat = predicted.ndim == 3
        predicted = predicted[..., None] if flat else predicted
        if total is None:
            total = np.zeros((*padded.shape[:2], predicted.shape[-1]), np.float32)
        for (top, left), values in zip(chosen, predicted, strict=False):
            total[top : top + tile, left : left + tile] += values * window
            weights[top : top + tile, left : left + tile] += window
    result = (total / weights)[:height, :width]
    return result[..., 0] if flat else result


def predict_frame(
    predict: Callable[[np.ndarray], np.ndarray], frame: np.ndarray, recipe: dict, settings: dict
) -> np.ndarray:
    """Predict a frame at the working pixel size as the network was trained: same normalisation, fitting tiles.

    frame is (height, width, channels) with grey values as in the file; recipe is that of the model (percentiles,
    levels), settings the config's `prediction` (tile, overlap, batch_size). Returns float32 (height, width, outputs).
    """
    image = images.normalise(frame, recipe["percentiles"])
    tile = fitting_tile(min(settings["tile"], max(frame.shape[:2])), recipe["levels"])
    return predict_tiled(predict, image, tile, settings["overlap"], settings["batch_size"])


def fitting_tile(tile: int, levels: int) -> int:
    """Round a tile's side up to what a U-Net of so many levels takes.

    >>> fitting_tile(250, 5)
    256
    """
    multiple = 2 ** (levels - 1)
    return -(-tile // multiple) * multiple
