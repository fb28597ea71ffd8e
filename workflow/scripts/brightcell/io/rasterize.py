"""Fill outlines of cells into label images, by the centres of pixels, and find the outlines of label images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage import draw

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
        part = np.zeros_like(cell)
        for ring in rings:
            part[draw.polygon(ring[:, 1] - top - 0.5, ring[:, 0] - left - 0.5, cell.shape)] ^= True
        cell |= part
    return Patch(int(top), int(left), cell)


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
