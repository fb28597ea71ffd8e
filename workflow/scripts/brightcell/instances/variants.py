"""Score the cells that the study's and the calibrated watersheds find in the same maps."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from brightcell.io.stacks import Maps
from brightcell.metrics.matching import match_cells
from brightcell.metrics.registry import cell_scores

from .labelling import label_cells
from .published import label_cells_published

VARIANTS = {
    "published": "the study's watershed",
    "foreground": "calibrated, from the foreground alone",
    "learned": "calibrated, markers from the learned distance",
}
SCORES = ("ap50", "ap70", "mean_ap", "seg", "splits", "merges")
FRAME_COLUMNS = ("sample", "group", "variant", *SCORES, "truth_cells", "predicted_cells")


def score_watersheds(
    truth: Mapping[str, np.ndarray],
    predicted: Mapping[str, np.ndarray],
    maps: Mapping[str, Maps],
    samples: pd.DataFrame,
    calibration: dict,
) -> pd.DataFrame:
    """Score the cells of every test frame that each watershed finds in the same foreground.

    Parameters
    ----------
    truth, predicted : label images (height, width) by sample
        `predicted` are the cells of the calibrated watershed.
    maps : Maps by sample
        Of the network; only the foreground is used.
    samples : DataFrame
        Columns sample, group, mask_type; frames whose masks do not number cells are left out.
    calibration : dict
        calibration.json: the markers of `predicted`, and the parameters for the foreground alone.

    Returns
    -------
    DataFrame
        `FRAME_COLUMNS`, one row per frame and variant.
    """
    rows = []
    numbered = samples[samples["mask_type"] == "instances"].set_index("sample")["group"]
    for sample in predicted:
        if sample not in numbered:
            continue
        probability = maps[sample].foreground
        labels = {"published": label_cells_published(probability), calibration["markers"]: predicted[sample]}
        if "foreground" not in labels:
            labels["foreground"] = label_cells(probability, **calibration["foreground"]["parameters"])
        for variant in VARIANTS:
            if variant in labels:
                scores = cell_scores(match_cells(truth[sample], labels[variant]))
                rows.append({"sample": sample, "group": numbered[sample], "variant": variant} | scores)
    return pd.DataFrame(rows, columns=list(FRAME_COLUMNS))
