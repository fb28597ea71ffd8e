"""Score predicted labels against the truth: pixels, boundaries, cells, probabilities.

Every score is one entry of `METRICS`; the tables, the comparison and the report follow from it. What each one
means, and where it misleads, stands in docs/metrics.md.

Empty frames, the same for all scores of a frame: with nothing in the truth and nothing predicted the
prediction is perfect (1, and a distance of 0); with nothing in one of them alone it is worthless (0, and
a distance of the frame's diagonal, so that failed frames stay in the mean). The error of the area of cells
is NaN where none is found.

References
----------
AP, one-to-one matching: Schmidt et al. 2018, arXiv 1806.03535. PQ, SQ, RQ: Kirillov et al. 2019,
arXiv 1801.00868. SEG: Ulman et al. 2017, doi 10.1038/nmeth.4473. DET: Matula et al. 2015,
doi 10.1371/journal.pone.0144959. Surface Dice: Nikolov et al. 2018, arXiv 1809.04430. Brier score: Brier
1950, doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import objects
from .matching import Cells, Pixels, count_pixels, match_cells, share
from .objects import IOU_THRESHOLDS, Counts, PooledCounts, count_cells
from .probabilities import Probabilities, brier, count_probabilities
from .surfaces import Surfaces, hausdorff95, measure_surfaces, surface_dice

HEADLINE = ("cell_iou", "cell_dice", "ap50", "seg")


class Metric(NamedTuple):
    """One score: how to call it, which way is better, and how to compute it from `source`.

    `better` is higher, lower or zero: the last is for differences with a sign.
    """

    title: str
    better: str
    unit: str
    needs_instances: bool
    description: str
    compute: Callable[..., float]
    source: type


def _ap(percent: int, source: type = Counts) -> Metric:
    pooled = source is PooledCounts
    title = f"AP at IoU {percent / 100:g}" + (", pooled" if pooled else "")
    description = (
        f"TP / (TP + FP + FN) of cells matched one to one with IoU of at least {percent / 100:g}"
        + ("; TP, FP and FN summed over the frames of a group" if pooled else "")
    )
    return Metric(
        title, "higher", "", True, description,
        lambda c: objects.average_precision(c, percent / 100), source,
    )  # fmt: skip


METRICS: dict[str, Metric] = {
    "cell_iou": Metric(
        "Cell IoU", "higher", "", False,
        "Cell pixels found in both images over those found in either",
        lambda p: share(p.tp, p.tp + p.fp + p.fn, True), Pixels,
    ),
    "cell_dice": Metric(
        "Cell Dice", "higher", "", False,
        "Twice the common cell pixels over the sum of cell pixels of both images",
        lambda p: share(2 * p.tp, 2 * p.tp + p.fp + p.fn, True), Pixels,
    ),
    "cell_precision": Metric(
        "Cell precision", "higher", "", False, "Share of the predicted cell pixels that are cell",
        lambda p: share(p.tp, p.tp + p.fp, p.fn == 0), Pixels,
    ),
    "cell_recall": Metric(
        "Cell recall", "higher", "", False, "Share of the cell pixels that were predicted as cell",
        lambda p: share(p.tp, p.tp + p.fn, p.fp == 0), Pixels,
    ),
    "cell_specificity": Metric(
        "Cell specificity", "higher", "", False,
        "Share of the background pixels that were predicted as background",
        lambda p: share(p.tn, p.tn + p.fp, p.fn == 0), Pixels,
    ),
    "accuracy": Metric(
        "Accuracy", "higher", "", False,
        "Share of all pixels predicted correctly; high wherever most of the frame is background",
        lambda p: share(p.tp + p.tn, sum(p)), Pixels,
    ),
    "background_iou": Metric(
        "Background IoU", "higher", "", False,
        "IoU of the background; a prediction without any cell scores its share of the frame",
        lambda p: share(p.tn, p.tn + p.fp + p.fn, True), Pixels,
    ),
    "mean_iou": Metric(
        "Mean IoU", "higher", "", False, "Mean of cell IoU and background IoU",
        lambda p: (METRICS["cell_iou"].compute(p) + METRICS["background_iou"].compute(p)) / 2, Pixels,
    ),
    "hd95_px": Metric(
        "HD95", "lower", "px", False,
        "95th percentile of the distance between the boundaries of the foreground, larger direction; the frame's diagonal "
        "where one side has no cell",
        hausdorff95, Surfaces,
    ),
    "hd95_um": Metric(
        "HD95", "lower", "µm", False,
        "HD95 in micrometres, where the pixel size is known",
        hausdorff95, Surfaces,
    ),
    "surface_dice_1px": Metric(
        "Surface Dice, 1 px", "higher", "", False,
        "Share of both boundaries that lies within 1 px of the other",
        lambda s: surface_dice(s, 1), Surfaces,
    ),
    "surface_dice_2px": Metric(
        "Surface Dice, 2 px", "higher", "", False,
        "Share of both boundaries that lies within 2 px of the other",
        lambda s: surface_dice(s, 2), Surfaces,
    ),
    "ap50": _ap(50),
    "ap70": _ap(70),
    "ap90": _ap(90),
    "mean_ap": Metric(
        "Mean AP", "higher", "", True, "AP averaged over the IoU thresholds 0.5, 0.55 … 0.95",
        objects.mean_average_precision, Counts,
    ),
    "ap50_pooled": _ap(50, PooledCounts),
    "ap70_pooled": _ap(70, PooledCounts),
    "ap90_pooled": _ap(90, PooledCounts),
    "mean_ap_pooled": Metric(
        "Mean AP, pooled", "higher", "", True,
        "AP of the cells of all frames of a group together, averaged over the IoU thresholds 0.5, 0.55 … 0.95",
        objects.mean_average_precision, PooledCounts,
    ),
    "f1_50": Metric(
        "F1 at IoU 0.5", "higher", "", True, "2 TP / (2 TP + FP + FN) of cells matched one to one",
        objects.detection_f1, Cells,
    ),
    "pq": Metric(
        "PQ", "higher", "", True, "Panoptic quality: SQ times RQ", objects.panoptic_quality, Cells,
    ),
    "sq": Metric(
        "SQ", "higher", "", True, "Segmentation quality: mean IoU of the cells matched with IoU above 0.5",
        objects.segmentation_quality, Cells,
    ),
    "rq": Metric(
        "RQ", "higher", "", True, "Recognition quality: F1 of the cells matched with IoU above 0.5",
        objects.recognition_quality, Cells,
    ),
    "seg": Metric(
        "SEG", "higher", "", True,
        "Mean over truth cells of the IoU with the predicted cell that covers more than half of them",
        objects.seg, Cells,
    ),
    "det": Metric(
        "DET", "higher", "", True,
        "1 minus the cost of correcting the detections (10 a missed cell, 5 a merged one, 1 an invented one) "
        "over that of drawing all again",
        objects.det, Cells,
    ),
    "splits": Metric(
        "Splits", "lower", "cells", True, "Truth cells that hold two or more predicted cells",
        objects.count_splits, Cells,
    ),
    "merges": Metric(
        "Merges", "lower", "cells", True, "Predicted cells that hold two or more truth cells",
        objects.count_merges, Cells,
    ),
    "count_error": Metric(
        "Count error", "lower", "cells", True, "Predicted minus true number of cells, without its sign",
        lambda c: abs(objects.count_bias(c)), Cells,
    ),
    "count_bias": Metric(
        "Count bias", "zero", "cells", True,
        "Predicted minus true number of cells: above zero too many are found, below too few",
        objects.count_bias, Cells,
    ),
    "area_error": Metric(
        "Area error", "lower", "", True,
        "Mean over the cells matched at IoU 0.5 of the difference in area, without its sign, over the true area",
        objects.area_error, Cells,
    ),
    "brier": Metric(
        "Brier score", "lower", "", False,
        "Mean over pixels of the squared difference between foreground probability and truth (0 or 1)",
        brier, Probabilities,
    ),
}  # fmt: skip
"""name → Metric. A new score is one entry here."""


def _compute(source: NamedTuple) -> dict[str, float]:
    return {name: metric.compute(source) for name, metric in METRICS.items() if metric.source is type(source)}


def pixel_scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Score the foreground of two masks (height, width), bool or labels, pixel by pixel.

    Besides the scores of `METRICS` gives pixels_tp, pixels_fp, pixels_fn and pixels_tn.

    >>> import numpy as np
    >>> scores = pixel_scores(np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 0]]))
    >>> scores["cell_iou"], scores["cell_precision"], scores["cell_recall"], scores["accuracy"]
    (0.5, 1.0, 0.5, 0.75)
    """
    counts = count_pixels(truth, predicted)
    return _compute(counts) | {f"pixels_{name}": value for name, value in counts._asdict().items()}


