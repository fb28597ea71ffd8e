"""Score predicted labels against the truth: pixels, boundaries, cells.

Every score is one entry of `METRICS`; the tables, the comparison and the report follow from it.

Empty frames, the same for all scores of a frame: with nothing in the truth and nothing predicted the
prediction is perfect (1); with nothing in one of them alone it is worthless (0). Distances to a
boundary that does not exist are NaN, so read the Hausdorff distance beside the surface Dice, which
is 0 there.

References
----------
AP, one-to-one matching: Schmidt et al. 2018, arXiv 1806.03535. PQ, SQ, RQ: Kirillov et al. 2019,
arXiv 1801.00868. SEG: Ulman et al. 2017, doi 10.1038/nmeth.4473. Surface Dice: Nikolov et al. 2018,
arXiv 1809.04430.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from .errors import InputError
from .matching import Cells, Pixels, Surfaces, check_shapes, count_pixels, match_cells, measure_surfaces

IOU_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))
SPLIT_SHARE = 0.1
HEADLINE = ("cell_iou", "cell_dice", "ap50", "seg")


def share(part: float, whole: float, empty: bool = False) -> float:
    """Divide; 0 / 0 is 1 where both images are `empty` and 0 elsewhere."""
    return float(part / whole) if whole else float(empty)


def _empty(cells: Cells) -> bool:
    return not len(cells.truth_ids) and not len(cells.predicted_ids)


def average_precision(cells: Cells, threshold: float) -> float:
    """TP / (TP + FP + FN) of cells whose IoU reaches the threshold."""
    tp = len(cells.matched(threshold))
    return share(tp, len(cells.truth_ids) + len(cells.predicted_ids) - tp, _empty(cells))


def panoptic_quality(cells: Cells) -> float:
    """PQ: the sum of the IoU of matched cells (IoU ≥ 0.5) over TP + FP / 2 + FN / 2."""
    found = len(cells.truth_ids) + len(cells.predicted_ids)
    return share(2 * cells.matched(0.5).sum(), found, _empty(cells))


def detection_f1(cells: Cells) -> float:
    """F1 of detection, 2 TP / (2 TP + FP + FN), at IoU 0.5; the RQ of panoptic quality."""
    found = len(cells.truth_ids) + len(cells.predicted_ids)
    return share(2 * len(cells.matched(0.5)), found, _empty(cells))


def seg(cells: Cells) -> float:
    """SEG of the Cell Tracking Challenge: mean over truth cells of the IoU with their cover.

    The cover is the predicted cell that holds more than half of the truth cell; without one the cell
    counts 0. Predicted cells beyond these cost nothing.
    """
    covers = cells.overlap * 2 > cells.truth_areas[cells.row]
    return share(cells.iou[covers].sum(), len(cells.truth_ids), _empty(cells))


def count_splits(cells: Cells) -> int:
    """Count the truth cells that were split.

    Split is a truth cell with two or more predicted cells that lie in it with more than half of their
    own area and cover more than a tenth of it each.
    """
    parts = (cells.overlap * 2 > cells.predicted_areas[cells.column]) & (
        cells.overlap > SPLIT_SHARE * cells.truth_areas[cells.row]
    )
    return int((np.bincount(cells.row[parts]) > 1).sum())


def count_merges(cells: Cells) -> int:
    """Count the predicted cells that merge two or more truth cells: `count_splits` with roles swapped."""
    parts = (cells.overlap * 2 > cells.truth_areas[cells.row]) & (
        cells.overlap > SPLIT_SHARE * cells.predicted_areas[cells.column]
    )
    return int((np.bincount(cells.column[parts]) > 1).sum())


def hausdorff95(surfaces: Surfaces) -> float:
    """Larger of the two directed 95th percentiles of distance (px); NaN where a boundary is missing."""
    if not len(surfaces.from_truth) or not len(surfaces.from_predicted):
        return float("nan")
    return float(max(np.percentile(distances, 95) for distances in surfaces))


def surface_dice(surfaces: Surfaces, tolerance_px: float) -> float:
    """Share of the pixels of both boundaries that lie within the tolerance of the other boundary.

    Nikolov et al. 2018, with one unit of length for every boundary pixel.
    """
    distances = np.concatenate(surfaces)
    return share(np.count_nonzero(distances <= tolerance_px), len(distances), empty=True)


class Metric(NamedTuple):
    """One score: how to call it, which way is better, and how to compute it from `source`."""

    title: str
    better: str
    unit: str
    needs_instances: bool
    description: str
    compute: Callable[..., float]
    source: type


def _ap(percent: int) -> Metric:
    description = f"TP / (TP + FP + FN) of cells matched one to one with IoU of at least {percent / 100:g}"
    title = f"AP at IoU {percent / 100:g}"
    return Metric(
        title, "higher", "", True, description, lambda c: average_precision(c, percent / 100), Cells
    )


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
        "95th percentile of the distance between the boundaries of the foreground, larger direction",
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
        lambda c: float(np.mean([average_precision(c, threshold) for threshold in IOU_THRESHOLDS])), Cells,
    ),
    "f1_50": Metric(
        "F1 at IoU 0.5", "higher", "", True, "2 TP / (2 TP + FP + FN) of cells matched one to one",
        detection_f1, Cells,
    ),
    "pq": Metric(
        "PQ", "higher", "", True, "Panoptic quality: SQ times RQ", panoptic_quality, Cells,
    ),
    "sq": Metric(
        "SQ", "higher", "", True, "Segmentation quality: mean IoU of the cells matched at IoU 0.5",
        lambda c: share(c.matched(0.5).sum(), len(c.matched(0.5)), _empty(c)), Cells,
    ),
    "rq": Metric(
        "RQ", "higher", "", True, "Recognition quality: F1 at IoU 0.5", detection_f1, Cells,
    ),
    "seg": Metric(
        "SEG", "higher", "", True,
        "Mean over truth cells of the IoU with the predicted cell that covers more than half of them",
        seg, Cells,
    ),
    "splits": Metric(
        "Splits", "lower", "cells", True, "Truth cells that hold two or more predicted cells",
        count_splits, Cells,
    ),
    "merges": Metric(
        "Merges", "lower", "cells", True, "Predicted cells that hold two or more truth cells",
        count_merges, Cells,
    ),
    "count_error": Metric(
        "Count error", "lower", "cells", True, "Predicted minus true number of cells, without its sign",
        lambda c: abs(len(c.predicted_ids) - len(c.truth_ids)), Cells,
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

    Besides the scores of `METRICS` gives truth_cells, predicted_cells, tp50, fp50 and fn50, which sum
    over frames to the pooled AP.

    >>> import numpy as np
    >>> scores = instance_scores(np.array([[1, 1, 0, 2, 2, 2]]), np.array([[7, 7, 0, 0, 0, 8]]))
    >>> scores["tp50"], scores["fp50"], scores["fn50"], round(scores["ap50"], 3)
    (1, 1, 1, 0.333)
    """
    return _score_cells(match_cells(truth, predicted))


