"""Lay a prediction on its truth: count pixels, measure boundaries, match cells."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from .errors import InputError


class Pixels(NamedTuple):
    """Numbers of pixels; positive is cell."""

    tp: int
    fp: int
    fn: int
    tn: int


class Surfaces(NamedTuple):
    """Distances (px) from every boundary pixel of one mask to the nearest boundary pixel of the other.

    Both are empty where neither mask has a boundary, infinite where one of them has none.
    """

    from_truth: np.ndarray
    from_predicted: np.ndarray


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

    def matched(self, threshold: float) -> np.ndarray:
        """IoU of the partners that reach the threshold."""
        return self.iou[self.partners & (self.iou >= threshold)]


def check_shapes(truth: np.ndarray, predicted: np.ndarray) -> None:
    """Raise InputError unless both are images of one size, (height, width), with a pixel at least."""
    if np.shape(truth) != np.shape(predicted) or np.ndim(truth) != 2 or np.size(truth) == 0:
        raise InputError(
            f"truth of shape {np.shape(truth)} and prediction of shape {np.shape(predicted)}. Expected "
            "two images of the same height × width: predict the frames anew from the prepared stacks."
        )


def count_pixels(truth: np.ndarray, predicted: np.ndarray) -> Pixels:
    """Compare two masks (height, width), bool or labels, pixel by pixel."""
    check_shapes(truth, predicted)
    truth, predicted = np.asarray(truth) > 0, np.asarray(predicted) > 0
    tp = int(np.count_nonzero(truth & predicted))
    fp = int(np.count_nonzero(predicted)) - tp
    fn = int(np.count_nonzero(truth)) - tp
    return Pixels(tp, fp, fn, truth.size - tp - fp - fn)


def boundary(mask: np.ndarray) -> np.ndarray:
    """Mark the foreground pixels with a 4-neighbour in the background or outside the image; bool.

    The image's edge bounds a cell that touches it: every mask that is not empty has a boundary.
    """
    padded = np.pad(np.asarray(mask) > 0, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return padded[1:-1, 1:-1] & ~inner


def measure_surfaces(truth: np.ndarray, predicted: np.ndarray) -> Surfaces:
    """Measure the distances between the boundaries of two masks (height, width), bool or labels.

    Exact Euclidean distances between pixel centres, the values of a distance transform; search trees
    give them without visiting the pixels off the boundaries. Of labels only the foreground counts:
    where two cells touch, there is no boundary.
    """
    check_shapes(truth, predicted)
    a, b = (np.argwhere(boundary(mask)) for mask in (truth, predicted))
    if not len(a) or not len(b):
        return Surfaces(np.full(len(a), np.inf), np.full(len(b), np.inf))
    return Surfaces(cKDTree(b).query(a)[0], cKDTree(a).query(b)[0])


def match_cells(truth: np.ndarray, predicted: np.ndarray) -> Cells:
    """Match the cells of two label images (height, width; whole numbers, 0 is background) one to one.

    As many pairs as possible with IoU ≥ 0.5 come first; the cells left over are paired so that the
    sum of their IoU is largest. A cell has at most one partner of IoU above 0.5, and two only as
    exact halves, so that the first step needs no search and is optimal at every threshold from 0.5.
    """
    check_shapes(truth, predicted)
    truth, predicted = (np.asarray(image).astype(np.int64, copy=False) for image in (truth, predicted))
    (truth_ids, truth_areas), (predicted_ids, predicted_areas) = (
        np.unique(image[image > 0], return_counts=True) for image in (truth, predicted)
    )
    both = (truth > 0) & (predicted > 0)
    keys, overlap = np.unique(truth[both] << 32 | predicted[both], return_counts=True)
    row = np.searchsorted(truth_ids, keys >> 32)
    column = np.searchsorted(predicted_ids, keys & 0xFFFFFFFF)
    iou = overlap / (truth_areas[row] + predicted_areas[column] - overlap)
    partners = _partners(row, column, iou)
    return Cells(truth_ids, truth_areas, predicted_ids, predicted_areas, row, column, overlap, iou, partners)


def _partners(row: np.ndarray, column: np.ndarray, iou: np.ndarray) -> np.ndarray:
    """Mark the pairs of the one-to-one matching that `match_cells` describes."""
    partners = np.zeros(len(iou), bool)
    good = np.flatnonzero(iou >= 0.5)
    good = good[np.unique(row[good], return_index=True)[1]]
    good = good[np.unique(column[good], return_index=True)[1]]
    partners[good] = True
    rest = np.flatnonzero(~np.isin(row, row[good]) & ~np.isin(column, column[good]))
    if len(rest):
        rows, i = np.unique(row[rest], return_inverse=True)
        columns, j = np.unique(column[rest], return_inverse=True)
        weights = np.zeros((len(rows), len(columns)))
        weights[i, j] = iou[rest]
        chosen = np.zeros(weights.shape, bool)
        chosen[linear_sum_assignment(weights, maximize=True)] = True
        partners[rest[chosen[i, j]]] = True
    return partners
