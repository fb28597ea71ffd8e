"""Measure a film: how many cells there are over time, how they move, divide and grow.

Lengths are in µm where the pixel size is known, times in hours where the time between frames is. Cells that the border
cuts count, but their areas and movements do not. The pieces of a cell cut in two are one cell.
"""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from .growth import Growth, growth, unseen
from .quality import SHIFTS

ENDS = 3  # frames at the beginning and at the end whose median is given
WINDOW = 10  # steps over which directionality is measured
FEWEST_STEPS = 5  # of a track whose speed counts
HOURS = 24.0
HUNDRED = 100.0


class Measure(NamedTuple):
    """What is measured of a film."""

    title: str
    unit: str
    unit_unscaled: str  # where the pixel size or the time between frames is unknown
    description: str
    decimals: int = 1


MEASURES = {
    "growth": Measure(
        *("Growth in number", "doublings/day", "doublings/100 frames"),
        "of the number of cells; 0 if it stays the same", 2,
    ),
    "doubling": Measure("Doubling time", "h", "frames", "in which the number of cells doubles"),
    "area_growth": Measure(
        "Growth in area", "doublings/day", "doublings/100 frames", "of the area that cells cover", 2
    ),
    "cells_first": Measure("Cells at the start", "", "", f"in the median of the first {ENDS} frames", 0),
    "cells_last": Measure("Cells at the end", "", "", f"in the median of the last {ENDS} frames", 0),
    "confluence_first": Measure("Confluence at the start", "%", "%", f"of the picture, in the first {ENDS} frames"),
    "confluence_last": Measure("Confluence at the end", "%", "%", f"of the picture, in the last {ENDS} frames"),
    "area": Measure("Area of a cell", "µm²", "px", "median of the cells that the border does not cut", 0),
    "speed": Measure(
        *("Speed", "µm/h", "px/frame"),
        f"path of a track over its time; median of the tracks of {FEWEST_STEPS} steps or more", 2,
    ),
    "directionality": Measure(
        *("Directionality", "", ""),
        f"distance over path in {WINDOW} steps: 1 is straight, {math.sqrt(math.pi / 4 / WINDOW):.2f} a random walk", 2,
    ),
    "divisions": Measure("Divisions", "", "", "that were seen", 0),
    "cycle": Measure(
        *("Cell cycle", "h", "frames"),
        "from division to division: median (Kaplan and Meier) of the cells that were born in the film",
    ),
}  # fmt: skip


class Film(NamedTuple):
    """What was measured: tables of the frames, of the tracks (none where cells are not followed), and of the whole."""

    course: pd.DataFrame
    tracks: pd.DataFrame | None
    measures: pd.DataFrame


def measure(
    frames: pd.DataFrame,
    cells: pd.DataFrame,
    judged: pd.DataFrame,
    tracks: pd.DataFrame | None = None,
    interval_min: float | None = None,
    confidence: float = 0.95,
) -> Film:
    """Measure a film.

    Parameters
    ----------
    frames, cells, judged, tracks : pandas.DataFrame
        frames.tsv, cells.tsv, quality.tsv (the frames in the order of time) and tracks.tsv of a recording.
    interval_min : float, optional
        Minutes from one frame number to the next.

    Returns
    -------
    Film
        Columns as in the schema of result files: course.tsv, lineages.tsv; the measures have measure, value, low, high,
        unit, why (there is no value).
    """
    hours = math.nan if interval_min is None else interval_min / 60
    order = judged[["sample", "frame", *SHIFTS]].merge(
        frames[["sample", "pixel_size_um", "cell_share"]], on="sample", how="left"
    )
    order["place"] = range(len(order))
    seen = whole_cells(cells, order, tracks)
    course = _course(order, seen, hours)
    course[["speed_px", "speed_um_h", "divisions"]] = math.nan
    lineages = None
    if tracks is not None:
        steps = _steps(seen)
        lineages = _lineages(seen, steps, order, hours)
        moved = steps.assign(speed=steps["path_um"] / steps["frames"] / hours)
        course["speed_px"] = (steps["path_px"] / steps["frames"]).groupby(steps["place"]).median()
        course["speed_um_h"] = moved.groupby("place")["speed"].median()
        born = lineages[lineages["begins"] == "division"].groupby("first_frame").size() // 2
        course["divisions"] = course["frame"].map(born).fillna(0).astype(int)
    return Film(course, lineages, _measures(course, lineages, hours, confidence))