def boundary_scores(
    truth: np.ndarray, predicted: np.ndarray, pixel_size_um: float | None = None
) -> dict[str, float]:
    """Score the boundaries of the foreground of two masks (height, width), bool or labels.

    hd95_um is NaN where `pixel_size_um` is not given.

    >>> import numpy as np
    >>> truth, predicted = np.zeros((2, 9, 9), bool)
    >>> truth[3:6, 2:5] = predicted[3:6, 4:7] = True
    >>> boundary_scores(truth, predicted, pixel_size_um=0.5)["hd95_um"]
    1.0
    """
    scores = _compute(measure_surfaces(truth, predicted))
    scores["hd95_um"] *= float("nan") if pixel_size_um is None else pixel_size_um
    return scores


def instance_scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Score the cells of two label images (height, width; whole numbers, 0 is background).

    Besides the scores of `METRICS` gives what sums over frames, see `cell_scores`.

    >>> import numpy as np
    >>> scores = instance_scores(np.array([[1, 1, 0, 2, 2, 2]]), np.array([[7, 7, 0, 0, 0, 8]]))
    >>> scores["tp50"], scores["fp50"], scores["fn50"], round(scores["ap50"], 3)
    (1, 1, 1, 0.333)
    """
    return cell_scores(match_cells(truth, predicted))


def cell_scores(cells: Cells) -> dict[str, float]:
    """Score matched cells.

    Besides the scores of `METRICS` gives truth_cells, predicted_cells, det_cost (AOGM-D) and, for every
    threshold from 0.5 to 0.95, tp50, fp50, fn50 and so on: they sum over frames to the pooled scores.
    """
    counts = count_cells(cells)
    scores = {"truth_cells": counts.truth, "predicted_cells": counts.predicted}
    for threshold, tp in zip(IOU_THRESHOLDS, counts.tp.tolist(), strict=True):
        found = {"tp": tp, "fp": counts.predicted - tp, "fn": counts.truth - tp}
        scores |= {f"{name}{threshold * 100:.0f}": value for name, value in found.items()}
    return scores | {"det_cost": objects.det_cost(cells)} | _compute(counts) | _compute(cells)


def pooled_scores(counts: list[Counts]) -> dict[str, float]:
    """Score the cells of several frames as if they were of one, from `objects.count_cells` of each.

    NaN without a frame.
    """
    if not counts:
        return {name: float("nan") for name, metric in METRICS.items() if metric.source is PooledCounts}
    return _compute(objects.pool(counts))


def probability_scores(truth: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Score foreground probabilities (height, width; uint16 of 0..65,535 as stored) against a mask.

    >>> import numpy as np
    >>> stored = np.array([[0.8 * 65535, 0.4 * 65535]], np.uint16)
    >>> round(probability_scores(np.array([[1, 0]]), stored)["brier"], 3)
    0.1
    """
    return _compute(count_probabilities(truth, probability))
