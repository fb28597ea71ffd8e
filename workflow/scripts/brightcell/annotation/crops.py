"""Choose which crops of segmented recordings to draw: doubtful, unlike the training, and spread over what there is.

A crop is a square of several cell diameters. Three things make it worth drawing, each as its rank among all crops: the
networks doubt what is cell, borders between its cells are doubtful, or it is unlike the frames of the training. Of crops that
look the same or lie close together in time, one is enough.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from brightcell.recordings import quality, shifts

REASONS = ("doubt", "ridge", "unlike")
LOOKS = ("area_px", "intensity_mean", "contrast", "density", "doubt")
BEST_OF_FRAME = 4  # crops that a frame may offer
MOST = 20_000  # crops among which is chosen; more have the less worth
CLOSE = 1 / 8  # of a recording's length: crops that are this far apart count as apart in time
LEAST_SIDE_PX = 32
UNKNOWN_PX = 28.0  # diameter of cells in the networks' frames, if nothing says otherwise
COMPARED = ("intensity_mean", "contrast", "sharpness")


class Recording(NamedTuple):
    """A segmented recording: frames.tsv, cells.tsv, quality.tsv, and the doubt of each sample (`segmentation.doubt_map`)."""

    frames: pd.DataFrame
    cells: pd.DataFrame
    judged: pd.DataFrame
    doubt: Mapping[str, np.ndarray]


def candidates(
    name: str, recording: Recording, diameters: float, reference: dict | None, left_out: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the crops of a recording among which is chosen.

    Parameters
    ----------
    name : of the recording
    diameters : side of a crop, in diameters of the recording's typical cell
    reference : of the training, as `quality.training_data` gives it; None if unknown
    left_out : samples that are not to be drawn, because they have masks

    Returns
    -------
    pandas.DataFrame
        One row per crop: recording, sample, frame, top_px, left_px, height, width, cells, doubt (mean over its pixels, 0 to
        1), ridge (mean over its cells), unlike (0: as in the training), area_px (mean of its cells), density (cells per
        px), intensity_mean and contrast of the frame. Frames without a picture, and those out of focus for a moment, have
        none.
    """
    frames = recording.frames.reset_index(drop=True)
    usable = ~(spoilt(recording.judged) | (frames["contrast"] <= quality.FLAT)).to_numpy()
    usable &= ~frames["sample"].isin(list(left_out)).to_numpy()
    diameter = typical_diameter(recording, reference)
    side = max(LEAST_SIDE_PX, round(diameters * diameter))
    of_sample = dict(list(recording.cells.groupby("sample")))
    parts = []
    for frame in frames[usable].to_dict("records"):
        sample = frame["sample"]
        cells = of_sample.get(sample, recording.cells[:0])
        found = _of_frame(frame, cells, recording.doubt[sample] / 255, side, diameter / 2, reference)
        parts.append(found.assign(recording=name, sample=sample, frame=int(frame["frame"])))
    if not parts:
        return pd.DataFrame(columns=["recording", "sample", "frame", *COLUMNS])
    return pd.concat(parts, ignore_index=True)


COLUMNS = ("top_px", "left_px", "height", "width", "cells", *REASONS, *LOOKS[:-1])


def spoilt(judged: pd.DataFrame) -> pd.Series:
    """Return which frames are far less sharp than their neighbours; bool. judged : quality.tsv"""
    usual = quality.expect(judged["sharpness"], quality.NEIGHBOURS)
    least = quality.STEADY["sharpness"][1] * np.abs(usual)
    far = quality.outliers(judged["sharpness"], usual, least)
    return pd.Series(far & (judged["sharpness"].to_numpy() < usual))


def typical_diameter(recording: Recording, reference: dict | None) -> float:
    """Return the diameter in px of a typical cell of a recording; without any cells that of the training's cells."""
    if len(recording.cells):
        return shifts.typical_diameter(recording.cells["area_px"])
    areas = (reference or {}).get("cell_area_px")
    working = shifts.typical_diameter(np.array(areas)) if areas else UNKNOWN_PX
    return float(working / recording.frames["scale"].median())


