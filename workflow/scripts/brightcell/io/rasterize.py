"""Fill outlines of cells into label images, by the centres of pixels, and find the outlines of label images."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from brightcell.errors import InputError

from .image_file import LARGEST_PX

# Of the rows of pixels that an outline's lines cross; a cell's cross some thousands.
MOST_CROSSINGS = 20_000_000
CORNERS_OF_AN_ELLIPSE = 256
FAR = 1e9  # px; nothing is drawn beyond
Ring = np.ndarray  # (points, 2): x to the right, y down, in px; (0, 0) is the outer corner of the first pixel


class Patch(NamedTuple):
    """The pixels of one cell in its bounding box, whose first pixel is (row, column) of the image."""

    row: int
    column: int
    pixels: np.ndarray


def fill(polygons: Sequence[Sequence[Ring]], shape: tuple[int, int]) -> Patch:
    """Fill one cell: a pixel is inside if its centre is.

    polygons : parts of the cell, each an outer ring and the rings of its holes; within a part, pixels inside an odd
        number of rings are filled; the cell is the union of its parts
    shape : (height, width) of the image; nothing is drawn outside it

    >>> fill([[np.array([[1, 1], [4, 1], [4, 3], [1, 3]])]], (5, 6)).pixels.sum()
    np.int64(6)
    """
    points = np.concatenate([ring for rings in polygons for ring in rings])
    if not np.isfinite(points).all():
        raise ValueError("an outline with coordinates that are no numbers")
    left, top = np.clip(np.floor(points.min(axis=0)), 0, shape[::-1]).astype(int)
    right, bottom = np.clip(np.ceil(points.max(axis=0)), 0, shape[::-1]).astype(int)
    cell = np.zeros((bottom - top, right - left), bool)
    if not cell.size:
        return Patch(int(top), int(left), cell)
    for rings in polygons:
        cell |= _inside([ring - (left, top) for ring in rings], cell.shape)
    return Patch(int(top), int(left), cell)


def _inside(rings: Sequence[Ring], shape: tuple[int, ...]) -> np.ndarray:
    """Return the pixels whose centres are inside an odd number of rings, bool.

    In each row of pixels the lines of the rings change inside and outside from one pixel on. A centre on a line belongs to
    what lies to the right of it, or below a level one, so that cells with a common border do not overlap.
    """
    starts = np.concatenate(rings).clip(-FAR, FAR)
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings]).clip(-FAR, FAR)
    height, width = shape
    (x, y), (end_x, end_y) = starts.T, ends.T
    first, last = (
        np.ceil(each - 0.5).clip(0, height).astype(int)
        for each in (np.minimum(y, end_y), np.maximum(y, end_y))
    )
    number = last - first  # of rows whose centres a line crosses
    if number.sum() > MOST_CROSSINGS:
        raise ValueError(f"an outline of {len(x):,} corners that goes up and down through the whole image")
    line = np.repeat(np.arange(len(x)), number)
    row = np.arange(len(line)) - np.repeat(np.cumsum(number) - number, number) + first[line]
    slope = (end_x - x)[line] / (end_y - y)[line]
    column = np.ceil(x[line] + (row + 0.5 - y[line]) * slope - 0.5).clip(0, width).astype(int)
    changes = np.zeros((height, width + 1), np.uint8)
    np.add.at(changes.reshape(-1), row * (width + 1) + column, 1)
    return np.cumsum(changes, axis=1, dtype=np.uint8)[:, :width] % 2 == 1


def ellipse(x: float, y: float, across: float, down: float, angle: float = 0) -> Ring:
    """Return an ellipse around a centre as a ring, with its half axes, turned clockwise by an angle in radians."""
    turn = np.linspace(0, 2 * np.pi, CORNERS_OF_AN_ELLIPSE, endpoint=False)
    right, below = across * np.cos(turn), down * np.sin(turn)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([x + right * cosine - below * sine, y + right * sine + below * cosine], axis=1)


def limited(path: Path, patches: Iterable[Patch | None], shape: tuple[int, int]) -> Iterator[Patch | None]:
    """Yield the cells of a file; raise InputError before those of one frame fill the memory."""
    most, total = max(LARGEST_PX, 4 * shape[0] * shape[1]), 0
    for number, patch in enumerate(patches, start=1):
        total += patch.pixels.size if patch else 0
        if total > most:
            raise InputError(
                f"{path}: the boxes around the first {number:,} outlines of a frame of {shape[0]:,} × {shape[1]:,} px fill it "
                f"{total / (shape[0] * shape[1]):.0f} times. Expected outlines of cells, which hardly overlap: export them "
                "without the regions around them."
            )
        yield patch


def bounded(pixels: np.ndarray) -> Patch:
    """Cut the bounding box of a cell out of a bool image (height, width)."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return Patch(0, 0, np.zeros((0, 0), bool))
    box = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Patch(int(rows[0]), int(columns[0]), box.copy())


def paint(patches: Sequence[Patch], shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Paint cells into one label image, int32, numbered from 1 in their order; also return how many pixels overlap.

    A pixel of several cells goes to the smallest of them, which a larger one might hide.
    """
    labels = np.zeros(shape, np.int32)
    areas = [int(patch.pixels.sum()) for patch in patches]
    overlap = 0
    for index in sorted(range(len(patches)), key=lambda index: -areas[index]):
        row, column, pixels = patches[index]
        window = labels[row : row + pixels.shape[0], column : column + pixels.shape[1]]
        overlap += int(np.count_nonzero(window[pixels]))
        window[pixels] = index + 1
    return labels, overlap


def outline_pixels(labels: np.ndarray) -> np.ndarray:
    """Return the pixels of each cell that border another label or the background; bool (height, width)."""
    return (labels > 0) & (
        (ndimage.maximum_filter(labels, 3) != labels) | (ndimage.minimum_filter(labels, 3) != labels)
    )


def shaded(image: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Darken the pixels of a frame (height, width[, channels]) that do not count; a copy if there are any."""
    if not ignored.any():
        return image
    image, low = image.copy(), image.min()
    image[ignored] = low + (image[ignored] - low) / 3
    return image