def whole_cells(cells: pd.DataFrame, order: pd.DataFrame, tracks: pd.DataFrame | None) -> pd.DataFrame:
    """Return one row per cell, with the pieces of one cell put together, and without the common shifts of all cells.

    order : sample, frame, place, pixel_size_um, shift_row_px, shift_column_px of the frames in the order of time
    Returns track (0 where cells are not followed), parent, place, frame, area_px, area_um2, row_px, column_px, row_um,
    column_um, cut; sorted by track and place.
    """
    table = cells[["sample", "cell", "area_px", "row_px", "column_px", "touches_border"]]
    table = table.merge(order, on="sample")
    if tracks is None:
        table = table.assign(track=0, parent=0)
        keys = ["place", "cell"]
    else:
        table = table.merge(tracks[["sample", "cell", "track", "parent"]], on=["sample", "cell"])
        keys = ["track", "place"]
    moves = order[SHIFTS].fillna(0).to_numpy(float).cumsum(axis=0)
    table[["row_px", "column_px"]] -= moves[table["place"].to_numpy(int)]
    for axis in ("row", "column"):
        table[f"{axis}_px"] *= table["area_px"]
    table = table.rename(columns={"touches_border": "cut"}).groupby(keys, sort=True, as_index=False)
    joined = table.agg(
        track=("track", "first"),
        parent=("parent", "first"),
        place=("place", "first"),
        frame=("frame", "first"),
        area_px=("area_px", "sum"),
        row_px=("row_px", "sum"),
        column_px=("column_px", "sum"),
        pixel_size_um=("pixel_size_um", "first"),
        cut=("cut", "any"),
    )
    joined["area_um2"] = joined["area_px"] * joined["pixel_size_um"] ** 2
    for axis in ("row", "column"):
        joined[f"{axis}_px"] /= joined["area_px"]
        joined[f"{axis}_um"] = joined[f"{axis}_px"] * joined["pixel_size_um"]
    return joined


def _course(order: pd.DataFrame, seen: pd.DataFrame, hours: float) -> pd.DataFrame:
    """Return one row per frame, indexed by its place."""
    course = order.set_index("place")[["sample", "frame"]].copy()
    course["time_h"] = (course["frame"] - course["frame"].iloc[0]) * hours
    course["cells"] = seen.groupby("place").size().reindex(course.index, fill_value=0)
    course["confluence"] = HUNDRED * order["cell_share"].to_numpy(float)
    uncut = seen[~seen["cut"]].groupby("place")
    course["area_px"] = uncut["area_px"].median()
    course["area_um2"] = uncut["area_um2"].median()
    return course


def _steps(seen: pd.DataFrame) -> pd.DataFrame:
    """Return the steps of tracks between frames that follow each other, of cells that the border does not cut.

    One row per step: track, place (of its end), frames (that it takes), path_px, path_um, and straight, the distance over the
    path of the WINDOW steps that end here (nan where they are not in a row, or nothing moves).
    """
    seen = seen.sort_values(["track", "place"], kind="stable")
    track, place = seen["track"].to_numpy(), seen["place"].to_numpy()
    whole = ~seen["cut"].to_numpy(bool)
    step = (np.diff(track) == 0) & (np.diff(place) == 1) & whole[1:] & whole[:-1]
    found = seen[["track", "place"]].iloc[1:].copy()
    found["frames"] = np.diff(seen["frame"].to_numpy())
    for unit in ("px", "um"):
        places = seen[[f"row_{unit}", f"column_{unit}"]].to_numpy(float)
        found[f"path_{unit}"] = np.hypot(*np.diff(places, axis=0).T)
    places = seen[["row_px", "column_px"]].to_numpy(float)
    found["straight"] = np.nan
    if len(step) >= WINDOW:
        in_a_row = np.cumsum(step)
        path = np.cumsum(np.where(step, found["path_px"], 0))
        before = np.concatenate([[0], in_a_row[:-WINDOW]]), np.concatenate([[0], path[:-WINDOW]])
        full = in_a_row[WINDOW - 1 :] - before[0] == WINDOW
        along = path[WINDOW - 1 :] - before[1]
        apart = np.hypot(*(places[WINDOW:] - places[:-WINDOW]).T)
        with np.errstate(invalid="ignore", divide="ignore"):
            found.iloc[WINDOW - 1 :, found.columns.get_loc("straight")] = np.where(
                full & (along > 0), apart / along, np.nan
            )
    return found[step]


