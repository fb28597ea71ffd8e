"""Score matched cells: found or missed, split or merged, how well outlined."""

from typing import NamedTuple

import numpy as np

from .matching import Cells, share

IOU_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))
SPLIT_SHARE = 0.1
# Costs of correcting by hand one predicted cell that covers several, one missed cell and one invented cell.
SPLIT_COST, MISS_COST, EXTRA_COST = 5, 10, 1


class Counts(NamedTuple):
    """Numbers of cells in the truth and the prediction, and of those matched at each of `IOU_THRESHOLDS`."""

    truth: int
    predicted: int
    tp: np.ndarray


class PooledCounts(Counts):
    """The counts of several frames together."""


def count_cells(cells: Cells) -> Counts:
    """Count a frame's cells."""
    iou = np.sort(cells.iou[cells.partners])
    tp = len(iou) - np.searchsorted(iou, IOU_THRESHOLDS)
    return Counts(len(cells.truth_ids), len(cells.predicted_ids), tp)


def pool(counts: list[Counts]) -> PooledCounts:
    """Add up the counts of frames."""
    return PooledCounts(
        sum(each.truth for each in counts),
        sum(each.predicted for each in counts),
        np.sum([each.tp for each in counts], axis=0),
    )


def average_precision(counts: Counts, threshold: float) -> float:
    """Return TP / (TP + FP + FN) of cells whose IoU reaches the threshold, one of `IOU_THRESHOLDS`."""
    tp = counts.tp[IOU_THRESHOLDS.index(threshold)]
    found = counts.truth + counts.predicted
    return share(tp, found - tp, empty=not found)


def mean_average_precision(counts: Counts) -> float:
    """Average AP over `IOU_THRESHOLDS`."""
    return float(np.mean([average_precision(counts, threshold) for threshold in IOU_THRESHOLDS]))


def panoptic_quality(cells: Cells) -> float:
    """PQ: the sum of the IoU of matched cells (IoU > 0.5) over TP + FP / 2 + FN / 2."""
    found = len(cells.truth_ids) + len(cells.predicted_ids)
    return share(2 * cells.iou[_panoptic(cells)].sum(), found, cells.empty)


def segmentation_quality(cells: Cells) -> float:
    """SQ: the mean IoU of matched cells (IoU > 0.5)."""
    iou = cells.iou[_panoptic(cells)]
    return share(iou.sum(), len(iou), cells.empty)


def recognition_quality(cells: Cells) -> float:
    """RQ: TP / (TP + FP / 2 + FN / 2) of matched cells (IoU > 0.5)."""
    found = len(cells.truth_ids) + len(cells.predicted_ids)
    return share(2 * int(np.count_nonzero(_panoptic(cells))), found, cells.empty)


def _panoptic(cells: Cells) -> np.ndarray:
    """Return the pairs that panoptic quality counts: an IoU strictly above 0.5 (Kirillov et al. 2019, section 4.1); bool."""
    return cells.partners & (cells.iou > 0.5)


def detection_f1(cells: Cells) -> float:
    """F1 of detection, 2 TP / (2 TP + FP + FN), at IoU ≥ 0.5."""
    found = len(cells.truth_ids) + len(cells.predicted_ids)
    return share(2 * int(np.count_nonzero(cells.matched(0.5))), found, cells.empty)


def seg(cells: Cells) -> float:
    """SEG of the Cell Tracking Challenge: mean over truth cells of the IoU with their cover.

    The cover is the predicted cell that holds more than half of the truth cell; without one the cell
    counts 0. Predicted cells beyond these cost nothing.
    """
    return share(cells.iou[cells.covers].sum(), len(cells.truth_ids), cells.empty)


def det_cost(cells: Cells) -> int:
    """AOGM-D of the Cell Tracking Challenge: the cost of correcting the detections by hand.

    5 for every truth cell beyond the first that a predicted cell covers, 10 for every truth cell without a
    cover (see `seg`), 1 for every predicted cell that covers none.
    """
    found = int(np.count_nonzero(cells.covers))
    covering = len(np.unique(cells.column[cells.covers]))
    missed, extra = len(cells.truth_ids) - found, len(cells.predicted_ids) - covering
    return SPLIT_COST * (found - covering) + MISS_COST * missed + EXTRA_COST * extra


def det(cells: Cells) -> float:
    """DET of the Cell Tracking Challenge: 1 - min(AOGM-D, AOGM-D0) / AOGM-D0.

    AOGM-D is `det_cost`, AOGM-D0 that of an empty prediction.
    """
    worst = MISS_COST * len(cells.truth_ids)
    return share(worst - min(det_cost(cells), worst), worst, cells.empty)


def split_pairs(cells: Cells) -> np.ndarray:
    """Return the pairs of a split truth cell with its parts; bool, one element per pair of `cells`.

    A truth cell is split if two or more predicted cells each lie in it with more than half of their own area and
    cover more than a tenth of it.
    """
    parts = cells.covered & (cells.overlap > SPLIT_SHARE * cells.truth_areas[cells.row])
    return _several(parts, cells.row)


def merged_pairs(cells: Cells) -> np.ndarray:
    """Return the pairs of a predicted cell with the truth cells that it merges: `split_pairs` with roles swapped."""
    parts = cells.covers & (cells.overlap > SPLIT_SHARE * cells.predicted_areas[cells.column])
    return _several(parts, cells.column)


def _several(parts: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Keep the pairs whose whole, the position of a cell, has two or more of them."""
    return parts & (np.bincount(whole[parts], minlength=whole.max(initial=-1) + 1) > 1)[whole]


def count_splits(cells: Cells) -> int:
    """Count the truth cells that were split, see `split_pairs`."""
    return len(np.unique(cells.row[split_pairs(cells)]))


def count_merges(cells: Cells) -> int:
    """Count the predicted cells that merge two or more truth cells, see `merged_pairs`."""
    return len(np.unique(cells.column[merged_pairs(cells)]))


def count_bias(cells: Cells) -> int:
    """Return the predicted minus the true number of cells."""
    return len(cells.predicted_ids) - len(cells.truth_ids)


def area_error(cells: Cells) -> float:
    """Mean over matched cells (IoU ≥ 0.5) of |predicted - true area| / true area; NaN without a match."""
    pairs = cells.matched(0.5)
    truth, predicted = cells.truth_areas[cells.row[pairs]], cells.predicted_areas[cells.column[pairs]]
    return float(np.mean(np.abs(predicted - truth) / truth)) if len(truth) else float("nan")
