"""Keep stacks of frames and labels, and bring both to the working pixel size.

A *stack file* is a TIFF with one page a sample, in order; the sample's name is the page's
description. Pages may differ in size. Fiji opens it as a stack, `read_stack` as a dictionary.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from scipy import ndimage
from skimage import transform

from brightcell.errors import InputError
from brightcell.files import whole

LARGEST_FACTOR, SMALLEST_FACTOR = 10, 0.02  # beyond these somebody mixed up µm and nm
TILE = 256  # side in pixels of the squares of a page that is written as it is made
MEASURED = 2**25  # pixels of a frame whose percentiles are measured exactly, if it is not of integers

logger = logging.getLogger("brightcell")


@dataclass(frozen=True)
class Bands:
    """An array that is not in memory: its shape and dtype, and an iterator of its rows, some at a time, from the top."""

    shape: tuple[int, ...]
    dtype: np.dtype
    rows: Iterator[np.ndarray]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def tiles(self, side: int) -> Iterator[np.ndarray]:
        """Yield the array as squares, row after row of them; filled up with 0 at the right and the lower edge."""
        wide, rest = -(-self.shape[1] // side) * side, self.shape[2:]
        canvas, filled, start = np.zeros((side, wide, *rest), self.dtype), 0, 0
        for band in self.rows:
            start += len(band)
            while len(band):
                part = band[: side - filled]
                canvas[filled : filled + len(part), : self.shape[1]] = part.reshape(-1, self.shape[1], *rest)
                filled, band = filled + len(part), band[len(part) :]
                if filled == side or (start == self.shape[0] and not len(band)):
                    canvas[filled:] = 0
                    yield from (canvas[:, left : left + side].copy() for left in range(0, wide, side))
                    filled = 0


@contextmanager
def stack_writer(path: str | Path) -> Iterator[Callable[[str, np.ndarray | Bands], None]]:
    """Open a stack file for writing; the block is given a function of (name, array or Bands) that adds a page.

    Arrays are (height, width[, channels]). A single channel is stored as (height, width); `np.atleast_3d` brings it back.
    """
    with whole(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=True) as writer:

        def write(name: str, array: np.ndarray | Bands) -> None:
            streamed = {}
            if isinstance(array, Bands):
                if array.ndim == 3 and array.shape[-1] == 1:
                    array = replace(array, shape=array.shape[:2])
                streamed = {"shape": array.shape, "dtype": array.dtype, "tile": (TILE, TILE)}
            elif array.ndim == 3 and array.shape[-1] == 1:
                array = array[..., 0]
            writer.write(
                array.tiles(TILE) if streamed else array,
                **streamed,
                description=name,
                metadata=None,
                compression="zlib",
                predictor=array.dtype.kind in "iu" and array.dtype.itemsize <= 4,
                photometric="rgb" if array.ndim == 3 and array.shape[-1] == 3 else "minisblack",
                planarconfig="contig" if array.ndim == 3 else None,
            )

        yield write


def write_stack(path: str | Path, pages: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write (name, array) pairs as a stack file, see `stack_writer`."""
    with stack_writer(path) as write:
        for name, array in pages:
            write(name, array)


def iterate_stack(path: str | Path, names: Iterable[str] | None = None) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array) of the pages named (all by default) of a stack file, in the file's order."""
    wanted = None if names is None else set(names)
    with tifffile.TiffFile(path) as file:
        for page in file.pages:
            if wanted is None or page.description in wanted:
                yield page.description, page.asarray()


