"""Predict frames of any size with a trained network: overlapping tiles, blended, in bands of finished rows."""

import functools
import itertools
import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from brightcell.errors import InputError
from brightcell.preprocessing import normalisation

logger = logging.getLogger("brightcell")

Predict = Callable[[np.ndarray], np.ndarray]


def tile_starts(length: int, tile: int, overlap: int, multiple: int = 1) -> list[int]:
    """Return where tiles begin along an axis: evenly spread, with neighbours sharing at least `overlap`.

    length, tile and the results are multiples of `multiple`; the overlap may be smaller if that leaves no room for it.
    >>> tile_starts(100, 64, 16)
    [0, 36]
    >>> tile_starts(160, 64, 20, multiple=16)
    [0, 32, 64, 96]
    """
    if length <= tile:
        return [0]
    step, room = max(1, (tile - overlap) // multiple), (length - tile) // multiple
    gaps = -(-room // step)
    return [index * room // gaps * multiple for index in range(gaps + 1)]


def blending_profile(tile: int, overlap: int) -> np.ndarray:
    """Return the weights along a side of a tile, float32 (tile,): nearly 0 at the edge, a smooth rise, 1 inside.

    Pixels at a tile's edge lack their surroundings: in a trained network of five levels they are wrong by up to 0.3 at
    the edge, and by 1e-3 some 60 px inside. In a wide overlap the outer two fifths therefore hardly count, and tiles
    blend over the middle fifth; a narrow overlap is used in full, to avoid seams.
    """
    place = (np.minimum(np.arange(tile), np.arange(tile)[::-1]) + 1.0) / (overlap + 1)
    unused = min(0.4, overlap / 160)
    rise = np.clip((place - unused) / (1 - 2 * unused), 0, 1)
    return np.maximum(rise**2 * (3 - 2 * rise), 1e-6).astype(np.float32)


class Stretch(NamedTuple):
    """The place of a tile along an axis of a frame; pixels and weights are in the order in which the network sees them."""

    start: int  # negative in the mirrored margin before the frame
    step: int  # -1: the network sees the tile backwards
    pixels: np.ndarray
    weights: np.ndarray  # those of all tiles with the same step sum up to 1 in each pixel


def predict_bands(
    predict: Predict,
    image: np.ndarray,
    tile: int | tuple[int, int],
    overlap: int,
    batch_size: int = 1,
    multiple: int = 1,
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
    symmetries: bool = False,
) -> Iterator[np.ndarray]:
    """Predict as `predict_tiled` does, and yield the rows as they are finished: float32 (rows, width[, outputs]).

    Memory is that of two rows of tiles, whatever the image's height. Tiles begin at multiples of `multiple`, so that the
    raster of a network's pooling is the same in all of them; `prepare` is applied to each tile of the image, which then
    becomes float32. `symmetries` averages over the image turned and mirrored in all eight ways: tiles start from either
    end of both axes, and each is predicted upright and transposed.
    """
    tile_height, tile_width = (tile, tile) if isinstance(tile, int) else tile
    if not 0 <= overlap < min(tile_height, tile_width):
        raise InputError(f"An overlap of {overlap} px does not fit tiles of {tile} px: 0 ≤ overlap < tile.")
    image = np.atleast_3d(image)
    height, width = image.shape[:2]
    directions, transpositions = ((1, -1), (False, True)) if symmetries else ((1,), (False,))
    downs = _stretches(height, tile_height, overlap, multiple, directions)
    acrosses = _stretches(width, tile_width, overlap, multiple, directions)
    margin = -min(each.start for each in acrosses)
    padded = max(each.start for each in acrosses) + tile_width + margin
    views = len(directions) ** 2 * len(transpositions)
    places = [(down, across, swap) for down in downs for swap in transpositions for across in acrosses]

    def read(down: Stretch, across: Stretch, swap: bool) -> np.ndarray:
        part = image[np.ix_(down.pixels, across.pixels)]
        part = np.asarray(part if prepare is None else prepare(part), np.float32)
        return part.swapaxes(0, 1) if swap else part

    def predicted() -> Iterator[tuple[Stretch, Stretch, np.ndarray]]:
        # Tiles that are not square have another shape when transposed, and come in separate batches.
        for _, group in itertools.groupby(places, key=lambda place: place[2] and tile_height != tile_width):
            same_shape = list(group)
            for start in range(0, len(same_shape), batch_size):
                chosen = same_shape[start : start + batch_size]
                tiles = [read(*place) for place in chosen]
                tiles += tiles[-1:] * (batch_size - len(tiles))
                values = np.asarray(predict(np.stack(tiles)), np.float32)
                for (down, across, swap), each in zip(chosen, values, strict=False):
                    yield down, across, each.swapaxes(0, 1) if swap else each

    def finished(canvas: np.ndarray, top: int, count: int) -> Iterator[np.ndarray]:
        rows = slice(max(0, -top), max(0, min(count, height - top)))
        if rows.start < rows.stop:
            yield canvas[rows, margin : margin + width] / views

    canvas: np.ndarray | None = None
    begin = downs[0].start
    for down, across, values in predicted():
        if canvas is None:
            canvas = np.zeros((tile_height, padded, *values.shape[2:]), np.float32)
        if done := down.start - begin:
            yield from finished(canvas, begin, done)
            canvas[:-done] = canvas[done:].copy()
            canvas[-done:] = 0
            begin = down.start
        window = down.weights[:, None] * across.weights
        left = across.start + margin
        part = canvas[:, left : left + tile_width][:: down.step, :: across.step]
        part += values * (window if values.ndim == 2 else window[..., None])
    assert canvas is not None  # there is at least one tile
    yield from finished(canvas, begin, tile_height)


def _stretches(
    length: int, tile: int, overlap: int, multiple: int, directions: tuple[int, ...]
) -> list[Stretch]:
    """Lay tiles along an axis, padded by mirroring to whole tiles: from its start (1), from its end (-1)."""
    whole = max(tile, -(-length // multiple) * multiple)
    starts, profile = tile_starts(whole, tile, overlap, multiple), blending_profile(tile, overlap)
    total = np.zeros(whole, np.float32)
    for start in starts:
        total[start : start + tile] += profile
    stretches = []
    for start, step in itertools.product(starts, directions):
        place = np.arange(start, start + tile) % (2 * length)
        pixels = np.minimum(place, 2 * length - 1 - place)
        weights = profile / total[start : start + tile]
        if step == -1:
            start, pixels = length - start - tile, length - 1 - pixels
        stretches.append(Stretch(start, step, pixels, weights))
    return sorted(stretches, key=lambda each: each.start)


def predict_tiled(
    predict: Predict,
    image: np.ndarray,
    tile: int,
    overlap: int,
    batch_size: int = 1,
    multiple: int = 1,
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
    symmetries: bool = False,
) -> np.ndarray:
    """Predict an image of any size by tiles of one size.

    Parameters
    ----------
    predict : callable
        From float32 (batch_size, tile, tile, channels) to (batch_size, tile, tile[, outputs]).
    image : float32 (height, width, channels) or (height, width)
        Reflected if it is smaller than a tile.
    tile, overlap : int
        Side of a tile and least overlap of neighbours, in pixels; overlap < tile.
    batch_size : int
        Tiles given to `predict` at once; the last batch is filled up with copies.
    multiple, prepare, symmetries
        See `predict_bands`.
    Returns
    -------
    numpy.ndarray
        float32 (height, width), or (height, width, outputs) if `predict` returns several maps.

    Examples
    --------
    >>> image = np.arange(12, dtype=np.float32).reshape(3, 4)
    >>> np.allclose(predict_tiled(lambda tiles: tiles[..., 0], image, tile=2, overlap=1), image)
    True
    """
    bands = predict_bands(predict, image, tile, overlap, batch_size, multiple, prepare, symmetries)
    return _gathered(bands, image.shape[0])


def predict_frame(predict: Predict, frame: np.ndarray, recipe: dict, settings: dict) -> np.ndarray:
    """Predict a frame at the working pixel size with the normalisation of the training and tiles that fit.

    frame is (height, width, channels) with grey values as in the file; recipe is the model's (percentiles, levels,
    network); settings is the config's `prediction` (tile, overlap, batch_size, symmetries). Returns float32
    (height, width, outputs): with symmetries, the mean over the frame turned and mirrored in all eight ways.
    """
    return _gathered(frame_bands(predict, frame, recipe, settings), frame.shape[0])


def frame_bands(predict: Predict, frame: np.ndarray, recipe: dict, settings: dict) -> Iterator[np.ndarray]:
    """Predict a frame as `predict_frame` does, and yield its rows as they are finished."""
    low, span = normalisation.grey_range(frame, recipe["percentiles"])
    tile_height, tile_width = (
        fitting_tile(min(settings["tile"], side), recipe["levels"]) for side in frame.shape[:2]
    )
    overlap = 0
    if max(frame.shape[:2]) > fitting_tile(settings["tile"], recipe["levels"]):
        radius = receptive_radius(predict, recipe)
        overlap = fitting_overlap(max(tile_height, tile_width), settings["overlap"], radius)
    return predict_bands(
        predict,
        frame,
        (tile_height, tile_width),
        min(overlap, tile_height - 1, tile_width - 1),
        settings["batch_size"],
        multiple=2 ** (recipe["levels"] - 1),
        prepare=lambda part: (part.astype(np.float32) - low) / span,
        symmetries=settings["symmetries"],
    )


def fitting_tile(tile: int, levels: int) -> int:
    """Round a tile's side up to a size that a U-Net of this many levels accepts.

    >>> fitting_tile(250, 5)
    256
    """
    multiple = 2 ** (levels - 1)
    return -(-tile // multiple) * multiple


@functools.lru_cache(maxsize=64)
def fitting_overlap(tile: int, wanted: int | None, radius: int | None) -> int:
    """Choose the overlap of neighbouring tiles: the wanted one, else half the receptive field; log if it is too small.

    >>> fitting_overlap(512, None, 137)
    137
    >>> fitting_overlap(512, 64, 20)
    64
    """
    if wanted is None:
        if radius is None:
            raise InputError(
                "The network has layers whose reach is not known: set prediction.overlap, in pixels, say to 128."
            )
        if 2 * radius < tile:
            return radius
        logger.warning(
            "tiles of %d px are too small for an overlap of half the receptive field, %d px: they overlap by %d px, and "
            "seams may show. Set prediction.tile to %d or more.",
            *(tile, radius, tile // 2, 4 * radius),
        )
        return tile // 2
    if radius is not None and wanted < radius:
        logger.info("tiles overlap by %d px; half the receptive field is %d px", wanted, radius)
    return min(wanted, tile - 1)


def receptive_radius(predict: Predict, recipe: dict) -> int | None:
    """Return how far a network sees, in pixels: `receptive_px` of `predict`, else that of the recipe's architecture."""
    known = getattr(predict, "receptive_px", None)
    return known if known is not None else _radius(recipe.get("network"), recipe["levels"])


@functools.lru_cache(maxsize=16)
def _radius(architecture: str | None, levels: int) -> int | None:
    from brightcell.nets import receptive_field, unet

    if architecture is None or architecture not in unet.ARCHITECTURES:
        return None
    try:
        return receptive_field.receptive_radius(
            unet.build_unet(architecture, (None, None, 1), filters=1, levels=levels)
        )
    except InputError:
        return None


def _gathered(bands: Iterator[np.ndarray], height: int) -> np.ndarray:
    """Stack bands one below the other into an array of this height."""
    result: np.ndarray | None = None
    start = 0
    for band in bands:
        if result is None:
            result = np.empty((height, *band.shape[1:]), np.float32)
        result[start : start + len(band)] = band
        start += len(band)
    assert result is not None  # there is at least one band
    return result
