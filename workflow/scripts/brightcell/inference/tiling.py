"""Predict frames of any size with a trained network: tiles with overlap, blended, in bands of finished rows."""

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
    """Return where tiles begin along an axis: evenly spread, at least `overlap` shared by neighbours.

    length and tile are multiples of `multiple`, and so are the places; the overlap may be less where it leaves no room
    for that.

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
    """Weights along a side of a tile, float32 (tile,): next to nothing at the edge, a smooth rise, 1 inside.

    Pixels at a tile's edge lack their surroundings: on a trained network of five levels they are wrong by up to 0.3 at
    the edge, and by 1e-3 some 60 px inside. Of a wide overlap the outer two fifths hardly count, therefore, and tiles
    blend over the middle fifth; a narrow one is used whole, for seams would show.
    """
    place = (np.minimum(np.arange(tile), np.arange(tile)[::-1]) + 1.0) / (overlap + 1)
    unused = min(0.4, overlap / 160)
    rise = np.clip((place - unused) / (1 - 2 * unused), 0, 1)
    return np.maximum(rise**2 * (3 - 2 * rise), 1e-6).astype(np.float32)


class Stretch(NamedTuple):
    """Where a tile lies along an axis of a frame; pixels and weights are in the order in which the network sees them."""

    start: int  # below 0 in the mirrored margin before the frame
    step: int  # -1: the network sees the tile backwards
    pixels: np.ndarray
    weights: np.ndarray  # those of all tiles with one step sum up to 1 in each pixel


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

    Memory is that of two rows of tiles, whatever the image's height. `multiple` is what tiles begin at, so that a
    network's pooling has the same raster in all of them; `prepare` is applied to each tile of the image, and makes
    it float32. `symmetries` gives the mean over the image turned and mirrored in all eight ways: tiles are laid from
    either end of both axes, and each is seen upright and transposed.
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
        # Tiles that are not square have another shape when transposed, and come in batches of their own.
        for _, group in itertools.groupby(places, key=lambda place: place[2] and tile_height != tile_width):
            alike = list(group)
            for start in range(0, len(alike), batch_size):
                chosen = alike[start : start + batch_size]
                tiles = [read(*place) for place in chosen]
                tiles += tiles[-1:] * (batch_size - len(tiles))
                values = np.asarray(predict(np.stack(tiles)), np.float32)
                for (down, across, swap), each in zip(chosen, values, strict=False):
                    yield down, across, each.swapaxes(0, 1) if swap else each

    def finished(canvas: np.ndarray, top: int, count: int) -> Iterator[np.ndarray]:
        rows = slice(max(0, -top), max(0, min(count, height - top)))
        if rows.start < rows.stop:
            yield canvas[rows, margin : margin + width] / views

    canvas, begin = None, downs[0].start
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
    yield from finished(canvas, begin, tile_height)


def _stretches(
    length: int, tile: int, overlap: int, multiple: int, directions: tuple[int, ...]
) -> list[Stretch]:
    """Lay tiles along an axis, enlarged by mirroring to whole tiles: from its begin (1), from its end (-1)."""
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
    predict: Predict, image: np.ndarray, tile: int, overlap: int, batch_size: int = 1, **options
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
    options
        `multiple`, `prepare` and `symmetries` of `predict_bands`.

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
    return _gathered(predict_bands(predict, image, tile, overlap, batch_size, **options), image.shape[0])


def predict_frame(predict: Predict, frame: np.ndarray, recipe: dict, settings: dict) -> np.ndarray:
    """Predict a frame at the working pixel size as the network was trained: same normalisation, fitting tiles.

    frame is (height, width, channels) with grey values as in the file; recipe is that of the model (percentiles,
    levels, network), settings the config's `prediction` (tile, overlap, batch_size, symmetries). Returns float32
    (height, width, outputs): with symmetries the mean over the frame turned and mirrored in all eight ways.
    """
    return _gathered(frame_bands(predict, frame, recipe, settings), frame.shape[0])


def frame_bands(predict: Predict, frame: np.ndarray, recipe: dict, settings: dict) -> Iterator[np.ndarray]:
    """Predict a frame as `predict_frame` does, and yield its rows as they are finished."""
    low, span = normalisation.grey_range(frame, recipe["percentiles"])
    tile = tuple(fitting_tile(min(settings["tile"], side), recipe["levels"]) for side in frame.shape[:2])
    overlap = 0
    if max(frame.shape[:2]) > fitting_tile(settings["tile"], recipe["levels"]):
        overlap = fitting_overlap(max(tile), settings["overlap"], receptive_radius(predict, recipe))
    return predict_bands(
        predict,
        frame,
        tile,
        min(overlap, min(tile) - 1),
        settings["batch_size"],
        multiple=2 ** (recipe["levels"] - 1),
        prepare=lambda part: (part.astype(np.float32) - low) / span,
        symmetries=settings["symmetries"],
    )


def fitting_tile(tile: int, levels: int) -> int:
    """Round a tile's side up to what a U-Net of so many levels takes.

    >>> fitting_tile(250, 5)
    256
    """
    multiple = 2 ** (levels - 1)
    return -(-tile // multiple) * multiple


@functools.lru_cache(maxsize=64)
def fitting_overlap(tile: int, wanted: int | None, radius: int | None) -> int:
    """Choose what neighbouring tiles share: what is wanted, else half the receptive field; say where that is too little.

    >>> fitting_overlap(512, None, 137)
    137
    >>> fitting_overlap(512, 64, 20)
    64
    """
    if wanted is None and radius is None:
        raise InputError(
            "The network has layers whose reach is not known: set prediction.overlap, in pixels, say to 128."
        )
    if wanted is None and 2 * radius >= tile:
        logger.warning(
            "tiles of %d px are too small for an overlap of half the receptive field, %d px: they overlap by %d px, and "
            "seams may show. Set prediction.tile to %d or more.",
            *(tile, radius, tile // 2, 4 * radius),
        )
        return tile // 2
    if wanted is not None and radius is not None and wanted < radius:
        logger.info("tiles overlap by %d px; half the receptive field is %d px", wanted, radius)
    return min(radius if wanted is None else wanted, tile - 1)


def receptive_radius(predict: Predict, recipe: dict) -> int | None:
    """How far a network sees, in pixels: as `predict` tells (receptive_px), else that of the recipe's architecture."""
    told = getattr(predict, "receptive_px", None)
    return told if told is not None else _radius(recipe.get("network"), recipe["levels"])


@functools.lru_cache(maxsize=16)
def _radius(architecture: str | None, levels: int) -> int | None:
    from brightcell.nets import receptive_field, unet

    if architecture not in unet.ARCHITECTURES:
        return None
    try:
        return receptive_field.receptive_radius(
            unet.build_unet(architecture, (None, None, 1), filters=1, levels=levels)
        )
    except InputError:
        return None


def _gathered(bands: Iterator[np.ndarray], height: int) -> np.ndarray:
    """Put bands one below the other."""
    result, start = None, 0
    for band in bands:
        if result is None:
            result = np.empty((height, *band.shape[1:]), np.float32)
        result[start : start + len(band)] = band
        start += len(band)
    return result
