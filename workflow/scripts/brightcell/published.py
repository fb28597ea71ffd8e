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
from .matching import Pixels, count_pixels
from .metrics import METRICS

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


def confusion_row(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Give the row of the confusion table of two masks (height, width), bool or labels.

    >>> import numpy as np
    >>> confusion_row(np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 0]]))
    {'TPbg': 0.5, 'FNcell': 0.25, 'FPcell': 0.0, 'TPcell': 0.25}
    """
    pixels = count_pixels(truth, predicted)
    shares = (pixels.tn, pixels.fn, pixels.fp, pixels.tp)
    return {name: share / sum(pixels) for name, share in zip(CONFUSION_COLUMNS, shares, strict=True)}


def score_images(confusion: pd.DataFrame) -> pd.DataFrame:
    """Give the scores of `metrics` of every image of a confusion table; positive is cell."""
    columns = [confusion[name] for name in ("TPcell", "FPcell", "FNcell", "TPbg")]
    images = [Pixels(*values) for values in zip(*columns, strict=True)]
    return pd.DataFrame({name: [METRICS[name].compute(image) for image in images] for name in SCORES})


def invert(confusion: pd.DataFrame) -> pd.DataFrame:
    """Swap cell and background in a confusion table, as the study did before scoring."""
    swapped = {"TPbg": "TPcell", "FNcell": "FPcell", "FPcell": "FNcell", "TPcell": "TPbg"}
    return confusion[list(CONFUSION_COLUMNS)].rename(columns=swapped)


def rename(scores: pd.DataFrame) -> pd.DataFrame:
    """Call the scores of the inverted masks by the study's names, which swap precision and recall."""
    names = {
        "cell_iou": "iou",
        "cell_dice": "dice",
        "cell_precision": "recall",
        "cell_recall": "precision",
        "accuracy": "accuracy",
    }
    return scores[list(names)].rename(columns=names)


def running_mean(scores: pd.DataFrame) -> pd.Series:
    """Average over the running list: the scores so far are appended again after every image.

    Image i of n (from 0) stands in it n - i times.

    >>> running_mean(pd.DataFrame({"iou": [0.9, 0.6]})).round(3).to_dict()
    {'iou': 0.8}
    """
    weights = np.arange(len(scores), 0, -1)
    return scores.mul(weights, axis=0).sum() / weights.sum()


def summarise(confusion: pd.DataFrame) -> dict[str, float]:
    """Give the study's figures (`published_` …) and the plain means over images of a confusion table.

    published_iou, published_dice, published_recall, published_precision and published_accuracy are those
    of the paper's tables: background IoU, background Dice, background precision, cell specificity and
    accuracy, averaged over the running list. The other scores bear the names of `metrics` and weight every
    image alike. all_background_accuracy is what a prediction without any cell would reach in accuracy;
    its published IoU is the same.
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
