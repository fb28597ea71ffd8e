"""Choose the watershed's parameters on validation frames."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd

from . import instances, metrics


def settings_to_try(options: dict) -> Iterator[dict]:
    """Yield every combination of the config's `watershed` lists as keyword arguments of `label_cells`."""
    keys = {"threshold": "thresholds"} | {key: key for key in ("smoothing_px", "depth", "minimum_area_px")}
    for values in product(*(options[key] for key in keys.values())):
        yield dict(zip(keys, values, strict=True))


def frame_score(truth: np.ndarray, labels: np.ndarray, score: str) -> float:
    """Score one frame: an instance score where `score` is one, else a pixel score."""
    if score in ("cell_iou", "cell_dice"):
        return metrics.pixel_scores(truth > 0, labels > 0)[score]
    return metrics.instance_scores(truth, labels)[score]


def calibrate(frames: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]], options: dict) -> pd.DataFrame:
    """Try every setting on (truth labels, foreground, distance or None) of validation frames.

    Returns a row a setting: threshold, smoothing_px, depth, minimum_area_px and `value`, the mean of
    `options["score"]` over frames; the best row first, of equal ones the first tried.
    """
    rows = []
    for setting in settings_to_try(options):
        values = [
            frame_score(truth, instances.label_cells(foreground, distance, **setting), options["score"])
            for truth, foreground, distance in frames
        ]
        rows.append({**setting, "value": float(np.nanmean(values))})
    table = pd.DataFrame(rows)
    return table.sort_values("value", ascending=False, kind="stable", ignore_index=True)
