"""Compute the figures of Ghaznavi et al. 2022 as the study did, and as they should have been.

Ghaznavi, Rychtáriková, Saberioon, Štys 2022, doi 10.1016/j.compbiomed.2022.105805. Truth and prediction
were inverted before scoring, so that its positive class is the background; its mean is one over a
running list, which counts the first test image as often as there are images and the last one once.

A *confusion table* has a row a test image, in the order of the test, and the columns TPbg, FNcell, FPcell
and TPcell: the shares of the image's pixels that are background found, cell missed, cell invented and
cell found.
"""

import numpy as np
import pandas as pd

from .errors import InputError
from .metrics.matching import Pixels, count_pixels
from .metrics.registry import METRICS

THRESHOLD = 0.55  # of the foreground probability, above which the study counted a pixel as cell
CONFUSION_COLUMNS = ("TPbg", "FNcell", "FPcell", "TPcell")
SCORES = (
    "cell_iou",
    "cell_dice",
    "cell_precision",
    "cell_recall",
    "cell_specificity",
    "accuracy",
    "background_iou",
    "mean_iou",
)
FIGURES = ("iou", "dice", "recall", "precision", "accuracy")
TABLE_COLUMNS = [
    *("scheme", "network", "frames"),
    *(f"published_{name}" for name in FIGURES),
    *("cell_iou", "cell_dice", "cell_recall", "cell_precision", "background_iou", "mean_iou", "accuracy"),
    "all_background_accuracy",
]
EXPLANATION = (
    "Both readings come from the same predictions, cut at a probability of 0.55. The study swapped cell and background before "
    "it scored: its positive class is the background, which fills most of a frame and is easy to find, so that "
    "a prediction without a single cell already reaches the share of the background, in its IoU as in its accuracy. By "
    "the swap its recall is the precision of the background, and its precision the share of background that "
    "was left alone. Its means run over a list to which all scores so far are appended after every frame, so that the "
    "first frame counts as often as there are frames and the last one once. The reading by cells takes cells as "
    "positive and counts every frame once; a missed or invented cell weighs in it as it should. What the "
    "study did to its test frames before predicting them cannot be repeated here: it put them through the random "
    "augmentation of the training, warped their masks so that cells grew by some 6 %, and drew them from the "
    "time-lapses that it trained on. Where the scheme random is configured, it shows what the last of these does."
)
"""Why the study's figures and those of the cells differ: one paragraph of plain text."""


def confusion_row(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the row of the confusion table for two masks (height, width), bool or labels.

    >>> import numpy as np
    >>> confusion_row(np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 0]]))
    {'TPbg': 0.5, 'FNcell': 0.25, 'FPcell': 0.0, 'TPcell': 0.25}
    """
    pixels = count_pixels(truth, predicted)
    shares = (pixels.tn, pixels.fn, pixels.fp, pixels.tp)
    return {name: share / sum(pixels) for name, share in zip(CONFUSION_COLUMNS, shares, strict=True)}


def confusion_table(curves: pd.DataFrame, threshold: float = THRESHOLD) -> pd.DataFrame:
    """Return the confusion table of frames at a threshold, in the order of the rows.

    `curves` has one row per frame and threshold: threshold, pixels_tp, pixels_fp, pixels_fn, pixels_tn, with
    cells as positives. Its other columns are kept.
    """
    at = curves[np.isclose(curves["threshold"], threshold)].reset_index(drop=True)
    if len(curves) and not len(at):
        found = ", ".join(f"{value:g}" for value in sorted(curves["threshold"].unique()))
        raise InputError(
            f"threshold curves with the thresholds {found}. Expected {threshold:g} among them, the study's: "
            "remove the results of this data set and run again."
        )
    counts = at[[f"pixels_{name}" for name in ("tn", "fn", "fp", "tp")]]
    shares = counts.div(counts.sum(axis=1), axis=0).set_axis(list(CONFUSION_COLUMNS), axis=1)
    return pd.concat([at.drop(columns=counts.columns), shares], axis=1)


def score_images(confusion: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of `metrics` for every image of a confusion table; cells are the positives."""
    columns = [confusion[name] for name in ("TPcell", "FPcell", "FNcell", "TPbg")]
    images = [Pixels(*values) for values in zip(*columns, strict=True)]
    return pd.DataFrame({name: [METRICS[name].compute(image) for image in images] for name in SCORES})


