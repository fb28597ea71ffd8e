"""Rescale images, label images and maps to another pixel size."""

import math

import numpy as np
from skimage import transform

from brightcell.errors import InputError

LARGEST_FACTOR, SMALLEST_FACTOR = 10, 0.02  # outside this range, µm and nm were probably confused


def scale_factor(pixel_size_um: float | None, working_pixel_size_um: float | None) -> float:
    """Return the factor by which a frame's sides are multiplied; 1 if a pixel size is unknown (None or NaN).

    Raises InputError for an implausible factor.
    """
    if not pixel_size_um or not working_pixel_size_um or math.isnan(pixel_size_um):
        return 1.0
    factor = pixel_size_um / working_pixel_size_um
    if not SMALLEST_FACTOR <= factor <= LARGEST_FACTOR:
        raise InputError(
            f"a pixel of {pixel_size_um:g} µm, brought to working_pixel_size_um {working_pixel_size_um:g}, makes frames "
            f"{factor:g} times as large. Expected {SMALLEST_FACTOR} to {LARGEST_FACTOR} times: "
            "are both in µm, and of the specimen, not of the camera?"
        )
    return factor


def diameter_factor(diameter_px: float, wanted_px: float) -> float:
    """Return the factor that brings cells of one diameter to another; raises InputError for an implausible one."""
    factor = wanted_px / diameter_px
    if not SMALLEST_FACTOR <= factor <= LARGEST_FACTOR:
        raise InputError(
            f"cell_diameter_px {diameter_px:g}, brought to {wanted_px:.3g} px, makes frames {factor:.3g} times as large. "
            f"Expected {SMALLEST_FACTOR} to {LARGEST_FACTOR} times: give the diameter of a typical cell in pixels of the file."
        )
    return factor


def rescale_image(image: np.ndarray, factor: float) -> np.ndarray:
    """Rescale (height, width, channels) by a factor, bilinear, anti-aliased; float32 unless the factor is 1."""
    if factor == 1:
        return image
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return transform.resize(
        image.astype(np.float32), (height, width, image.shape[2]), order=1, anti_aliasing=factor < 1
    ).astype(np.float32)


def rescale_labels(labels: np.ndarray, factor: float) -> np.ndarray:
    """Rescale a label image by a factor, see `resize_labels`: labels are kept, cells neither grow nor move."""
    height, width = (max(1, round(side * factor)) for side in labels.shape)
    return resize_labels(labels, (height, width))


def resize_labels(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a label image to (height, width) by nearest neighbour, without a shift.

    At factors such as 1/2 and 3/4 some new pixels lie in the middle between old ones, two of a row or four of a square.
    They get the label that most of these have. Where that is undecided, they get the smaller and the larger label in turn,
    like the fields of a chessboard, so that cells neither move nor grow.
    """
    rows, columns = (_nearest(old, new) for old, new in zip(labels.shape, shape, strict=True))
    if all((before == after).all() for before, after in (rows, columns)):
        return labels[np.ix_(rows[0], columns[0])]
    nearest = np.sort([labels[np.ix_(row, column)] for row in rows for column in columns], axis=0)
    odd = np.indices(shape).sum(axis=0) % 2 == 1
    return np.where(odd, nearest[2], nearest[1])


def _nearest(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest old pixel of every new one along an axis, twice: the two differ where two are equally near.

    The centre of new pixel i lies at (2 i + 1) old / (2 new), and where that is whole on the border of two old pixels.
    """
    places = (2 * np.arange(new) + 1) * old
    return (places - 1) // (2 * new), places // (2 * new)


def resize_map(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a map of real numbers to (height, width), bilinear; float32."""
    if values.shape == tuple(shape):
        return values
    return transform.resize(values, shape, order=1, mode="edge", anti_aliasing=False).astype(np.float32)