def _lineages(seen: pd.DataFrame, steps: pd.DataFrame, order: pd.DataFrame, hours: float) -> pd.DataFrame:
    """Return one row per track."""
    by_track = seen.groupby("track")
    table = by_track.agg(
        parent=("parent", "first"), first=("place", "first"), last=("place", "last"),
        first_cut=("cut", "first"), last_cut=("cut", "last"), frames=("place", "size"),
    )  # fmt: skip
    mothers = set(table["parent"]) - {0}
    born = table["parent"].isin(table.index)
    divides = table.index.isin(mothers)
    family, generation = families(table["parent"].where(born, 0))
    frame = order["frame"].to_numpy()
    first, last = frame[table["first"]], frame[table["last"]]
    births = pd.Series(first, table["parent"])[lambda each: each.index != 0].groupby(level=0).min()
    ended = np.where(divides, births.reindex(table.index).to_numpy(float), last)
    whole = seen[~seen["cut"]].groupby("track")
    along = steps.groupby("track")
    sums = along[["path_px", "path_um", "frames"]].sum().reindex(table.index)
    return pd.DataFrame(
        {
            "track": table.index,
            "parent": table["parent"].where(born, 0).to_numpy(),
            "family": family,
            "generation": generation,
            "first_frame": first,
            "last_frame": last,
            "begins": np.select(
                [born, table["first"] == 0, table["first_cut"]], ["division", "film", "border"], "appears"
            ),
            "ends": np.select(
                [divides, table["last"] == len(order) - 1, table["last_cut"]],
                ["division", "film", "border"],
                "lost",
            ),
            "life_frames": ended - first,
            "life_h": (ended - first) * hours,
            "area_px": whole["area_px"].median().reindex(table.index),
            "area_um2": whole["area_um2"].median().reindex(table.index),
            "steps": along.size().reindex(table.index, fill_value=0),
            "speed_px": sums["path_px"] / sums["frames"],
            "speed_um_h": sums["path_um"] / sums["frames"] / hours,
            "directionality": along["straight"].mean().reindex(table.index),
        }
    ).reset_index(drop=True)


