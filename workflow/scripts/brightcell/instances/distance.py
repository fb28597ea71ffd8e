"""Height maps for the watershed, also of large frames: the distance to the background, and smoothing.

scipy has both, exact and for any number of dimensions, but takes 0.1 s and 0.02 s per megapixel. These functions return
the same values in a fifth of the time for frames, in which pieces of foreground are rarely wider than a hundred pixels.
"""

from itertools import pairwise

import numpy as np
from scipy import ndimage

FARTHEST = 150  # px; scipy computes larger distances
FAR = FARTHEST + 1  # twice its square fits into 16 bits
BAND = 64  # rows processed at once: they stay in the processor's cache


def distance_to_background(mask: np.ndarray) -> np.ndarray:
    """Return the Euclidean distance of every pixel of a mask (height, width) to the nearest one outside; float32.

    Pixels outside have 0. The frame's border is no background; without any background distances are finite but
    meaningless. Distances are computed within columns, then over neighbouring columns (Felzenszwalb and Huttenlocher
    2012, doi 10.4086/toc.2012.v008a019), as far as the largest distance reaches.

    >>> distance_to_background(np.array([[0, 1, 1, 1, 1]]) > 0)
    array([[0., 1., 2., 3., 4.]], dtype=float32)
    """
    height, width = mask.shape
    squared = np.full((height, width + 2 * FARTHEST), FAR**2, np.uint16)
    np.square(_distance_in_columns(mask), out=squared[:, FARTHEST:-FARTHEST])
    distance = np.empty(mask.shape, np.float32)
    for start in range(0, height, BAND):
        band = squared[start : start + BAND]
        nearest = band[:, FARTHEST:-FARTHEST].copy()
        for step in range(1, FARTHEST + 1):
            if nearest.max() <= step**2:  # no column farther away can be nearer
                break
            left, right = FARTHEST - step, FARTHEST + step
            beside = np.minimum(band[:, left : left + width], band[:, right : right + width])
            beside += np.uint16(step**2)
            np.minimum(nearest, beside, out=nearest)
        if nearest.max() > FARTHEST**2:
            return ndimage.distance_transform_edt(mask).astype(np.float32)
        np.sqrt(nearest, out=distance[start : start + BAND], dtype=np.float32)
    return distance


def _distance_in_columns(mask: np.ndarray) -> np.ndarray:
    """Return the distance of every pixel to the nearest one outside the mask in its column, at most FAR; uint16."""
    distance = np.where(mask, np.uint16(FAR), np.uint16(0))
    for rows in (distance, distance[::-1]):
        for before, row in pairwise(rows):
            np.minimum(row, before + 1, out=row)
    return distance


def smooth(height: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth (height, width) by a Gaussian, truncated at three standard deviations, reflected at the border; float32."""
    height = np.asarray(height, np.float32)
    reach = int(3 * sigma + 0.5)
    if not reach:
        return height
    weights = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    weights = (weights / (2 * weights.sum() - weights[0])).astype(np.float32)
    padded, smoothed = np.pad(height, reach, mode="symmetric"), np.empty_like(height)
    for start in range(0, len(height), BAND):
        band = padded[start : start + BAND + 2 * reach]
        smoothed[start : start + BAND] = _weigh(_weigh(band, weights).T, weights).T
    return smoothed


def _weigh(band: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum the rows around each row by symmetric weights, the middle one first; drops the rows near the edges."""
    reach = len(weights) - 1
    rows = len(band) - 2 * reach
    total = band[reach : reach + rows] * weights[0]
    for step in range(1, reach + 1):
        pair = band[reach - step : reach - step + rows] + band[reach + step : reach + step + rows]
        pair *= weights[step]
        total += pair
    return total
