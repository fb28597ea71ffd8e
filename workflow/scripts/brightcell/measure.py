"""Measure single cells in label images."""

import numpy as np
import pandas as pd
from skimage import measure, segmentation

SHAPE = (
    "label",
    "area",
    "perimeter",
    "axis_major_length",
    "axis_minor_length",
    "eccentricity",
    "solidity",
    "centroid",
)


def measure_cells(labels: np.ndarray, image: np.ndarray, pixel_size_um: float | None = None) -> pd.DataFrame:
    """Measure every cell of a frame.

    Parameters
    ----------
    labels : int (height, width)
        0 is background.
    image : (height, width, channels)
        For mean intensities.
    pixel_size_um : float, optional
        Without it lengths in µm and areas in µm² are NaN.

    Returns
    -------
    pandas.DataFrame
        A row a cell: cell, area_px, area_um2, perimeter_um, major_axis_um, minor_axis_um, eccentricity, solidity,
        row_px, column_px, intensity_1 …, touches_border.
    """
    um = np.nan if pixel_size_um is None else pixel_size_um
    found = measure.regionprops_table(labels, np.atleast_3d(image), properties=(*SHAPE, "intensity_mean"))
    inner = np.unique(segmentation.clear_border(labels))
    channels = [name for name in found if name.startswith("intensity_mean")]
    return pd.DataFrame(
        {
            "cell": found["label"],
            "area_px": found["area"].astype(int),
            "area_um2": found["area"] * um**2,
            "perimeter_um": found["perimeter"] * um,
            "major_axis_um": found["axis_major_length"] * um,
            "minor_axis_um": found["axis_minor_length"] * um,
            "eccentricity": found["eccentricity"],
            "solidity": found["solidity"],
            "row_px": found["centroid-0"],
            "column_px": found["centroid-1"],
            **{f"intensity_{number}": found[name] for number, name in enumerate(channels, start=1)},
            "touches_border": ~np.isin(found["label"], inner),
        }
    )


def shapes(labels: np.ndarray) -> pd.DataFrame:
    """Measure the shape of every cell of a label image (height, width): eccentricity, solidity; a row a cell."""
    return pd.DataFrame(measure.regionprops_table(labels, properties=("eccentricity", "solidity")))
