"""Write labels as OME-Zarr 0.4 (https://ngff.openmicroscopy.org/0.4/): for recordings that are too long for one file."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from brightcell.files import whole

from .zarr_folder import ZarrArray, write_group

SIDE = 1024  # of a chunk, and of the smallest picture of the pyramid


def write_labels(
    path: Path,
    pages: Iterable[np.ndarray],
    shape: tuple[int, int, int],
    dtype: np.dtype,
    name: str,
    pixel_size_um: float = math.nan,
    interval_min: float | None = None,
) -> None:
    """Write label images (height, width), one at a time, as a pyramid whose levels have half the size each.

    shape : frames, height, width; pages that are smaller lie at its upper left
    pixel_size_um, interval_min : nan and None if unknown
    """
    frames, height, width = shape
    levels = 1 + max(0, math.ceil(math.log2(max(height, width) / SIDE)))
    with whole(path) as temporary:
        arrays = [
            ZarrArray(temporary / str(level), (frames, -(-height // step), -(-width // step)), (1, SIDE, SIDE), dtype)
            for level, step in enumerate(2**level for level in range(levels))
        ]  # fmt: skip
        for time, page in enumerate(pages):
            for level, array in enumerate(arrays):
                small = page[:: 2**level, :: 2**level]
                for row in range(0, small.shape[0], SIDE):
                    for column in range(0, small.shape[1], SIDE):
                        block = small[None, row : row + SIDE, column : column + SIDE]
                        array.write_chunk((time, row // SIDE, column // SIDE), block)
        write_group(temporary, _attributes(name, levels, pixel_size_um, interval_min))


def _attributes(name: str, levels: int, pixel_size_um: float, interval_min: float | None) -> dict:
    """Return the attributes of the pyramid, whose image is marked as labels."""
    sized, timed = math.isfinite(pixel_size_um), interval_min is not None
    side = pixel_size_um if sized else 1.0
    space = {"type": "space"} | ({"unit": "micrometer"} if sized else {})
    axes = [
        {"name": "t", "type": "time"} | ({"unit": "minute"} if timed else {}),
        {"name": "y"} | space,
        {"name": "x"} | space,
    ]
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {"type": "scale", "scale": [interval_min if timed else 1.0, side * 2**level, side * 2**level]}
            ],
        }
        for level in range(levels)
    ]
    pyramid = {"version": "0.4", "name": name, "axes": axes, "datasets": datasets, "type": "nearest"}
    return {"multiscales": [pyramid], "image-label": {"version": "0.4"}}
