"""Choose the watershed's parameters on validation frames: a coarse grid, then finer steps around the best setting."""

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from brightcell.errors import InputError
from brightcell.io.rasterize import outline_pixels
from brightcell.io.stacks import to_uint16
from brightcell.metrics import probabilities
from brightcell.metrics.matching import match_cells
from brightcell.metrics.registry import METRICS, cell_scores, pixel_scores

from . import labelling
from .distance import distance_to_background, smooth

logger = logging.getLogger("brightcell")

LISTS = {
    "threshold": "thresholds",
    "smoothing": "smoothing",
    "depth": "depth",
    "minimum_area": "minimum_area",
}
COLUMNS = ("threshold", "smoothing_px", "depth", "minimum_area_px", "value", "round")

Maps = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Truth labels, foreground, and the distance to the cell's edge or None; each (height, width)."""


class Size(NamedTuple):
    """The typical cell: medians over `cells` of the distance from middle to edge (px) and of the area (px)."""

    radius_px: float
    area_px: float
    cells: int


def typical_size(truths: Iterable[np.ndarray]) -> Size:
    """Measure the typical cell of label images (height, width), from cells that the border does not cut if there are any.

    Raises InputError if there is no cell.
    """
    measured = [_measure(labels) for labels in truths]
    radius, area, cut = (np.concatenate(parts) for parts in zip(*measured, strict=True))
    if not len(radius):
        raise InputError(
            f"no cell on the {len(measured)} validation frames, by which the watershed is calibrated. Expected cells in "
            "their masks: correct the masks, or the column split of the sheet."
        )
    chosen = ~cut if not cut.all() else cut
    return Size(float(np.median(radius[chosen])), float(np.median(area[chosen])), int(chosen.sum()))