def _of_frame(
    frame: dict,
    cells: pd.DataFrame,
    doubt: np.ndarray,
    side: int,
    radius: float,
    reference: dict | None,
) -> pd.DataFrame:
    """Return the crops of a frame in steps of half a side; doubt : mean over squares, 0 to 1.

    radius : of a typical cell; cells count whose centres lie at most so far outside, because a part of them is in the crop
    """
    (tops, height), (lefts, width) = (_starts(frame[name], side) for name in ("height", "width"))
    rows = _within(cells["row_px"].to_numpy(), tops - radius, height + 2 * radius)
    columns = _within(cells["column_px"].to_numpy(), lefts - radius, width + 2 * radius)
    number, ridge, area = (
        (rows * values) @ columns.T
        for values in (np.ones(len(cells)), cells["ridge"].to_numpy(), cells["area_px"].to_numpy())
    )
    places = [
        _within((np.arange(squares) + 0.5) * frame[name] / squares, starts, length)
        for squares, name, starts, length in (
            (doubt.shape[0], "height", tops, height),
            (doubt.shape[1], "width", lefts, width),
        )
    ]
    doubtful = places[0] @ doubt @ places[1].T / np.maximum(1, places[0].sum(1)[:, None] * places[1].sum(1))
    area, ridge = area / np.maximum(number, 1), ridge / np.maximum(number, 1)
    looks = frame["intensity_mean"], frame["contrast"]
    table = pd.DataFrame(
        {
            "top_px": np.repeat(tops, len(lefts)),
            "left_px": np.tile(lefts, len(tops)),
            **{"height": height, "width": width, "cells": number.astype(int).ravel()},
            **{"doubt": doubtful.ravel(), "ridge": ridge.ravel()},
            "unlike": unlike(frame, (area * frame["scale"] ** 2).ravel(), reference or {}),
            **{"area_px": area.ravel(), "intensity_mean": looks[0], "contrast": looks[1]},
            "density": number.ravel() / (height * width),
        }
    )
    worth = table[list(REASONS)].rank().sum(axis=1)
    return table.loc[worth.sort_values(ascending=False, kind="stable").index[:BEST_OF_FRAME].sort_values()]


def _starts(length: int, side: int) -> tuple[np.ndarray, int]:
    """Return where crops of a side begin along an axis of a frame, in steps of about half a side, and how long they are.

    >>> _starts(100, 40)
    (array([ 0, 20, 40, 60]), 40)
    """
    side = min(side, length)
    number = 1 + int(np.ceil((length - side) / (side / 2)))
    return np.unique(np.linspace(0, length - side, number).round().astype(int)), side


def _within(values: np.ndarray, starts: np.ndarray, length: float) -> np.ndarray:
    """Return which values lie in which window, float (windows, values)."""
    return ((values >= starts[:, None]) & (values < starts[:, None] + length)).astype(float)


def unlike(frame: dict, areas: np.ndarray, reference: dict) -> np.ndarray:
    """Return how far crops lie outside of the training's range, in halves of its width; 0 inside of it.

    frame : brightness, contrast and sharpness; areas : mean areas of the crops' cells in px of the networks' frames, 0 where
    there are none; reference : percentiles 5, 50 and 95 of the training

    >>> unlike({"contrast": 0.7}, np.array([0, 100]), {"contrast": [0.2, 0.3, 0.4], "cell_area_px": [40, 50, 60]})
    array([3., 4.])
    """
    worst = np.zeros(len(areas))
    for name in COMPARED:
        if name in reference and name in frame:
            worst = np.maximum(worst, _outside(np.array([frame[name]]), reference[name]))
    if "cell_area_px" in reference:
        worst = np.maximum(worst, np.where(areas > 0, _outside(areas, reference["cell_area_px"]), 0))
    return worst.round(9)


def _outside(values: np.ndarray, span: Sequence[float]) -> np.ndarray:
    low, middle, high = span
    width = max((high - low) / 2, abs(middle) / 20, 1e-9)
    return np.maximum(0, np.maximum(low - values, values - high)) / width


