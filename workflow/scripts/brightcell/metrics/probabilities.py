"""Score foreground probabilities before any threshold: calibration, and the results of all thresholds.

Probabilities are stored as uint16 (`stacks.to_uint16`), so that a frame is described whole by how often each
of the 65,536 values occurs on cells and on background: every score here comes out of these two counts.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from brightcell.io.stacks import from_uint16

from .matching import Pixels, check_shapes

LEVELS = from_uint16(np.arange(65536, dtype=np.uint16))
THRESHOLDS = tuple(percent / 100 for percent in range(5, 100, 5))
BINS = 10


class Probabilities(NamedTuple):
    """Numbers of pixels of every stored probability, on cells and on background; int64 (65536,)."""

    cell: np.ndarray
    background: np.ndarray


def count_probabilities(truth: np.ndarray, probability: np.ndarray) -> Probabilities:
    """Count the probabilities (height, width; uint16 of 0..65,535 as stored) on cells and background.

    `truth` is a mask (height, width), bool or labels; pixels where it is below 0 do not count.
    """
    check_shapes(truth, probability)
    truth = np.asarray(truth)
    cell = np.bincount(probability[truth > 0], minlength=len(LEVELS))
    return Probabilities(cell, np.bincount(probability[truth >= 0], minlength=len(LEVELS)) - cell)


def add(counts: list[Probabilities]) -> Probabilities:
    """Add up the counts of frames."""
    return Probabilities(
        np.sum([each.cell for each in counts], axis=0), np.sum([each.background for each in counts], axis=0)
    )


def brier(counts: Probabilities) -> float:
    """Return the mean over pixels of (probability - truth)², where truth is 1 on cells (Brier 1950)."""
    errors = counts.cell @ (1 - LEVELS.astype(float)) ** 2 + counts.background @ LEVELS.astype(float) ** 2
    return float(errors / (counts.cell.sum() + counts.background.sum()))


def at_threshold(counts: Probabilities, threshold: float) -> Pixels:
    """Count right and wrong pixels if those that reach the threshold are cell."""
    reached = np.float32(threshold) <= LEVELS
    tp, fp = int(counts.cell[reached].sum()), int(counts.background[reached].sum())
    return Pixels(tp, fp, int(counts.cell.sum()) - tp, int(counts.background.sum()) - fp)


def threshold_curve(counts: Probabilities) -> pd.DataFrame:
    """Return one row per threshold 0.05, 0.10 … 0.95: threshold, pixels_tp, pixels_fp, pixels_fn, pixels_tn."""
    table = pd.DataFrame([at_threshold(counts, threshold) for threshold in THRESHOLDS])
    table = table.add_prefix("pixels_")
    table.insert(0, "threshold", THRESHOLDS)
    return table


def reliability(counts: Probabilities) -> pd.DataFrame:
    """Compare probability and share of cells in ten bins of equal width.

    One row per bin [bin_low, bin_high), the last one closed: pixels, probability (their mean) and cell_share
    (the share of them that are cell); both are NaN in a bin without pixels. Source: Murphy and Winkler 1977,
    doi 10.2307/2346866.
    """
    edges = np.arange(BINS + 1) / BINS
    position = np.minimum(np.searchsorted(edges.astype(np.float32), LEVELS, side="right") - 1, BINS - 1)
    both = counts.cell + counts.background
    pixels = np.bincount(position, both, BINS)
    sums = {"probability": np.bincount(position, both * LEVELS.astype(float), BINS)}
    sums["cell_share"] = np.bincount(position, counts.cell, BINS)
    table = pd.DataFrame({"bin_low": edges[:-1], "bin_high": edges[1:], "pixels": pixels.astype(np.int64)})
    for name, values in sums.items():
        table[name] = np.divide(values, pixels, out=np.full(BINS, np.nan), where=pixels > 0)
    return table
