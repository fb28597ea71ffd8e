"""Keep stacks of frames and labels, and bring both to the working pixel size.

A *stack file* is a TIFF with one page a sample, in order; the sample's name is the page's
description. Pages may differ in size. Fiji opens it as a stack, `read_stack` as a dictionary.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from scipy import ndimage
from skimage import transform

from .errors import InputError
from .files import whole

LARGEST_FACTOR, SMALLEST_FACTOR = 10, 0.02  # beyond these somebody mixed up µm and nm


def write_stack(path: str | Path, pages: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write (name, array) pairs as a stack file; arrays are (height, width[, channels]).

    A single channel is stored as (height, width); `np.atleast_3d` brings it back.
    """
    with whole(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=True) as writer:
        for name, array in pages:
            if array.ndim == 3 and array.shape[-1] == 1:
                array = array[..., 0]
            writer.write(
                array,
                description=name,
                metadata=None,
                compression="zlib",
                predictor=array.dtype.kind in "iu" and array.dtype.itemsize <= 4,
                photometric="rgb" if array.ndim == 3 and array.shape[-1] == 3 else "minisblack",
                planarconfig="contig" if array.ndim == 3 else None,
            )


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


def normalise(image: np.ndarray, percentiles: tuple[float, float] = (0.5, 99.5)) -> np.ndarray:
    """Bring a frame (height, width, channels) to about 0..1 by two percentiles of each channel; float32.

    A constant channel becomes zero. The frame is measured whole: crops of it use the same numbers.
    """
    image = image.astype(np.float32)
    low, high = np.percentile(image, percentiles, axis=(0, 1))
    return (image - low.astype(np.float32)) / np.maximum(high - low, 1e-6).astype(np.float32)


def outlines(labels: np.ndarray) -> np.ndarray:
    """Mark the pixels of each cell that border another label or the background; bool (height, width)."""
    return (labels > 0) & (
        (ndimage.maximum_filter(labels, 3) != labels) | (ndimage.minimum_filter(labels, 3) != labels)
    )
