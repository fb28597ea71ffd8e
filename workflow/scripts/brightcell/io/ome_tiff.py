"""Write the pages of a recording as OME-TIFF, with its axes and pixel size."""

import math
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import tifffile

from brightcell.files import whole

Size = tuple[int, int, float]  # height, width, pixel size in µm (nan if unknown)


def write_ome(
    path: str | Path, pages: Iterable[np.ndarray], sizes: Iterable[Size], dtype: np.dtype, name: str
) -> int:
    """Write pages (height, width) in the order of time, one at a time; return the number of series.

    Consecutive frames of one size form a series with the axes TYX. Another size or pixel size begins the next series.

    Parameters
    ----------
    pages : arrays that fit into `dtype`
    sizes : the size of each page
    name : name of the series, followed by a number if there are several
    """
    runs = [(size, sum(1 for _ in run)) for size, run in groupby(sizes, key=_comparable)]
    pages = iter(pages)
    with whole(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=True, ome=True) as writer:
        for number, ((height, width, pixel_um), count) in enumerate(runs, start=1):
            writer.write(
                _typed(islice(pages, count), dtype),
                shape=(count, height, width),
                dtype=dtype,
                compression="zlib",
                predictor=True,
                photometric="minisblack",
                metadata={
                    "axes": "TYX",
                    "Name": name if len(runs) == 1 else f"{name} {number}",
                    **(_physical(pixel_um) if pixel_um else {}),
                },
            )
    return len(runs)


def places(sizes: Iterable[Size]) -> list[tuple[int, int]]:
    """Return the series, from 1, and the place in it, from 0, at which `write_ome` writes pages of these sizes.

    >>> places([(4, 6, 0.5), (4, 6, 0.5), (8, 6, 0.5)])
    [(1, 0), (1, 1), (2, 0)]
    """
    runs = groupby(sizes, key=_comparable)
    return [(number, place) for number, (_, run) in enumerate(runs, start=1) for place, _ in enumerate(run)]


def smallest_type(largest: int) -> np.dtype:
    """Return the smallest unsigned integer type that holds labels up to `largest`.

    >>> smallest_type(255), smallest_type(256), smallest_type(70_000)
    (dtype('uint8'), dtype('uint16'), dtype('uint32'))
    """
    return np.min_scalar_type(int(largest))


def _comparable(size: Size) -> tuple[int, int, float | None]:
    height, width, pixel_um = size
    return int(height), int(width), None if math.isnan(pixel_um) else float(pixel_um)


def _typed(pages: Iterable[np.ndarray], dtype: np.dtype) -> Iterator[np.ndarray]:
    for page in pages:
        yield page.astype(dtype)


def _physical(pixel_um: float) -> dict:
    return {
        "PhysicalSizeX": pixel_um,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": pixel_um,
        "PhysicalSizeYUnit": "µm",
    }
