"""Estimate how far all cells of a frame moved together: a stage that jumped or drifts, a plate that was put back.

The insides of the cells of two frames are correlated (by FFT). The best shift is kept only if it explains the frame: the
insides then overlap more than twice as well as without it.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from scipy import signal

PIXELS = 12  # of a picture along a cell's diameter
LARGEST_PICTURE = 1024  # pixels along an axis
RIM = 1 / 6  # of the diameter: what is taken away from cells, so that those that touch are apart
BETTER = 2.25  # least ratio of the overlaps (intersection over union) with and without a shift
LEAST = 0.15  # overlap with a shift that is kept
FEWEST = 2  # cells in a frame: one alone may move as it likes
COMMON = 0.2  # least share of the frame that is in both frames after a shift


def typical_diameter(areas_px: np.ndarray) -> float:
    """Return the diameter in px of the disc of the median area.

    >>> round(typical_diameter(np.array([10, 314, 5000])), 1)
    20.0
    """
    return float(2 * np.sqrt(np.median(areas_px) / np.pi))


def common_shifts(pages: Iterable[np.ndarray], diameter: float) -> pd.DataFrame:
    """Return the common shift of the cells of each frame from the frame before.

    Parameters
    ----------
    pages : of int (height, width)
        Label images in the order of time.
    diameter : float
        Of a typical cell, in px.

    Returns
    -------
    pandas.DataFrame
        One row per frame: shift_row_px and shift_column_px, 0 where no shift is kept.
    """
    found: list[np.ndarray] = []
    before, cells_before = np.zeros((0, 0), bool), 0
    for picture, cells, step in _pictures(pages, diameter):
        known = min(cells_before, cells) >= FEWEST
        found.append(common_shift(before, picture) * step if known else np.zeros(2))
        before, cells_before = picture, cells
    return pd.DataFrame(found, columns=["shift_row_px", "shift_column_px"])


def _pictures(pages: Iterable[np.ndarray], diameter: float) -> Iterator[tuple[np.ndarray, int, int]]:
    """Yield pictures of the cells' insides, bool, the number of cells, and the side of the pictures' pixels in px."""
    for page in pages:
        step = int(max(1, diameter // PIXELS, np.ceil(max(page.shape) / LARGEST_PICTURE)))
        small = page[::step, ::step]
        yield insides(small, max(1, round(RIM * diameter / step))), len(np.unique(small[small > 0])), step


def insides(labels: np.ndarray, rim: int) -> np.ndarray:
    """Return the pixels of cells that are `rim` pixels or more from all else, measured along rows and columns; bool."""
    inside = labels > 0
    for axis in (0, 1):
        differ = np.diff(labels, axis=axis) != 0
        for far in range(rim):
            # The pixels on both sides of an edge, and those `far` pixels farther away from it
            before, behind = [slice(None)] * 2, [slice(None)] * 2
            before[axis], behind[axis] = slice(0, -1 - far or None), slice(1 + far, None)
            low, high = [slice(None)] * 2, [slice(None)] * 2
            low[axis], high[axis] = slice(far, None), slice(0, differ.shape[axis] - far)
            inside[tuple(before)] &= ~differ[tuple(low)]
            inside[tuple(behind)] &= ~differ[tuple(high)]
    return inside


def common_shift(earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Return the common shift (row, column) between two pictures (height, width; bool), (0, 0) unless it is kept."""
    none = np.zeros(2, int)
    if earlier.shape != later.shape or not earlier.any() or not later.any():
        return none
    heights = signal.correlate(
        later.astype(np.float32) - later.mean(dtype=np.float32),
        earlier.astype(np.float32) - earlier.mean(dtype=np.float32),
        method="fft",
    )
    shift = np.array(np.unravel_index(heights.argmax(), heights.shape)) - np.array(later.shape) + 1
    explained = overlap(earlier, later, shift)
    return shift if explained >= max(LEAST, BETTER * overlap(earlier, later, none)) else none


def overlap(earlier: np.ndarray, later: np.ndarray, shift: np.ndarray) -> float:
    """Return the intersection over union of two pictures after a shift, in the part that both show; 0 if that is small.

    >>> cells = np.eye(4) > 0
    >>> overlap(cells, np.roll(cells, 1, axis=0), np.array([1, 0]))
    1.0
    """
    height, width = later.shape
    row, column = shift
    now = later[max(row, 0) : height + min(row, 0), max(column, 0) : width + min(column, 0)]
    then = earlier[max(-row, 0) : height + min(-row, 0), max(-column, 0) : width + min(-column, 0)]
    union = np.count_nonzero(now | then)
    return float(np.count_nonzero(now & then) / union) if union and now.size >= COMMON * later.size else 0.0
