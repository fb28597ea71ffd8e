"""The watersheds that are compared: the study's and the calibrated ones, on the same maps."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from brightcell.metrics.matching import match_cells
from brightcell.metrics.registry import cell_scores

from .labelling import label_cells
from .published import label_cells_published

VARIANTS = {
    "published": "the study's watershed",
    "foreground": "calibrated, from the foreground alone",
    "learned": "calibrated, with the learned distance",
}
OTHERS = ("published", "foreground")  # those whose labels lie beside the stack that counts
SCORES = ("ap50", "ap70", "mean_ap", "seg", "splits", "merges")
FRAME_COLUMNS = ("sample", "group", "variant", *SCORES, "truth_cells", "predicted_cells")


def other_watersheds(foreground: np.ndarray, labels: np.ndarray, calibration: dict) -> dict[str, np.ndarray]:
    """Return what the study's watershed and that from the foreground alone find in a frame, by the names in OTHERS.

    foreground : float (height, width), the network's probability
    labels : int32 (height, width), the cells of the calibrated watershed
    calibration : calibration.json: the markers of `labels`, and the parameters for the foreground alone
    """
    if calibration["markers"] == "foreground":
        alone = labels
    else:
        alone = label_cells(foreground, **calibration["foreground"]["parameters"])
    return dict(zip(OTHERS, (label_cells_published(foreground), alone), strict=True))


def score_watersheds(
    truth: Mapping[str, np.ndarray],
    found: Mapping[str, Mapping[str, np.ndarray]],
    samples: pd.DataFrame,
) -> pd.DataFrame:
    """Score the cells of every test frame that each watershed found.

    Parameters
    ----------
    truth
        Label images (height, width) by sample.
    found
        The same of each variant, by its name in VARIANTS.
    samples : DataFrame
        Columns sample, group, mask_type; frames whose masks do not number cells are left out.

    Returns
    -------
    DataFrame
        `FRAME_COLUMNS`, one row per frame and variant.
    """
    numbered = samples[samples["mask_type"] == "instances"]
    rows = [
        {"sample": sample, "group": group, "variant": variant}
        | cell_scores(match_cells(truth[sample], found[variant][sample]))
        for sample, group in zip(numbered["sample"], numbered["group"], strict=True)
        for variant in VARIANTS
        if variant in found
    ]
    return pd.DataFrame(rows, columns=list(FRAME_COLUMNS))
