"""Track cells over time: link them from frame to frame, close gaps, find divisions.

The links have the least total cost (linear assignment), first from frame to frame, then between the ends and starts of
the linked segments, as in Jaqaman et al. (2008, https://doi.org/10.1038/nmeth.1237); laptrack computes them.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from laptrack import LapTrack

SIZE_WEIGHT = (
    0.3  # a factor of 28 between the areas of two cells counts as much as a distance of one diameter
)
UNLIKE_DAUGHTERS = 2.0  # ratio of areas beyond which the smaller one is another cell, or a piece of one
MOST_CELLS = 2000  # of a frame, linked at once: laptrack's time and memory grow with their square
MARGIN = 2  # times the farthest move: cells this close to a piece compete for its links


def typical_diameter(areas_px: np.ndarray) -> float:
    """Return the diameter in px of the disc of the median area.

    >>> round(typical_diameter(np.array([10, 314, 5000])), 1)
    20.0
    """
    return float(2 * np.sqrt(np.median(areas_px) / np.pi))


def link_cells(
    cells: pd.DataFrame, distance: float = 1.0, gap: int = 1, divisions: bool = True
) -> pd.DataFrame:
    """Return the track of each cell, and that track's mother.

    Parameters
    ----------
    cells : pandas.DataFrame
        One row per cell: time (number of the frame, from 0), row_px, column_px, area_px.
    distance : float
        Farthest move of a cell from one frame to the next, in typical diameters; the same over a gap.
    gap : int
        Number of consecutive frames in which a cell may be missing.
    divisions : bool
        Whether a cell may become two, both in the next frame, the larger at most twice the other's area.

    Returns
    -------
    pandas.DataFrame
        With the index of `cells`: track, from 1 in the order of appearance, and parent, 0 if none was seen. A mother's
        track ends before its daughters' tracks begin.
    """
    if cells.empty:
        return pd.DataFrame({"track": [], "parent": []}, index=cells.index, dtype=int)
    ordered = cells.sort_values("time", kind="stable")
    places = np.column_stack([ordered[["row_px", "column_px"]], np.zeros(len(ordered))])
    places /= typical_diameter(ordered["area_px"])
    places[:, 2] = SIZE_WEIGHT * np.log(ordered["area_px"])
    times, areas = ordered["time"].to_numpy(), ordered["area_px"].to_numpy()
    tracker = LapTrack(
        cutoff=distance**2,
        gap_closing_cutoff=distance**2 if gap else False,
        gap_closing_max_frame_count=gap + 1,
        splitting_cutoff=distance**2 if divisions else False,
        splitting_metric=_between_centres,
    )
    before = {}
    for near, own in _pieces(places[:, :2], times, np.arange(len(times)), MARGIN * distance):
        bounds = np.searchsorted(times[near], np.arange(times[near[0]], times[near[-1]] + 2))
        tree = tracker.predict([places[near[start:end]] for start, end in pairwise(bounds)])
        for node in tree:
            mother = bounds[node[0]] + node[1]
            if own[mother]:
                daughters = [near[bounds[time] + at] for time, at in tree.successors(node)]
                for daughter in _accepted(near[mother], daughters, places, times, areas):
                    before[int(daughter)] = int(near[mother])
    return _number(before, len(ordered)).set_axis(ordered.index).reindex(cells.index)


def _pieces(
    places: np.ndarray, times: np.ndarray, own: np.ndarray, margin: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Divide the cells `own` by place until no frame has too many for laptrack.

    Yields for each piece the numbers of its cells and of those within `margin` of them, in the order of time, and which
    of these are its own.
    """
    low, high = places[own].min(axis=0), places[own].max(axis=0)
    near = np.flatnonzero(((places >= low - margin) & (places <= high + margin)).all(axis=1))
    axis = np.argmax(high - low)
    if np.bincount(times[near]).max() <= MOST_CELLS or high[axis] - low[axis] <= margin:
        yield near, np.isin(near, own)
        return
    lower = places[own, axis] < (low[axis] + high[axis]) / 2
    for half in (own[lower], own[~lower]):
        yield from _pieces(places, times, half, margin)


def _between_centres(one: np.ndarray, other: np.ndarray) -> float:
    """Return the squared distance of two cells' centres without their sizes: a daughter is smaller than her mother."""
    return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2


def _accepted(
    mother: int, daughters: list[int], places: np.ndarray, times: np.ndarray, areas: np.ndarray
) -> list[int]:
    """Return both daughters if they follow at once and are of similar size; else only the nearer one, as the same cell."""
    if len(daughters) < 2:
        return daughters
    small, large = sorted(areas[daughters])
    if (times[daughters] == times[mother] + 1).all() and large <= UNLIKE_DAUGHTERS * small:
        return daughters
    return [min(daughters, key=lambda other: np.square(places[other] - places[mother]).sum())]


def _number(before: dict[int, int], cells: int) -> pd.DataFrame:
    """Number the tracks of cells that are in the order of time; `before` maps a cell to its predecessor."""
    followers = np.bincount(list(before.values()), minlength=cells)
    track, parent = np.zeros((2, cells), int)
    last = 0
    for cell in range(cells):
        earlier = before.get(cell)
        if earlier is not None and followers[earlier] == 1:
            track[cell], parent[cell] = track[earlier], parent[earlier]
        else:
            track[cell] = last = last + 1
            parent[cell] = 0 if earlier is None else track[earlier]
    return pd.DataFrame({"track": track, "parent": parent})


def track_table(
    cells: pd.DataFrame, frames: pd.DataFrame, distance: float = 1.0, gap: int = 1, divisions: bool = True
) -> pd.DataFrame:
    """Track the cells of a segmented recording.

    cells, frames : cells.tsv and frames.tsv, the latter in the order of time; distance, gap, divisions : see `link_cells`
    Returns one row per cell, with sample, frame, cell, time (number of the frame, from 0), track and parent.
    """
    table = cells[["sample", "frame", "cell"]].copy()
    table["time"] = table["sample"].map(pd.Series(range(len(frames)), index=frames["sample"]))
    places = cells[["row_px", "column_px", "area_px"]]
    return table.join(link_cells(table[["time"]].join(places), distance, gap, divisions))
