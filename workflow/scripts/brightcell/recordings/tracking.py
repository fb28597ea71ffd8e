"""Track cells over time: link them from frame to frame, find divisions, close gaps, put together cells cut in two.

Between two frames every cell stays, divides, leaves or enters. All of these have a cost, and the cheapest of all ways to
explain both frames is chosen, by integer programming (HiGHS, through SciPy). So a division is weighed as a whole, by its
mother and both daughters, against all else that they may be. Places are corrected for common shifts of all cells first
(`shifts`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linear_sum_assignment, milp
from scipy.spatial import KDTree

from .shifts import typical_diameter

# Costs are in units of the logarithm of a likelihood, lengths in typical diameters, areas logarithms.
LEAST_SCALE = 0.2  # of movements
SIZE = 1.0  # cost of a change of area by the factor e
ALONE = 4.0  # of a cell that appears or disappears
ALONE_AT_BORDER = 2.0
AREA_AT_BORDER = 0.2  # share of what areas count if a cell is cut by the border
DIVISION = 1.5  # of any division
DIVISION_AT_BORDER = 1.0  # besides, of a mother cut by the border
MIDDLE = 0.13  # standard deviation of the daughters' middle around their mother
DAUGHTERS_AREA = (0.2, 1.0)  # both daughters' area, of their mother's: mean and standard deviation
UNLIKE = 0.6  # standard deviation of the daughters' difference
ELONGATED = 2.0  # cost of a mother that is longer than the recording's median cell, by the factor e
WORST_DIVISION = 12.0  # beyond all
SHORT = 2  # frames that a piece of a cell lasts at most
ALIKE = 0.4  # largest difference of areas of the same cell before, with, and after its pieces


@dataclass(frozen=True)
class Seen:
    """The cells of a recording in the order of time."""

    times: np.ndarray
    places: np.ndarray  # (cells, 2), without common shifts, in typical diameters
    areas: np.ndarray  # logarithms of px
    lengths: np.ndarray  # logarithms of major over minor axis, less those of round cells, the lowest quarter
    cut: np.ndarray  # bool: at the border of the frame
    scale: float  # of movements, in typical diameters
    move: float  # the median one

    def of_time(self, time: int) -> np.ndarray:
        """Return the numbers of the cells of a frame."""
        return np.arange(*np.searchsorted(self.times, [time, time + 1]))

    def link_costs(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return what it costs that these cells are the same."""
        away = np.square(self.places[one] - self.places[other]).sum(axis=1)
        grown = np.square(self.areas[one] - self.areas[other])
        known = np.where(self.cut[one] | self.cut[other], AREA_AT_BORDER, 1)
        return np.log1p(away / self.scale**2) + SIZE * known * grown

    def division_costs(self, mother: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return what it costs that these cells are mothers with their two daughters."""
        middle = (self.places[one] + self.places[other]) / 2 - self.places[mother]
        mean, spread = DAUGHTERS_AREA
        sums = np.logaddexp(self.areas[one], self.areas[other]) - self.areas[mother] - mean
        unlike = self.areas[one] - self.areas[other]
        known = np.where(self.cut[mother] | self.cut[one] | self.cut[other], AREA_AT_BORDER, 1)
        shape = np.square(sums / spread) + np.square(unlike / UNLIKE)
        away = np.square(middle).sum(axis=1) / (MIDDLE**2 + (self.move / 2) ** 2)
        rounded = DIVISION_AT_BORDER * self.cut[mother] + ELONGATED * np.maximum(self.lengths[mother], 0)
        return DIVISION + (away + known * shape) / 2 + rounded

    def alone_costs(self, cells: np.ndarray) -> np.ndarray:
        """Return what it costs that these cells appear or disappear."""
        return np.where(self.cut[cells], ALONE_AT_BORDER, ALONE)


def link_cells(
    cells: pd.DataFrame,
    distance: float = 1.5,
    gap: int = 1,
    divisions: bool = True,
    shifts: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return the track of each cell, and that track's mother.

    Parameters
    ----------
    cells : pandas.DataFrame
        One row per cell: time (number of the frame, from 0), row_px, column_px, area_px, major_axis_px, minor_axis_px,
        touches_border.
    distance : float
        Farthest move of a cell from one frame to the next, in typical diameters; the same over a gap.
    gap : int
        Number of consecutive frames in which a cell may be missing.
    divisions : bool
        Whether a cell may become two, both in the next frame.
    shifts : (frames, 2), optional
        Common shift of each frame from the one before, in px.

    Returns
    -------
    pandas.DataFrame
        With the index of `cells`: track, from 1 in the order of appearance, and parent, 0 if none was seen. A mother's
        track ends before its daughters' tracks begin. The pieces of a cell cut in two have the same track.
    """
    if cells.empty:
        return pd.DataFrame({"track": [], "parent": []}, index=cells.index, dtype=int)
    ordered = cells.sort_values("time", kind="stable")
    seen = look(ordered, shifts)
    before: dict[int, int] = {}
    for time in range(seen.times[0] + 1, seen.times[-1] + 1):
        before |= _explain(seen, time, distance, divisions)
    pieces = _pieces(seen, before, distance)
    before = {cell: earlier for cell, earlier in before.items() if cell not in pieces}
    if gap:
        before = _part_merged(seen, before, distance)
    before |= _over_gaps(seen, before, pieces, distance, gap)
    return _number(before, pieces, len(ordered)).set_axis(ordered.index).reindex(cells.index)


def look(cells: pd.DataFrame, shifts: np.ndarray | None = None) -> Seen:
    """Return the cells of a table that is in the order of time as `link_cells` needs them; shifts : as there."""
    diameter = typical_diameter(cells["area_px"])
    times = cells["time"].to_numpy(int)
    places = cells[["row_px", "column_px"]].to_numpy(float)
    if shifts is not None:
        places = places - np.cumsum(shifts, axis=0)[times]
    places = places / diameter
    lengths = np.log(cells["major_axis_px"].to_numpy(float) + 1) - np.log(
        cells["minor_axis_px"].to_numpy(float) + 1
    )
    move = _typical_move(times, places)
    return Seen(
        times=times,
        places=places,
        areas=np.log(cells["area_px"].to_numpy(float)),
        lengths=lengths - np.quantile(lengths, 0.25),
        cut=cells["touches_border"].to_numpy(bool),
        scale=float(np.hypot(LEAST_SCALE, move / 2)),
        move=move,
    )


def _typical_move(times: np.ndarray, places: np.ndarray) -> float:
    """Return the median distance of cells that are each other's nearest in frames that follow one another."""
    moves = []
    for time in range(times[0] + 1, times[-1] + 1):
        first, middle, last = np.searchsorted(times, [time - 1, time, time + 1])
        earlier, later = places[first:middle], places[middle:last]
        if len(earlier) and len(later):
            away, nearest = KDTree(later).query(earlier)
            back = KDTree(earlier).query(later)[1]
            moves.append(away[back[nearest] == np.arange(len(earlier))])
    return float(np.median(np.concatenate(moves))) if moves else 0.0


def _near(seen: Seen, some: np.ndarray, others: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of cells that are within reach of each other."""
    if not len(some) or not len(others):
        return np.zeros(0, int), np.zeros(0, int)
    found = KDTree(seen.places[others]).query_ball_point(seen.places[some], reach)
    counts = [len(each) for each in found]
    return np.repeat(some, counts), others[np.concatenate(found).astype(int)]


def _explain(seen: Seen, time: int, distance: float, divisions: bool) -> dict[int, int]:
    """Return the predecessors of the cells of a frame: the cheapest way to explain this frame and the one before."""
    earlier, later = seen.of_time(time - 1), seen.of_time(time)
    one, other = _near(seen, earlier, later, distance)
    mother, first, second = _families(one, other) if divisions else np.zeros((3, 0), int)
    costs = seen.division_costs(mother, first, second)
    likely = costs < WORST_DIVISION
    mother, first, second = mother[likely], first[likely], second[likely]
    links, families = _cheapest(
        seen,
        np.concatenate([earlier, later]),
        [(seen.link_costs(one, other), (one, other)), (costs[likely], (mother, first, second))],
    )
    before = dict(zip(other[links].tolist(), one[links].tolist(), strict=True))
    for daughter in (first, second):
        before |= dict(zip(daughter[families].tolist(), mother[families].tolist(), strict=True))
    return before


def _cheapest(
    seen: Seen, cells: np.ndarray, events: list[tuple[np.ndarray, tuple[np.ndarray, ...]]]
) -> list[np.ndarray]:
    """Choose events so that each cell has one at most, and the sum of their costs and of the cells without is least.

    events : of each kind, costs and the cells involved. Returns for each kind which are chosen; bool.
    """
    kinds = [*events, (seen.alone_costs(cells), (cells,))]
    costs = np.concatenate([each for each, _ in kinds])
    numbers = np.split(np.arange(len(costs)), np.cumsum([len(each) for each, _ in kinds])[:-1])
    involved = [(member, own) for own, (_, members) in zip(numbers, kinds, strict=True) for member in members]
    if sum(len(each) for each, _ in events) == 0:
        return [np.zeros(0, bool) for _ in events]
    rows = np.searchsorted(cells, np.concatenate([member for member, _ in involved]))
    columns = np.concatenate([own for _, own in involved])
    shape = (len(cells), len(costs))
    once = LinearConstraint(sparse.csc_array((np.ones(len(rows)), (rows, columns)), shape=shape), 1, 1)
    chosen = milp(costs, constraints=once, bounds=Bounds(0, 1), integrality=np.ones(len(costs))).x > 0.5
    return [chosen[own] for own in numbers[:-1]]


def _families(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all mothers with two daughters, out of pairs of cells within reach."""
    pairs = pd.DataFrame({"mother": one, "daughter": other})
    both = pairs.merge(pairs, on="mother")
    both = both[both["daughter_x"] < both["daughter_y"]]
    return both["mother"].to_numpy(), both["daughter_x"].to_numpy(), both["daughter_y"].to_numpy()


def _followers(before: dict[int, int]) -> dict[int, list[int]]:
    """Return the cells that follow each cell, out of their predecessors."""
    after: dict[int, list[int]] = {}
    for cell in sorted(before):
        after.setdefault(before[cell], []).append(cell)
    return after


def _pieces(seen: Seen, before: dict[int, int], distance: float) -> dict[int, int]:
    """Find the cells that are pieces of others: what is one cell before and after is not two between.

    A piece lasts for SHORT frames at most and has no follower. The cell it belongs to goes on; with the piece, and not
    without, it is as large and in the place as before and after. Returns the cell of each piece.
    """
    after = _followers(before)
    found: dict[int, int] = {}
    for piece in np.flatnonzero(~seen.cut).tolist():
        mother = before.get(piece)
        if mother is not None and len(after[mother]) == 1:
            continue  # it is the same cell as before
        chain = [piece]
        while len(chain) <= SHORT and len(after.get(chain[-1], [])) == 1:
            chain += after[chain[-1]]
        if len(chain) > SHORT or chain[-1] in after or seen.times[chain[-1]] == seen.times[-1]:
            continue
        frame = seen.of_time(seen.times[piece])
        near = frame[np.hypot(*(seen.places[frame] - seen.places[piece]).T) < distance]
        for host in near[near != piece].tolist():
            hosts = [host]
            while len(hosts) <= len(chain) and len(after.get(hosts[-1], [])) == 1:
                hosts += after[hosts[-1]]
            if host in before and len(hosts) > len(chain) and _is_cut(seen, before[host], hosts, chain):
                found |= dict(zip(chain, hosts, strict=False))
                break
    return {piece: host for piece, host in found.items() if host not in found}


def _is_cut(seen: Seen, earlier: int, hosts: list[int], pieces: list[int]) -> bool:
    """Return whether the pieces make the hosts as large and put them where the cell is before and after them."""
    later, hosts = hosts[-1], hosts[: len(pieces)]
    area, place = (
        (seen.areas[earlier] + seen.areas[later]) / 2,
        (seen.places[earlier] + seen.places[later]) / 2,
    )
    if abs(seen.areas[earlier] - seen.areas[later]) > ALIKE:
        return False
    joined = np.logaddexp(seen.areas[hosts], seen.areas[pieces])
    share = np.exp(seen.areas[pieces] - joined)[:, None]
    middle = (1 - share) * seen.places[hosts] + share * seen.places[pieces]
    nearer = np.hypot(*(middle - place).T) < np.hypot(*(seen.places[hosts] - place).T)
    size = np.abs(joined - area)
    return bool((nearer & (size < np.abs(seen.areas[hosts] - area)) & (size < ALIKE)).all())


def _part_merged(seen: Seen, before: dict[int, int], distance: float) -> dict[int, int]:
    """Return `before` without divisions of two cells that were one for a frame: what is two before and after stays two."""
    after = _followers(before)
    changed = dict(before)
    for both, daughters in list(after.items()):
        if len(daughters) < 2 or both not in before:
            continue
        known = before[both]
        frame = seen.of_time(seen.times[both] - 1)
        ends = [
            cell
            for cell in frame[np.hypot(*(seen.places[frame] - seen.places[both]).T) < distance].tolist()
            if cell not in after
        ]
        joined = np.logaddexp(seen.areas[known], seen.areas[ends])
        fits = np.abs(joined - seen.areas[both]) < np.abs(seen.areas[known] - seen.areas[both])
        if not fits.any():
            continue
        end = ends[int(np.argmin(np.where(fits, np.abs(joined - seen.areas[both]), np.inf)))]
        costs = seen.link_costs(np.array([known, known, end, end]), np.array(daughters * 2)).reshape(2, 2)
        changed[daughters[linear_sum_assignment(costs)[1][1]]] = end
        after[end] = []  # it has found its follower
    return changed


def _over_gaps(
    seen: Seen, before: dict[int, int], pieces: dict[int, int], distance: float, gap: int
) -> dict[int, int]:
    """Return the predecessors of cells that were missing for up to `gap` frames; cells at the border have left."""
    known = np.zeros((2, len(seen.times)), bool)
    ends, starts = known
    ends[:], starts[:] = True, True
    ends[list(before.values())] = False
    starts[list(before)] = False
    ends[list(pieces)] = starts[list(pieces)] = False
    found: dict[int, int] = {}
    for time in range(seen.times[0] + 2, seen.times[-1] + 1 if gap else 0):
        later = seen.of_time(time)
        later = later[starts[later]]
        earlier = np.concatenate([seen.of_time(past) for past in range(time - gap - 1, time - 1)])
        one, other = _near(seen, earlier[ends[earlier]], later, distance)
        inside = ~(seen.cut[one] & seen.cut[other])
        one, other = one[inside], other[inside]
        costs = seen.link_costs(one, other)
        (chosen,) = _cheapest(seen, np.unique(np.concatenate([one, other])), [(costs, (one, other))])
        ends[one[chosen]] = False
        found |= dict(zip(other[chosen].tolist(), one[chosen].tolist(), strict=True))
    return found


def _number(before: dict[int, int], pieces: dict[int, int], cells: int) -> pd.DataFrame:
    """Number the tracks of cells in the order of time; `before` maps to predecessors, `pieces` to the cells they belong to."""
    followers = np.bincount(list(before.values()), minlength=cells)
    track, parent = np.zeros((2, cells), int)
    last = 0
    for cell in (cell for cell in range(cells) if cell not in pieces):
        earlier = before.get(cell)
        if earlier is not None and followers[earlier] == 1:
            track[cell], parent[cell] = track[earlier], parent[earlier]
        else:
            track[cell] = last = last + 1
            parent[cell] = 0 if earlier is None else track[earlier]
    for piece, host in pieces.items():
        track[piece], parent[piece] = track[host], parent[host]
    return pd.DataFrame({"track": track, "parent": parent})


def track_table(
    cells: pd.DataFrame,
    frames: pd.DataFrame,
    distance: float = 1.5,
    gap: int = 1,
    divisions: bool = True,
) -> pd.DataFrame:
    """Track the cells of a segmented recording.

    cells : cells.tsv; frames : quality.tsv, in the order of time, with the common shift of each frame; distance, gap,
    divisions : see `link_cells`
    Returns one row per cell, with sample, frame, cell, time (number of the frame, from 0), track and parent.
    """
    table = cells[["sample", "frame", "cell"]].copy()
    table["time"] = table["sample"].map(pd.Series(range(len(frames)), index=frames["sample"]))
    shifts = frames[["shift_row_px", "shift_column_px"]].fillna(0).to_numpy(float)
    return table.join(link_cells(cells.assign(time=table["time"]), distance, gap, divisions, shifts))