def read_stack(path: str | Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Read what `iterate_stack` yields into a dictionary from name to array."""
    return dict(iterate_stack(path, names))


class Pages(Mapping):
    """The pages of a stack file by name; each is read when it is asked for, and not kept.

    path : stack file; part : what to take of a page, all by default.
    """

    def __init__(self, path: str | Path, part: Callable[[np.ndarray], np.ndarray] = np.asarray):
        self._file = tifffile.TiffFile(path)
        self._pages = {page.description: page for page in self._file.pages}
        self._part = part

    def __getitem__(self, name: str) -> np.ndarray:
        return self._part(self._pages[name].asarray())

    def __contains__(self, name: object) -> bool:
        return name in self._pages

    def __iter__(self) -> Iterator[str]:
        return iter(self._pages)

    def __len__(self) -> int:
        return len(self._pages)

    def __enter__(self) -> "Pages":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def iterate_named(paths: Iterable[str | Path], rows: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (sample, array) for the samples of a table from the stacks of their groups, one at a time.

    paths : stack files in folders named like the groups; rows : table with sample and group.
    Arrays are (height, width, channels); label images have one channel.
    """
    path_of = {Path(path).parent.name: path for path in paths}
    for group, members in rows.groupby("group", sort=False):
        wanted = set(members["sample"])
        for name, array in iterate_stack(path_of[group], wanted):
            yield name, np.atleast_3d(array)


def read_named(paths: Iterable[str | Path], rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Read what `iterate_named` yields into a dictionary from sample to array."""
    return dict(iterate_named(paths, rows))


def to_uint16(probability: np.ndarray) -> np.ndarray:
    """Store values in 0..1 as uint16 (0..65,535), which every viewer shows; error below 1e-5."""
    return np.round(np.clip(probability, 0, 1) * 65535).astype(np.uint16)


def from_uint16(stored: np.ndarray) -> np.ndarray:
    """Turn uint16 pages of `to_uint16` back into float32 in 0..1."""
    return stored.astype(np.float32) / np.float32(65535)


def split_maps(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Split a network's maps (height, width[, outputs]) into foreground and, where there is one, distance."""
    maps = np.atleast_3d(maps)
    return maps[..., 0], maps[..., 1] if maps.shape[-1] == 2 else None


def scale_factor(pixel_size_um: float | None, working_pixel_size_um: float | None) -> float:
    """Return by how much a frame's sides are multiplied; 1 where a pixel size is unknown (None or NaN).

    Raises InputError for a factor that no one means.
    """
    if not pixel_size_um or not working_pixel_size_um or math.isnan(pixel_size_um):
        return 1.0
    factor = pixel_size_um / working_pixel_size_um
    if not SMALLEST_FACTOR <= factor <= LARGEST_FACTOR:
        raise InputError(
            f"a pixel of {pixel_size_um:g} µm, brought to working_pixel_size_um {working_pixel_size_um:g}, makes frames "
            f"{factor:g} times as large. Expected {SMALLEST_FACTOR} to {LARGEST_FACTOR} times: "
            "are both in µm, and of the specimen, not of the camera?"
        )
    return factor


def rescale_image(image: np.ndarray, factor: float) -> np.ndarray:
    """Rescale (height, width, channels) by a factor, bilinear, anti-aliased; float32 where it changes."""
    if factor == 1:
        return image
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return transform.resize(
        image.astype(np.float32), (height, width, image.shape[2]), order=1, anti_aliasing=factor < 1
    ).astype(np.float32)


def rescale_labels(labels: np.ndarray, factor: float) -> np.ndarray:
    """Rescale a label image by a factor, nearest neighbour: ids survive and cells do not grow."""
    height, width = (max(1, round(side * factor)) for side in labels.shape)
    return resize_labels(labels, (height, width))


def resize_labels(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring a label image to (height, width) by nearest neighbour."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def resize_map(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring a map of real numbers to (height, width), bilinear; float32."""
    if values.shape == tuple(shape):
        return values
    return transform.resize(values, shape, order=1, mode="edge", anti_aliasing=False).astype(np.float32)


def normalise(image: np.ndarray, percentiles: tuple[float, float] = (0.5, 99.5)) -> np.ndarray:
    """Bring a frame (height, width, channels) to about 0..1 by two percentiles of each channel; float32.

    A constant channel becomes zero. The frame is measured whole: crops of it use the same numbers.
    """
    low, span = grey_range(image, percentiles)
    return (image.astype(np.float32) - low) / span


def grey_range(image: np.ndarray, percentiles: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the grey value that becomes 0 and the range that becomes 1 in `normalise`, float32 (channels,) each.

    Exact for 8 and 16 bits, through histograms. Of other frames with more than `MEASURED` pixels only every n-th row
    and column is looked at, so that memory stays small.
    """
    image = np.atleast_3d(image)
    if image.dtype in (np.uint8, np.uint16) and image.size:
        low, high = _integer_percentiles(image, percentiles)
    else:
        step = math.ceil(math.sqrt(image.shape[0] * image.shape[1] / MEASURED))
        if step > 1:
            logger.info("percentiles of the grey values: measured in every %dth row and column", step)
        low, high = np.percentile(image[::step, ::step].astype(np.float32), percentiles, axis=(0, 1))
    return low.astype(np.float32), np.maximum(high - low, 1e-6).astype(np.float32)


def _integer_percentiles(image: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    """What np.percentile(image, percentiles, axis=(0, 1)) gives for unsigned integers, without sorting copies."""
    height, width, channels = image.shape
    bins = int(np.iinfo(image.dtype).max) + 1
    result = np.empty((len(percentiles), channels))
    rows = max(1, 2**22 // width)
    for channel in range(channels):
        counts = np.zeros(bins, np.int64)
        for top in range(0, height, rows):
            counts += np.bincount(image[top : top + rows, :, channel].ravel(), minlength=bins)
        upto = np.cumsum(counts)
        place = np.asarray(percentiles) / 100 * (height * width - 1)
        below, above = (
            np.searchsorted(upto, side, side="right") for side in (np.floor(place), np.ceil(place))
        )
        result[:, channel] = below + (above - below) * (place - np.floor(place))
    return result


def outlines(labels: np.ndarray) -> np.ndarray:
    """Mark the pixels of each cell that border another label or the background; bool (height, width)."""
    return (labels > 0) & (
        (ndimage.maximum_filter(labels, 3) != labels) | (ndimage.minimum_filter(labels, 3) != labels)
    )
