"""Flood a height map from its tops: the watershed within a mask, once for all depths.

Every pixel climbs to its highest neighbour until it reaches a top, which divides the mask into basins. Two basins meet at
a saddle, and a top's rise is its height above the highest saddle that leads to a higher top (its dynamics; Grimaud
1992, doi 10.1117/12.60650). If a top rises less than a depth, its basin joins the basin beyond that saddle. The result
is the marker-controlled watershed from the h-maxima of that depth (Meyer 1994, doi 10.1016/0165-1684(94)90060-4; Soille
2003, doi 10.1007/978-3-662-05088-0), without a queue of pixels.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

HEIGHTS = 2**26
NEIGHBOURS = 16  # times HEIGHTS fits into an int32
BAND = 64  # rows processed at once: they stay in the processor's cache


class Basins(NamedTuple):
    """The basins of a height map within a mask.

    `mask` is bool (height, width); `basin` int32, the number of each mask pixel's basin, from 0, row by row. The others
    have one element per basin: `area` (px), `rise` (of its top above the saddle to a higher one; inf for the highest of
    a connected piece) and `parent` (the basin beyond that saddle).
    """

    mask: np.ndarray
    basin: np.ndarray
    area: np.ndarray
    rise: np.ndarray
    parent: np.ndarray

    def merge(self, depth: float, least_area: float = 0) -> np.ndarray:
        """Merge the basins whose tops rise less than `depth`, then drop cells of less than `least_area` px.

        Returns the number of every basin's cell, int32, from 1 without gaps, 0 if dropped. Every connected piece has
        at least one cell of its own before small cells are dropped.
        """
        alone = np.arange(len(self.rise))
        joined = _follow(np.where(self.rise >= depth, alone, self.parent))
        area = np.bincount(joined, self.area, len(alone))
        kept = (joined == alone) & (area >= least_area)
        return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[joined]


def find_basins(height: np.ndarray, mask: np.ndarray) -> Basins:
    """Divide a mask into the basins of a height map; both (height, width). A pixel has eight neighbours.

    Heights are rounded to 2^26 steps from the lowest to the highest.
    """
    steps, unit = _in_steps(height, mask)
    width = steps.shape[1]
    offsets = np.array([-width - 1, -width, -width + 1, -1, 0, 1, width - 1, width, width + 1])
    way = offsets.take(_way_up(steps)[mask])
    steps = steps.ravel()
    pixels = np.flatnonzero(steps >= 0)
    place = np.full(steps.size, -1, np.int32)
    place[pixels] = np.arange(len(pixels), dtype=np.int32)
    up = _follow(place[pixels + way].astype(np.intp))  # numpy is fastest with this type
    tops = np.flatnonzero(up == np.arange(len(up)))
    number = np.empty(len(up), np.int32)
    number[tops] = np.arange(len(tops))
    basin = number[up]
    place[pixels] = basin
    met = []
    for offset in offsets[5:]:
        here = np.flatnonzero(place[:-offset] != place[offset:])
        first, second = place[here], place[here + offset]
        cells = np.flatnonzero((first >= 0) & (second >= 0))
        here = here[cells]
        met.append((first[cells], second[cells], np.minimum(steps[here], steps[here + offset])))
    first, second, saddle = (np.concatenate(parts) for parts in zip(*met, strict=True))
    rise, parent = _rises(steps[pixels[tops]], *_highest_saddles(first, second, saddle))
    return Basins(mask, basin, np.bincount(basin), rise * unit, parent)


def _in_steps(height: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the heights in whole steps, int32 with a wall of -1 around the mask, and the height of a step."""
    height = np.asarray(height, np.float32)
    low, high = float(height.min()), float(height.max())
    unit = (high - low) / HEIGHTS or 1.0
    steps = np.full((height.shape[0] + 2, height.shape[1] + 2), -1, np.int32)
    inner = height - np.float32(low)
    inner *= np.float32(1 / unit)
    np.copyto(steps[1:-1, 1:-1], inner, where=mask, casting="unsafe")
    return steps, unit


def _way_up(steps: np.ndarray) -> np.ndarray:
    """Return the number of the highest of a pixel and its eight neighbours, row by row, of walled heights; int8.

    Of equal heights the last one counts as higher: plateaus are climbed in one direction, never in a circle.
    """
    rows, columns = steps.shape[0] - 2, steps.shape[1] - 2
    way = np.empty((rows, columns), np.int8)
    for start in range(0, rows, BAND):
        band = steps[start : start + BAND + 2] * NEIGHBOURS
        inner = len(band) - 2
        highest = band[:inner, :columns].copy()
        for number in range(1, 9):
            row, column = divmod(number, 3)
            np.maximum(
                highest, band[row : row + inner, column : column + columns] + np.int32(number), out=highest
            )
        way[start : start + inner] = highest & (NEIGHBOURS - 1)
    return way


def _follow(target: np.ndarray) -> np.ndarray:
    """Follow pointers, one per element, to their ends; overwrites `target`."""
    further = np.empty_like(target)
    # No index is out of bounds, but with "clip" `take` writes into `further` without a copy.
    while not np.array_equal(target.take(target, out=further, mode="clip"), target):
        target, further = further, target
    return target


def _highest_saddles(
    first: np.ndarray, second: np.ndarray, saddle: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keep the saddles that connect basins into a spanning forest, the highest first."""
    if not len(saddle):
        return first, second, saddle
    low, high = np.minimum(first, second).astype(np.int64), np.maximum(first, second)
    count = int(high.max()) + 1
    pair = low * count + high
    order = np.argsort(pair)
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    saddle = np.maximum.reduceat(saddle[order], starts)
    low, high = np.divmod(pair[order][starts], count)
    order = np.argsort(-saddle, kind="stable")
    rank = np.empty(len(order))
    rank[order] = np.arange(1, len(order) + 1)  # the tree ignores weights of zero
    tree = minimum_spanning_tree(coo_array((rank, (low, high)), shape=(count, count)).tocsr())
    kept = order[np.sort(tree.data).astype(int) - 1]
    return low[kept], high[kept], saddle[kept]


def _rises(
    tops: np.ndarray, first: np.ndarray, second: np.ndarray, saddle: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lower the water from saddle to saddle; each one sets rise and parent of the lower of two tops."""
    rise, parent = np.full(len(tops), np.inf), np.arange(len(tops))
    top, head = tops.tolist(), list(range(len(tops)))

    def highest(basin: int) -> int:
        while head[basin] != basin:
            head[basin] = head[head[basin]]
            basin = head[basin]
        return basin

    for a, b, level in zip(first.tolist(), second.tolist(), saddle.tolist(), strict=True):
        upper, lower, beyond = highest(a), highest(b), a
        if top[upper] < top[lower]:
            upper, lower, beyond = lower, upper, b
        head[lower] = upper
        rise[lower], parent[lower] = top[lower] - level, beyond
    return rise, parent