def invert(confusion: pd.DataFrame) -> pd.DataFrame:
    """Swap cell and background in a confusion table, as the study did before scoring."""
    swapped = {"TPbg": "TPcell", "FNcell": "FPcell", "FPcell": "FNcell", "TPcell": "TPbg"}
    return confusion[list(CONFUSION_COLUMNS)].rename(columns=swapped)


def rename(scores: pd.DataFrame) -> pd.DataFrame:
    """Rename the scores of the inverted masks as the study did, with precision and recall swapped."""
    names = {
        "cell_iou": "iou",
        "cell_dice": "dice",
        "cell_precision": "recall",
        "cell_recall": "precision",
        "accuracy": "accuracy",
    }
    return scores[list(names)].rename(columns=names)


def running_mean(scores: pd.DataFrame) -> pd.Series:
    """Average over the running list, to which all scores so far are appended again after every image.

    Image i of n (from 0) is in the list n - i times.

    >>> running_mean(pd.DataFrame({"iou": [0.9, 0.6]})).round(3).to_dict()
    {'iou': 0.8}
    """
    weights = np.arange(len(scores), 0, -1)
    return scores.mul(weights, axis=0).sum() / weights.sum()


def summarise(confusion: pd.DataFrame) -> dict[str, float]:
    """Return the study's figures (`published_` …) and the plain means over the images of a confusion table.

    published_iou, published_dice, published_recall, published_precision and published_accuracy are those
    of the paper's tables: background IoU, background Dice, background precision, cell specificity and
    accuracy, averaged over the running list. The other scores have the names of `metrics` and weight all
    images equally. all_background_accuracy is the accuracy of a prediction without any cell, which is also
    its published IoU.
    """
    missing = [name for name in CONFUSION_COLUMNS if name not in confusion]
    if missing or not len(confusion):
        raise InputError(
            f"confusion table with the columns {', '.join(map(str, confusion.columns))} and "
            f"{len(confusion)} rows. Expected {', '.join(CONFUSION_COLUMNS)} and a row a test image: compute it by `confusion_row`."
        )
    published = running_mean(rename(score_images(invert(confusion)))).add_prefix("published_")
    plain = score_images(confusion).mean()
    background = (confusion["TPbg"] + confusion["FPcell"]).mean()
    figures = published.to_dict() | plain.to_dict() | {"all_background_accuracy": background}
    return {name: float(value) for name, value in figures.items()}


def compare_protocols(curves: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Score the same predictions by the study's protocol and with cells as positives.

    Every seed counts as one study: `summarise` takes its test frames of all folds in the order of the sample
    sheet; the figures are then averaged over seeds.

    Parameters
    ----------
    curves
        One row per test frame and threshold: scheme, network, fold, seed, sample, threshold and the counts of
        pixels.
    order
        All samples in the order of the sheet, by which the running list weights them.

    Returns
    -------
    DataFrame
        One row per scheme and network, with the columns TABLE_COLUMNS.
    """
    table = confusion_table(curves)
    rank = {sample: number for number, sample in enumerate(order)}
    table = table.assign(rank=table["sample"].map(rank)).sort_values(["rank", "fold"], kind="stable")
    rows = []
    for (scheme, network), trained in table.groupby(["scheme", "network"], sort=False):
        studies = pd.DataFrame([summarise(study) for _, study in trained.groupby("seed")])
        names = {"scheme": scheme, "network": network, "frames": trained["sample"].nunique()}
        rows.append(names | studies.mean().to_dict())
    made = pd.DataFrame(rows, columns=TABLE_COLUMNS)
    first = curves[["scheme", "network"]].drop_duplicates()
    return first.merge(made, on=["scheme", "network"])[TABLE_COLUMNS] if len(made) else made
