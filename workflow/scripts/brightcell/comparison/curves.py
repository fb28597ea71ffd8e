"""Average over groups what the networks' probabilities are worth: threshold curves and reliability."""

import numpy as np
import pandas as pd

from brightcell.metrics.matching import Pixels
from brightcell.metrics.registry import METRICS

from .averaging import average_groups

CURVE_SCORES = ("cell_iou", "cell_dice", "cell_precision", "cell_recall")
CURVE_COLUMNS = ["scheme", "network", "threshold", *CURVE_SCORES]
RELIABILITY_COLUMNS = ["scheme", "network", "bin_low", "bin_high", "pixels", "probability", "cell_share"]


def pixels_of(table: pd.DataFrame) -> list[Pixels]:
    """Read the counts pixels_tp, pixels_fp, pixels_fn and pixels_tn of every row."""
    columns = [table[f"pixels_{name}"] for name in Pixels._fields]
    return [Pixels(*counts) for counts in zip(*columns, strict=True)]


def average_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of pixels at every threshold, averaged as `comparison.summarise` averages.

    `curves` has a row a test frame and threshold: scheme, network, fold, seed, sample, group, threshold
    and the counts of pixels. Scores are taken frame by frame, averaged over seeds, then over the frames of a group,
    then over groups.
    """
    keys = ["scheme", "network", "threshold"]
    counts = pixels_of(curves)
    scored = curves[[*keys, "group", "sample"]].assign(
        **{name: [METRICS[name].compute(count) for count in counts] for name in CURVE_SCORES}
    )
    return average_groups(scored, CURVE_SCORES, keys)[CURVE_COLUMNS]


def average_reliability(reliability: pd.DataFrame) -> pd.DataFrame:
    """Return mean probability and share of cell pixels in every bin of probability.

    `reliability` has a row a training, group and bin: scheme, network, bin_low, bin_high, pixels,
    probability, cell_share. Pixels of all groups, folds and seeds are pooled, because a group has few
    pixels in the middle bins; an empty bin has NaN.
    """
    keys = ["scheme", "network", "bin_low", "bin_high"]
    of_pixels = reliability[["probability", "cell_share"]].mul(reliability["pixels"], axis=0).fillna(0)
    summed = pd.concat([reliability[[*keys, "pixels"]], of_pixels], axis=1)
    summed = summed.groupby(keys, sort=False, as_index=False).sum()
    for name in ("probability", "cell_share"):
        summed[name] = summed[name] / summed["pixels"].replace(0, np.nan)
    return summed[RELIABILITY_COLUMNS]
