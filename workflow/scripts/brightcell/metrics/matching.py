"""Lay a prediction on its truth: count pixels, match cells."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from brightcell.errors import InputError


class Pixels(NamedTuple):
    """Numbers of pixels; cells are the positives."""

    tp: int
    fp: int
    fn: int
    tn: int


class Cells(NamedTuple):
    """Cells of two label images, their overlaps and their one-to-one partners.

    `truth_ids`, `truth_areas` (px) and the same of the prediction have one element a cell. `row`,
    `column` (positions in these), `overlap` (px) and `iou` have one element for every two cells that
    share a pixel; `partners` (bool) marks those that are matched.
    """

    truth_ids: np.ndarray
    truth_areas: np.ndarray
    predicted_ids: np.ndarray
    predicted_areas: np.ndarray
    row: np.ndarray
    column: np.ndarray
    overlap: np.ndarray
    iou: np.ndarray
    partners: np.ndarray

    @property
    def empty(self) -> bool:
        """Whether neither image has a cell."""
        return not len(self.truth_ids) and not len(self.predicted_ids)

    @property
    def covers(self) -> np.ndarray:
        """The pairs whose predicted cell holds more than half of the truth cell; bool."""
        return self.overlap * 2 > self.truth_areas[self.row]

    @property
    def covered(self) -> np.ndarray:
        """The pairs whose predicted cell lies in the truth cell with more than half of its area; bool."""
        return self.overlap * 2 > self.predicted_areas[self.column]

    def matched(self, threshold: float) -> np.ndarray:
        """Return the partners whose IoU reaches the threshold; bool."""
        return self.partners & (self.iou >= threshold)


def share(part: float, whole: float, empty: bool = False) -> float:
    """Divide; 0 / 0 is 1 where both images are `empty` and 0 elsewhere."""
    return float(part / whole) if whole else float(empty)


def check_shapes(truth: np.ndarray, predicted: np.ndarray) -> None:
    """Raise InputError unless both are images of one size, (height, width), with a pixel at least."""
    if np.shape(truth) != np.shape(predicted) or np.ndim(truth) != 2 or np.size(truth) == 0:
        raise InputError(
            f"truth of shape {np.shape(truth)} and prediction of shape {np.shape(predicted)}. Expected "
            "two images of the same height × width: predict the frames again from the prepared stacks."
        )


def count_pixels(truth: np.ndarray, predicted: np.ndarray) -> Pixels:
    """Compare two masks (height, width), bool or labels, pixel by pixel; pixels where the truth is below 0 do not count."""
    check_shapes(truth, predicted)
    counted = np.asarray(truth) >= 0
    truth, predicted = np.asarray(truth) > 0, (np.asarray(predicted) > 0) & counted
    tp = int(np.count_nonzero(truth & predicted))
    fp = int(np.count_nonzero(predicted)) - tp
    fn = int(np.count_nonzero(truth)) - tp
    return Pixels(tp, fp, fn, int(np.count_nonzero(counted)) - tp - fp - fn)


def match_cells(truth: np.ndarray, predicted: np.ndarray) -> Cells:
    """Match the cells of two label images (height, width; whole numbers, 0 is background) one to one.

    As many pairs as possible with IoU ≥ 0.5 come first; the cells left over are paired so that the
    sum of their IoU is largest. A cell has at most one partner of IoU above 0.5, and two only as
    exact halves, so that the first step needs no search and is optimal at every threshold from 0.5.

    Pixels where the truth is below 0 do not count: of predicted cells the part on them is cut off, and cells that lie on
    them with more than half of their area are left out.

    Ids may be as large as an int64 holds: time and memory depend on the cells' outlines alone.
    """
    check_shapes(truth, predicted)
    truth, predicted, length = _runs(np.asarray(truth), np.asarray(predicted))
    if (truth < 0).any():
        predicted = _counted(truth, predicted, length)
    truth_ids, row, truth_areas = _count(truth, length)
    predicted_ids, column, predicted_areas = _count(predicted, length)
    both = (row >= 0) & (column >= 0)
    pair = row[both] * len(predicted_ids) + column[both]
    pairs, position = np.unique(pair, return_inverse=True)
    overlap = np.bincount(position, length[both], len(pairs)).astype(np.int64)
    row, column = np.divmod(pairs, max(1, len(predicted_ids)))
    iou = overlap / (truth_areas[row] + predicted_areas[column] - overlap)
    partners = _partners(row, column, iou)
    return Cells(truth_ids, truth_areas, predicted_ids, predicted_areas, row, column, overlap, iou, partners)


def _runs(truth: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut both images into runs of pixels, row after row, that share both ids; give ids and lengths.

    What follows sorts the runs, of which a frame has twenty times fewer than pixels.
    """
    truth, predicted = truth.ravel(), predicted.ravel()
    changes = (truth[1:] != truth[:-1]) | (predicted[1:] != predicted[:-1])
    starts = np.append(0, np.flatnonzero(changes) + 1)
    return truth[starts], predicted[starts], np.diff(starts, append=truth.size)


def _counted(truth: np.ndarray, predicted: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Remove from the prediction's runs what lies where the truth is below 0, and cells that lie there for the most part."""
    ids, position = np.unique(predicted, return_inverse=True)
    areas, outside = (np.bincount(position, weights, len(ids)) for weights in (length, length * (truth < 0)))
    return np.where((truth < 0) | (2 * outside > areas)[position], 0, predicted)


def _count(ids: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cells' ids, the position of every run's cell among them (-1: background) and the areas (px)."""
    ids = np.maximum(ids.astype(np.int64), 0)
    known, position = np.unique(np.append(0, ids), return_inverse=True)
    position = position[1:]
    areas = np.bincount(position, length, len(known)).astype(np.int64)
    return known[1:], position - 1, areas[1:]


def _partners(row: np.ndarray, column: np.ndarray, iou: np.ndarray) -> np.ndarray:
    """Return the pairs of the one-to-one matching that `match_cells` describes."""
    partners = np.zeros(len(iou), bool)
    good = np.flatnonzero(iou >= 0.5)
    good = good[np.unique(row[good], return_index=True)[1]]
    good = good[np.unique(column[good], return_index=True)[1]]
    partners[good] = True
    rest = np.flatnonzero(~np.isin(row, row[good]) & ~np.isin(column, column[good]))
    for pairs in _clumps(rest, row, column):
        rows, i = np.unique(row[pairs], return_inverse=True)
        columns, j = np.unique(column[pairs], return_inverse=True)
        weights = np.zeros((len(rows), len(columns)))
        weights[i, j] = iou[pairs]
        chosen = np.zeros(weights.shape, bool)
        chosen[linear_sum_assignment(weights, maximize=True)] = True
        partners[pairs[chosen[i, j]]] = True
    return partners


def _clumps(pairs: np.ndarray, row: np.ndarray, column: np.ndarray) -> list[np.ndarray]:
    """Divide pairs into sets that share no cell, so that a table of all cells by all specks is never made."""
    if not len(pairs):
        return []
    rows = row.max() + 1
    size = rows + column.max() + 1
    graph = coo_array((np.ones(len(pairs)), (row[pairs], rows + column[pairs])), shape=(size, size))
    clump = connected_components(graph, directed=False)[1][row[pairs]]
    order = np.argsort(clump, kind="stable")
    return np.split(pairs[order], np.flatnonzero(np.diff(clump[order])) + 1)