def families(parents: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the first track of each track's family, and the number of divisions between the two; 0 is no parent.

    >>> family, generation = families(pd.Series([0, 1, 2], index=[1, 2, 3]))
    >>> family.tolist(), generation.tolist()
    ([1, 1, 1], [0, 1, 2])
    """
    family = parents.index.to_numpy().copy()
    generation = np.zeros(len(parents), int)
    up = parents.to_numpy()
    while (up != 0).any():
        above = np.flatnonzero(up)
        family[above] = up[above]
        generation[above] += 1
        up = np.where(up != 0, parents.reindex(up).fillna(0).to_numpy(int), 0)
    return family, generation


def cycle(lineages: pd.DataFrame, confidence: float = 0.95) -> Growth:
    """Estimate the median time from division to division, in frames, as a `Growth` whose rate it is.

    Only cells that were born in the film count; those whose division was not seen lived at least as long as they were seen
    (Kaplan and Meier 1958, doi 10.1080/01621459.1958.10501452), so that short films do not favour short cycles.
    """
    born = lineages[lineages["begins"] == "division"]
    divided = (born["ends"] == "division").to_numpy(bool)
    if not divided.any():
        return unseen("no cell was born and divided in the film")
    lives = born["life_frames"].to_numpy(float)
    surviving = stats.ecdf(stats.CensoredData(uncensored=lives[divided], right=lives[~divided])).sf
    if surviving.probabilities.min() > 0.5:
        return unseen("less than half of the cells born in the film would have divided in it")
    with warnings.catch_warnings():  # the ends are unknown where nothing has divided yet, or nothing is left
        warnings.simplefilter("ignore", RuntimeWarning)
        ends = surviving.confidence_interval(confidence, method="log-log")
    middle, low, high = (_first_below(each) for each in (surviving, ends.low, ends.high))
    return Growth(middle, low, high)


def _first_below(surviving: Any) -> float:
    """Return when half is left, of a step function of SciPy; infinite where more is left."""
    below = np.flatnonzero(surviving.probabilities <= 0.5)
    return float(surviving.quantiles[below[0]]) if len(below) else math.inf


def _measures(
    course: pd.DataFrame, lineages: pd.DataFrame | None, hours: float, confidence: float
) -> pd.DataFrame:
    """Return one row per measure."""
    timed, sized = math.isfinite(hours), bool(course["area_um2"].notna().any())
    length = hours if timed else 1.0
    per = HOURS / hours if timed else HUNDRED
    frames = (course["frame"] - course["frame"].iloc[0]).to_numpy(float)
    counts, covered = course["cells"].to_numpy(float), course["confluence"].to_numpy(float)
    grown = growth(frames, counts, counts, confidence)
    found: dict[str, Growth] = {
        "growth": _scaled(grown, per / math.log(2)),
        "doubling": _doubling(grown, length),
        "area_growth": _scaled(growth(frames, covered, counts, confidence), per / math.log(2)),
        "cells_first": _alone(np.median(counts[:ENDS])),
        "cells_last": _alone(np.median(counts[-ENDS:])),
        "confluence_first": _alone(np.median(covered[:ENDS])),
        "confluence_last": _alone(np.median(covered[-ENDS:])),
        "area": _alone(course["area_um2" if sized else "area_px"].median(), "no cell is whole"),
    }
    if lineages is not None:
        enough = lineages[lineages["steps"] >= FEWEST_STEPS]
        speed = "speed_um_h" if timed and sized else "speed_px"
        found |= {
            "speed": _alone(enough[speed].median(), f"no track of {FEWEST_STEPS} steps or more"),
            "directionality": _alone(
                lineages["directionality"].mean(), f"no track of {WINDOW} steps in a row"
            ),
            "divisions": _alone(float(course["divisions"].sum())),
            "cycle": _scaled(cycle(lineages, confidence), length),
        }
    scaled = {"area": sized, "speed": timed and sized}
    return pd.DataFrame(
        [
            {
                "measure": name, "value": value.rate, "low": value.low, "high": value.high,
                "unit": MEASURES[name].unit if scaled.get(name, timed) else MEASURES[name].unit_unscaled,
                "why": value.why,
            }
            for name, value in found.items()
        ]
    )  # fmt: skip


def _alone(value: float, why: str = "") -> Growth:
    """Return a value without an interval."""
    return unseen(why) if math.isnan(value) else Growth(float(value), math.nan, math.nan)


def _scaled(value: Growth, factor: float) -> Growth:
    return Growth(value.rate * factor, value.low * factor, value.high * factor, value.why)


def _doubling(rate: Growth, length: float) -> Growth:
    """Return the doubling time of a growth rate per frame, where the rate's interval lies above zero."""
    if rate.why:
        return rate
    fastest = math.log(2) * length / rate.high if rate.high > 0 else math.inf
    if rate.low <= 0:
        return Growth(math.nan, fastest, math.inf, "no growth that can be told from none")
    return Growth(math.log(2) * length / rate.rate, fastest, math.log(2) * length / rate.low)
