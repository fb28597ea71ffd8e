"""Outline the cells of a recording for other programs: ROIs for ImageJ, GeoJSON for QuPath."""

import math
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import pandas as pd

from brightcell.io import ome_tiff, rois

MEASUREMENTS = ("area_px", "area_um2", "confidence", "disagreement")


def measurements(cell: dict[str, str]) -> dict[str, float]:
    """Return the measurements of a cell; unknown ones are left out."""
    values = {name: float(cell[name]) for name in MEASUREMENTS}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def outline_cells(
    pages: Iterable[np.ndarray], frames: pd.DataFrame, cells: Iterable[dict[str, str]], recording: str
) -> Iterator[tuple[str, bytes, dict]]:
    """Yield name, ImageJ ROI and GeoJSON feature of each cell; one frame is held at a time.

    pages : the label image of each frame; frames : frames.tsv; cells : the rows of cells.tsv as text, in its order
    """
    cells = iter(cells)
    sizes = zip(frames["height"], frames["width"], frames["pixel_size_um"], strict=True)
    for page, frame, place in zip(pages, frames.itertuples(), ome_tiff.places(sizes), strict=True):
        own = islice(cells, frame.cells)
        for outline, cell in zip(rois.outlines(page.astype(np.int32)), own, strict=True):
            name = f"{frame.sample}_{outline.cell}"
            feature = rois.geojson_feature(
                outline, recording, frame.sample, int(frame.frame), place, measurements(cell)
            )
            yield name, rois.imagej_roi(outline, name, place[1]).tobytes(), feature
