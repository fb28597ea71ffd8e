"""Describe frames in a few numbers, and the usual range in a training set, with which new frames are compared."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import ndimage

RANGE = (5, 50, 95)  # percentiles that describe the frames and cells of a training set
MEASURED_PX = 512  # side of the part in which sharpness is measured


def describe_frame(frame: np.ndarray) -> dict[str, float]:
    """Describe the grey values of a frame (height, width, channels), averaged over its channels.

    Returns intensity_mean, intensity_sd, contrast, (b − a) / (|b| + |a|) of the percentiles a = 0.5 and b = 99.5
    (Michelson), and the sharpness of the frame's middle.
    """
    grey = np.atleast_3d(frame).mean(-1, dtype=np.float32)
    low, high = np.percentile(grey, (0.5, 99.5))
    middle = tuple(slice(max(0, (side - MEASURED_PX) // 2), (side + MEASURED_PX) // 2) for side in grey.shape)
    return {
        "intensity_mean": float(grey.mean(dtype=np.float64)),
        "intensity_sd": float(grey.std(dtype=np.float64)),
        "contrast": float((high - low) / (abs(high) + abs(low) + 1e-9)),
        "sharpness": sharpness(grey[middle]),
    }


def sharpness(grey: np.ndarray) -> float:
    """Return the standard deviation of structures of 1 to 2 px over that of 2 to 8 px (differences of Gaussians).

    It hardly changes with the number of cells, and falls by about 40 % with a blur of 2 px. grey is (height, width).
    """
    fine, middle, coarse = (ndimage.gaussian_filter(grey, sigma) for sigma in (1, 2, 8))
    return float(np.std(fine - middle) / max(np.std(middle - coarse), 1e-12))


def reference(frames: Iterable[np.ndarray], labels: Iterable[np.ndarray] = ()) -> dict[str, list[float]]:
    """Return the usual range of training frames (height, width, channels) and of the cells in label images.

    Returns the percentiles 5, 50 and 95 over frames of the values of `describe_frame`, and over cells of cell_area_px,
    which is left out if there are no cells.

    >>> reference([np.full((2, 2, 1), 7.0)], [np.array([[1, 1], [0, 2]])])["cell_area_px"]
    [1.05, 1.5, 1.95]
    """
    described = [describe_frame(frame) for frame in frames]
    values: dict[str, Sequence[float] | np.ndarray] = {}
    if described:
        values = {name: [each[name] for each in described] for name in described[0]}
    areas = [np.unique(page[page > 0], return_counts=True)[1] for page in labels]
    values["cell_area_px"] = np.concatenate(areas) if areas else []
    return {
        name: [float(f"{value:.6g}") for value in np.percentile(own, RANGE)]
        for name, own in values.items()
        if len(own)
    }
