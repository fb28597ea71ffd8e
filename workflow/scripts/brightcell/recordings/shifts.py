"""Estimate how far all cells of a frame moved together: a stage that jumped or drifts, a plate that was put back.

The pictures of the cells' centres of two frames are correlated (by FFT). The best shift is kept only if it explains the
frame: many more cells then lie on a cell of like area in the frame before than without it.
"""

import numpy as np
import pandas as pd
from scipy import ndimage, signal
from scipy.spatial import KDTree

STEP = 0.25  # side of a pixel of the pictures, and blur of the centres, in cell diameters
NEAR = 0.35  # cells this close are partners, in cell diameters
ALIKE = 0.4  # largest difference of the logarithms of their areas
GAIN = 0.3  # share of the cells that a shift must give a partner beyond those that have one without it
FEWEST = 4  # partners without which no shift is kept
LARGEST_PICTURE = 4096  # pixels along an axis


def typical_diameter(areas_px: np.ndarray) -> float:
    """Return the diameter in px of the disc of the median area.

    >>> round(typical_diameter(np.array([10, 314, 5000])), 1)
    20.0
    """
    return float(2 * np.sqrt(np.median(areas_px) / np.pi))


def common_shifts(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the common shift of the cells of each frame from the frame before.

    Parameters
    ----------
    cells : pandas.DataFrame
        One row per cell: time (number of the frame, from 0), row_px, column_px, area_px.

    Returns
    -------
    pandas.DataFrame
        By time: row_px and column_px, 0 where no shift is kept, and explained, the share of the cells of the smaller
        frame that have a partner after this shift; nan if one of the two frames has no cell.
    """
    times = np.arange(int(cells["time"].max()) + 1 if len(cells) else 0)
    found = pd.DataFrame({"row_px": 0.0, "column_px": 0.0, "explained": np.nan}, index=times)
    if cells.empty:
        return found
    diameter = typical_diameter(cells["area_px"])
    frames = {
        time: (
            own[["row_px", "column_px"]].to_numpy(float) / diameter,
            np.log(own["area_px"].to_numpy(float)),
        )
        for time, own in cells.groupby("time")
    }
    for time in times[1:]:
        if time in frames and time - 1 in frames:
            shift, explained = common_shift(*frames[time - 1], *frames[time])
            found.loc[time] = (*(shift * diameter), explained)
    return found


def common_shift(
    earlier: np.ndarray, earlier_areas: np.ndarray, later: np.ndarray, later_areas: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the common shift (row, column) between the cells of two frames, and the share of cells that it explains.

    earlier, later : (cells, 2), in cell diameters; areas : their logarithms. The shift is (0, 0) unless it is kept.
    """
    fewest = min(len(earlier), len(later))
    none = np.zeros(2)
    alone = len(_partners(earlier, earlier_areas, later, later_areas, none)[0])
    if (1 - GAIN) * fewest < max(alone, FEWEST - GAIN * fewest):
        return none, alone / fewest  # no shift can be kept
    shift = _highest(earlier, later)
    for _ in range(3):
        one, other = _partners(earlier, earlier_areas, later, later_areas, shift)
        if len(one):
            shift = np.median(later[other] - earlier[one], axis=0)
    partners = len(_partners(earlier, earlier_areas, later, later_areas, shift)[0])
    if partners >= FEWEST and partners - alone >= GAIN * fewest:
        return shift, partners / fewest
    return none, alone / fewest


def _highest(earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Return the shift at which the pictures of two frames' centres correlate best."""
    low = np.minimum(earlier.min(axis=0), later.min(axis=0))
    side = np.maximum(earlier.max(axis=0), later.max(axis=0)) - low
    step = max(STEP, float(side.max()) / LARGEST_PICTURE)
    shape = np.round(side / step).astype(int) + 1
    pictures = []
    for places in (later, earlier):
        picture = np.zeros(shape)
        np.add.at(picture, tuple(np.round((places - low) / step).astype(int).T), 1)
        pictures.append(ndimage.gaussian_filter(picture, STEP / step, mode="constant"))
    heights = signal.correlate(*pictures, method="fft")
    return (np.array(np.unravel_index(heights.argmax(), heights.shape)) - (shape - 1)) * step


def _partners(
    earlier: np.ndarray,
    earlier_areas: np.ndarray,
    later: np.ndarray,
    later_areas: np.ndarray,
    shift: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells of both frames that are each other's nearest after a shift, close enough and of like area."""
    away, nearest = KDTree(later).query(earlier + shift)
    back = KDTree(earlier + shift).query(later)[1]
    mutual = back[nearest] == np.arange(len(earlier))
    alike = np.abs(earlier_areas - later_areas[nearest]) < ALIKE
    one = np.flatnonzero(mutual & alike & (away < NEAR))
    return one, nearest[one]