def _score_cells(cells: Cells) -> dict[str, float]:
    tp = len(cells.matched(0.5))
    truth, predicted = len(cells.truth_ids), len(cells.predicted_ids)
    counts = {"truth_cells": truth, "predicted_cells": predicted}
    counts |= {"tp50": tp, "fp50": predicted - tp, "fn50": truth - tp}
    return counts | _compute(cells)


MATCH_COLUMNS = ("truth", "predicted", "iou", "truth_area_px", "predicted_area_px")


def cell_matches(truth: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """List one row a truth cell with its partner, then one row a predicted cell without partner.

    Columns truth and predicted (ids), iou, truth_area_px, predicted_area_px; 0 where there is no
    partner. Partners may overlap by less than half; see `match_cells`.
    """
    return _list_cells(match_cells(truth, predicted))


def _list_cells(cells: Cells) -> pd.DataFrame:
    row, column = cells.row[cells.partners], cells.column[cells.partners]
    lone = np.setdiff1d(np.arange(len(cells.predicted_ids)), column)
    size = len(cells.truth_ids)
    table = {name: np.zeros(size + len(lone), float if name == "iou" else int) for name in MATCH_COLUMNS}
    table["truth"][:size], table["truth_area_px"][:size] = cells.truth_ids, cells.truth_areas
    table["iou"][row] = cells.iou[cells.partners]
    for name, values in (("predicted", cells.predicted_ids), ("predicted_area_px", cells.predicted_areas)):
        table[name][row], table[name][size:] = values[column], values[lone]
    return pd.DataFrame(table)


def score_frames(
    truth: dict[str, np.ndarray], predicted: dict[str, np.ndarray], samples: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every predicted frame; give one row a frame and one row a cell (`cell_matches`).

    `truth` and `predicted` are label images (height, width) by sample; `samples` has the columns
    sample and group, and where known mask_type (frames other than `instances` get NaN for the scores
    of cells, and no rows of cells) and pixel_size_um.

    Raises InputError where a predicted frame has no truth, no row or another size.
    """
    rows = samples.set_index("sample")
    frames, matches = [], []
    for sample, labels in predicted.items():
        if sample not in truth or sample not in rows.index:
            raise InputError(
                f"sample {sample}: predicted, but without a prepared mask. Expected a sample of the sheet: "
                "remove the results of this data set and run again."
            )
        try:
            check_shapes(truth[sample], labels)
        except InputError as error:
            raise InputError(f"sample {sample}: {error}") from None
        names = {"sample": sample, "group": rows.at[sample, "group"]}
        size = rows.at[sample, "pixel_size_um"] if "pixel_size_um" in rows else None
        size = None if size is None or pd.isna(size) else float(size)
        instances = "mask_type" not in rows or rows.at[sample, "mask_type"] == "instances"
        cells = match_cells(truth[sample], labels)
        scores = _score_cells(cells)
        if instances:
            table = _list_cells(cells)
            table.insert(0, "sample", sample)
            table.insert(1, "group", names["group"])
            matches.append(table)
        else:
            scores = dict.fromkeys(scores, float("nan"))
        frames.append(
            names
            | pixel_scores(truth[sample], labels)
            | boundary_scores(truth[sample], labels, size)
            | scores
        )
    cells = [table for table in matches if len(table)]
    empty = pd.DataFrame(columns=["sample", "group", *MATCH_COLUMNS])
    return pd.DataFrame(frames), pd.concat(cells, ignore_index=True) if cells else empty