def choose(offered: pd.DataFrame, budget: int, drawn: pd.DataFrame | None = None) -> pd.DataFrame:
    """Choose crops one after the other until their cells use up the budget; one is chosen in any case.

    The worth of a crop, the mean of its ranks in REASONS, is divided by 1 + what is close to it among the crops chosen
    before: those of its recording, the more the closer in time, and those that look the same.

    Parameters
    ----------
    offered : rows of `candidates`, of all recordings
    budget : cells; a crop without cells counts as one
    drawn : crops that a person has drawn already: recording, sample, frame, top_px, left_px, height, width; what overlaps
        them is not chosen

    Returns
    -------
    pandas.DataFrame
        The rows chosen, in their order, with `why`, the name in REASONS of the highest rank.
    """
    table = offered.sort_values(["recording", "frame", "sample", "top_px", "left_px"], ignore_index=True)
    ranks = np.stack([_rank(table[name].to_numpy(float)) for name in REASONS], axis=1)
    worth = ranks.mean(axis=1)
    table = table.assign(why=[REASONS[place] for place in ranks.argmax(axis=1)])
    if len(table) > MOST:
        kept = np.sort(np.argsort(-worth, kind="stable")[:MOST])
        table, worth = table.iloc[kept].reset_index(drop=True), worth[kept]
    looks = _standardised(table[list(LOOKS)])
    length = table.groupby("recording")["frame"].transform(np.ptp).to_numpy() * CLOSE
    crowd, free = np.zeros(len(table)), np.ones(len(table), bool)

    def settle(crop: dict) -> None:
        same = (table["recording"] == crop["recording"]).to_numpy()
        apart = np.abs(table["frame"].to_numpy() - crop["frame"]) / np.maximum(length, 1)
        crowd[same] += (0.5 + 0.5 * np.exp(-apart))[same]
        free[_overlapping(table, crop)] = False

    for crop in [] if drawn is None else drawn.to_dict("records"):
        settle(crop)
    chosen: list[int] = []
    used = 0
    while free.any():
        gain = np.where(free, worth / (1 + crowd), -1)
        best = int(gain.argmax())
        cells = max(1, int(table["cells"][best]))
        if chosen and used + cells > budget:
            break
        chosen.append(best)
        used += cells
        settle(table.iloc[best].to_dict())
        crowd += np.exp(-((looks - looks[best]) ** 2).mean(axis=1))
    return table.iloc[chosen].reset_index(drop=True)


def _rank(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value, from 0 to 1; equal values have the same, and 0 has 0."""
    return np.where(values > 0, (stats.rankdata(values) - 0.5) / max(1, len(values)), 0)


def _standardised(looks: pd.DataFrame) -> np.ndarray:
    values = looks.to_numpy(float)
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)


def _overlapping(table: pd.DataFrame, crop: dict) -> np.ndarray:
    """Return the rows that share pixels with a crop; bool."""
    shared = (table["sample"] == crop["sample"]) & (table["recording"] == crop["recording"])
    for start, length in (("top_px", "height"), ("left_px", "width")):
        shared &= (table[start] < crop[start] + crop[length]) & (crop[start] < table[start] + table[length])
    return shared.to_numpy()


def usual(offered: pd.DataFrame) -> dict[str, float]:
    """Return the median of each of REASONS over all crops, with which those of a chosen one are compared."""
    return {name: float(offered[name].median()) for name in REASONS}


WORDS: dict[str, Callable[[dict, dict], str]] = {
    "doubt": lambda crop, median: (
        f"the networks doubt what is cell: {crop['doubt']:.2f}, {median['doubt']:.2f} in a typical crop"
    ),
    "ridge": lambda crop, median: (
        f"borders between cells are doubtful: {crop['ridge']:.2f}, {median['ridge']:.2f} in a typical crop"
    ),
    "unlike": lambda crop, median: "brightness, contrast, sharpness or size of cells unlike the training",
}
"""reason → why a crop was chosen, in words"""