def _measure(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return radius (px), area (px) and whether the border cuts it, for every cell."""
    inside = labels > 0
    distance = distance_to_background(inside & ~outline_pixels(labels)) + 1
    ids, cell = np.unique(labels[inside], return_inverse=True)
    radius = np.zeros(len(ids))
    np.maximum.at(radius, cell, distance[inside])
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return radius, np.bincount(cell, minlength=len(ids)), np.isin(ids, edges)


def in_pixels(setting: dict, size: Size, learned: bool) -> dict:
    """Convert a setting relative to the typical cell to keyword arguments of `labelling.label_cells`.

    threshold and depth stay; smoothing is a share of the radius, minimum_area one of the area. Without a `learned`
    distance the radius is an argument, too.
    """
    parameters = {
        "threshold": round(setting["threshold"], 4),
        "smoothing_px": round(setting["smoothing"] * size.radius_px, 2),
        "depth": round(setting["depth"], 4),
        "minimum_area_px": round(setting["minimum_area"] * size.area_px),
    }
    return parameters if learned else parameters | {"radius_px": round(size.radius_px, 2)}


def coarse(options: dict) -> list[dict]:
    """Return every combination of the config's `watershed` lists."""
    values = (sorted(options[name]) for name in LISTS.values())
    return [dict(zip(LISTS, each, strict=True)) for each in product(*values)]


def finer(best: dict, tried: Iterable[dict]) -> list[dict]:
    """Return the settings half way from the best one to the nearest values tried.

    Depth and least area, which need no new flood, are combined with everything; threshold and smoothing only with the
    best value of each other.
    """
    tried = list(tried)
    steps = {}
    for name in LISTS:
        values = sorted({setting[name] for setting in tried})
        at = values.index(best[name])
        beside = values[max(0, at - 1) : at] + values[at + 1 : at + 2]
        steps[name] = [best[name], *((best[name] + value) / 2 for value in beside)]
    floods = [(t, best["smoothing"]) for t in steps["threshold"]]
    floods += [(best["threshold"], s) for s in steps["smoothing"][1:]]
    found = [
        dict(zip(LISTS, (*flood, depth, area), strict=True))
        for flood, depth, area in product(floods, steps["depth"], steps["minimum_area"])
    ]
    return [setting for setting in found if setting not in tried]


class Calibration(NamedTuple):
    """The chosen keyword arguments of `labelling.label_cells`, their score, and all that was tried.

    `table` has `COLUMNS`, best setting first, the first tried of equal ones; `round` is 0 for the coarse grid.
    """

    parameters: dict
    value: float
    table: pd.DataFrame


def calibrate(
    frames: Callable[[], Iterable[Maps]], options: dict, size: Size, learned: bool = True
) -> Calibration:
    """Choose the setting with the best mean score over validation frames.

    Parameters
    ----------
    frames : callable
        Returns the frames again at each call; only one is kept in memory.
    options : dict
        The config's `watershed`: score, the lists of the coarse grid, and `refinements`, the number of times that
        the steps around the best setting are halved.
    size : Size
        The typical cell, see `typical_size`.
    learned : bool
        Whether markers come from the frames' distance, or else from the foreground alone.
    """
    tried: list[dict] = []
    rows: list[dict] = []
    best = 0
    for number in range(options["refinements"] + 1):
        settings = finer(tried[best], tried) if number else coarse(options)
        if not settings:
            break
        parameters = [in_pixels(setting, size, learned) for setting in settings]
        values = [
            score_settings(truth, foreground, distance if learned else None, parameters, options["score"])
            for truth, foreground, distance in frames()
        ]
        tried += settings
        for each, value in zip(parameters, np.mean(values, axis=0), strict=True):
            rows.append({**each, "value": float(value), "round": number})
        best = max(range(len(rows)), key=lambda index: rows[index]["value"])
    table = pd.DataFrame(rows)[list(COLUMNS)]
    table = table.sort_values("value", ascending=False, kind="stable", ignore_index=True)
    chosen = {name: value for name, value in rows[best].items() if name not in ("value", "round")}
    return Calibration(chosen, rows[best]["value"], table)


def calibrate_markers(frames: Callable[[], Iterable[Maps]], options: dict) -> tuple[dict, pd.DataFrame]:
    """Calibrate the watershed from the learned distance, where the network has one, and that from the foreground alone.

    frames, options : as `calibrate` takes them
    Returns what calibration.json tells, with the first of them as the choice, and the table of the settings tried for it.
    """
    distances = []

    def truths() -> Iterator[np.ndarray]:
        for truth, _, distance in frames():
            distances.append(distance is not None)
            yield truth

    size = typical_size(truths())
    logger.info("typical cell: %.1f px from middle to edge, %.0f px² (median of %d)", *size)
    found = {"learned": calibrate(frames, options, size)} if distances[0] else {}
    found["foreground"] = calibrate(frames, options, size, learned=False)
    for markers, each in found.items():
        logger.info(
            "markers from the %s: best of %d settings: %s (%s %.3f on %d frames)",
            "learned distance" if markers == "learned" else "foreground",
            *(len(each.table), each.parameters, options["score"], each.value, len(distances)),
        )
    markers, best = next(iter(found.items()))
    other = found["foreground"]
    told = {
        "parameters": best.parameters,
        "score": options["score"],
        "value": best.value,
        "frames": len(distances),
        "typical_cell": size._asdict(),
        "markers": markers,
        "foreground": {"parameters": other.parameters, "value": other.value},
        "pixels": pixel_threshold(frames()),
    }
    logger.info("pixels count as cell from %(threshold)g: %(score)s %(value).3f", told["pixels"])
    return told, best.table


def pixel_threshold(frames: Iterable[Maps]) -> dict:
    """Choose the foreground probability from which a pixel counts as cell in the scores of pixels and boundaries.

    Returns threshold (of `probabilities.THRESHOLDS`, the middle one of equal ones), score and value: the best mean cell IoU
    over the frames. The watershed's own threshold is chosen for cells, and is often another.
    """
    values = []
    for truth, foreground, _ in frames:
        counts = probabilities.count_probabilities(truth, to_uint16(foreground))
        pixels = [probabilities.at_threshold(counts, threshold) for threshold in probabilities.THRESHOLDS]
        values.append([METRICS["cell_iou"].compute(each) for each in pixels])
    means = np.mean(values, axis=0)
    best = np.flatnonzero(means >= means.max() - 1e-12)
    chosen = probabilities.THRESHOLDS[best[len(best) // 2]]
    return {"threshold": chosen, "score": "cell_iou", "value": float(means.max())}


def score_for(wanted: str, samples: pd.DataFrame) -> str:
    """Return the score to calibrate by: the one wanted, or cell_iou where masks of the samples do not part touching cells.

    >>> score_for("mean_ap", pd.DataFrame({"mask_type": ["instances", "binary"]}))
    'cell_iou'
    """
    if not METRICS[wanted].needs_instances or (samples["mask_type"] == "instances").all():
        return wanted
    logger.info("score: cell_iou in place of %s, because the masks do not tell touching cells apart", wanted)
    return "cell_iou"


def score_settings(
    truth: np.ndarray,
    foreground: np.ndarray,
    distance: np.ndarray | None,
    parameters: list[dict],
    score: str,
) -> list[float]:
    """Score the cells of one frame for each set of keyword arguments of `labelling.label_cells`.

    Each height map is flooded once, and identical cells are scored once.
    """
    values = [np.nan] * len(parameters)
    for members in _equal(parameters, "threshold"):
        masks: dict[int, tuple[np.ndarray, list[labelling.Hole], list[int]]] = {}
        for area in sorted({parameters[index]["minimum_area_px"] for index in members}):
            mask, holes = labelling.find_foreground(foreground, parameters[members[0]]["threshold"], area)
            masks.setdefault(int(mask.sum()), (mask, holes, []))[2].extend(
                index for index in members if parameters[index]["minimum_area_px"] == area
            )
        for mask, holes, same in masks.values():
            flat = labelling.height_map(mask, distance, 0, parameters[members[0]].get("radius_px"), 0)
            for flooded in _equal([parameters[index] for index in same], "smoothing_px"):
                chosen = [same[index] for index in flooded]
                height = smooth(flat, parameters[chosen[0]]["smoothing_px"])
                floods, known = list(labelling.flood(mask, height)), {}
                for index in chosen:
                    least = parameters[index]["depth"], parameters[index]["minimum_area_px"]
                    key = tuple(basins.merge(*least).tobytes() for _, basins in floods)
                    if key not in known:
                        labels = labelling.draw_cells(mask.shape, floods, holes, *least)
                        known[key] = frame_score(truth, labels, score)
                    values[index] = known[key]
    return values


def _equal(parameters: list[dict], name: str) -> Iterator[list[int]]:
    """Yield the positions of the parameters with the same value of `name`, value by value."""
    for value in dict.fromkeys(each[name] for each in parameters):
        yield [index for index, each in enumerate(parameters) if each[name] == value]


def frame_score(truth: np.ndarray, labels: np.ndarray, score: str) -> float:
    """Score one frame: by an instance score if `score` is one, else by a pixel score."""
    if METRICS[score].needs_instances:
        return cell_scores(match_cells(truth, labels))[score]
    return pixel_scores(truth, labels)[score]
