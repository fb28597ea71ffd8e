"""Measure the distances between the boundaries of a prediction and those of the truth."""

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from .matching import check_shapes, share

NEAR = 3
# Offsets (rows, columns) of up to NEAR pixels, nearest first.
STEPS = sorted(
    (
        (row, column)
        for row, column in product(range(-NEAR, NEAR + 1), repeat=2)
        if np.hypot(row, column) <= NEAR
    ),
    key=lambda step: np.hypot(step[0], step[1]),
)


class Surfaces(NamedTuple):
    """Distances (px) from every boundary pixel of one mask to the nearest boundary pixel of the other.

    Both are empty if neither mask has a boundary, and infinite if one of them has none. `diagonal` is that of the frame (px).
    """

    from_truth: np.ndarray
    from_predicted: np.ndarray
    diagonal: float


def boundary(mask: np.ndarray) -> np.ndarray:
    """Return the foreground pixels with a 4-neighbour in the background or outside the image; bool.

    The image's edge bounds a cell that touches it, so that every mask that is not empty has a boundary.
    """
    padded = np.pad(np.asarray(mask) > 0, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return padded[1:-1, 1:-1] & ~inner


def measure_surfaces(truth: np.ndarray, predicted: np.ndarray) -> Surfaces:
    """Measure the distances between the boundaries of two masks (height, width), bool or labels.

    Exact Euclidean distances between pixel centres, in the order of the pixels: the values of a distance
    transform. Labels only count as foreground: there is no boundary between touching cells. The prediction is cut off where
    the truth is below 0, which are pixels that do not count.
    """
    check_shapes(truth, predicted)
    predicted = (np.asarray(predicted) > 0) & (np.asarray(truth) >= 0)
    # walled, so that a step of NEAR pixels from a boundary neither leaves the image nor enters it again
    edges = [np.pad(boundary(mask), NEAR) for mask in (truth, predicted)]
    places = [np.flatnonzero(edge) for edge in edges]
    from_truth, from_predicted = (_distances(places[own], places[1 - own], edges[1 - own]) for own in (0, 1))
    return Surfaces(from_truth, from_predicted, float(np.hypot(*truth.shape)))


def _distances(places: np.ndarray, others: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """Return the distance from each place to the nearest other; both are positions in `marked`, which is True at others.

    Most boundaries are close to each other: the pixels around a place are searched first, nearest first, and a
    search tree finds others farther away.
    """
    distances, width = np.full(len(places), np.inf), marked.shape[1]
    if not len(others):
        return distances
    marked, searching = marked.ravel(), np.arange(len(places))
    for row, column in STEPS:
        found = marked[places[searching] + (row * width + column)]
        distances[searching[found]] = np.hypot(row, column)
        searching = searching[~found]
    if len(searching):
        far, points = (np.column_stack(np.divmod(some, width)) for some in (places[searching], others))
        tree = cKDTree(points, compact_nodes=False, balanced_tree=False)  # twice as fast to build
        distances[searching] = tree.query(far)[0]
    return distances


def hausdorff95(surfaces: Surfaces) -> float:
    """Return the larger of the two directed 95th percentiles of distance (px).

    Where one mask alone has a boundary it is the frame's diagonal, which no distance reaches; where neither has one, 0.
    """
    both = surfaces.from_truth, surfaces.from_predicted
    if not all(map(len, both)):
        return surfaces.diagonal if any(map(len, both)) else 0.0
    return float(max(np.percentile(distances, 95) for distances in both))


def surface_dice(surfaces: Surfaces, tolerance_px: float) -> float:
    """Return the share of the pixels of both boundaries that lie within the tolerance of the other boundary.

    Nikolov et al. 2018, with one unit of length for every boundary pixel.
    """
    distances = np.concatenate([surfaces.from_truth, surfaces.from_predicted])
    return share(int(np.count_nonzero(distances <= tolerance_px)), len(distances), empty=True)
