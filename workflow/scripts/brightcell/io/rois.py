"""Draw the outlines of cells along the edges of their pixels, as ImageJ ROIs and as GeoJSON for QuPath.

Both programs count coordinates from the outer corner of the first pixel. An outline along the edges of pixels so holds
exactly the pixels of the label, without its holes.
"""

import uuid
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import roifile
from scipy import ndimage
from skimage import measure

# int (points, 2), not closed: x to the right, y down, in px from the outer corner of the first pixel
Ring = np.ndarray
MOVE, LINE, CLOSE = 0, 1, 4  # of java.awt.geom.PathIterator, which ImageJ uses to write composite ROIs
IDS = uuid.UUID("5b8f7a52-5f0e-4e0c-9d0b-8f2d7e6c1a34")


class Outline(NamedTuple):
    """The parts of a cell, each an outer ring and the rings of its holes."""

    cell: int
    parts: list[list[Ring]]


def outlines(labels: np.ndarray) -> Iterator[Outline]:
    """Yield the outline of every cell of a label image, int (height, width), in the order of their numbers."""
    for cell, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            yield Outline(cell, parts(labels[box] == cell, box[1].start, box[0].start))


def parts(pixels: np.ndarray, left: int = 0, top: int = 0) -> list[list[Ring]]:
    """Outline the pixels of one cell, bool (height, width), whose first pixel lies at (left, top).

    Pixels that only touch at a corner are in different parts, and no ring touches itself, so that the polygons are valid
    (OGC simple features).

    >>> [[ring.tolist() for ring in rings] for rings in parts(np.ones((1, 2), bool))]
    [[[[0, 1], [0, 0], [2, 0], [2, 1]]]]
    """
    found = [
        loop
        for contour in measure.find_contours(np.pad(pixels, 1).astype(np.float64), 0.5, fully_connected="low")
        for loop in _simple_loops(_corners(contour))
    ]
    offset = np.array([left, top])
    areas = [signed_area(ring) for ring in found]
    shells = [ring for ring, area in zip(found, areas, strict=True) if area > 0]
    holes = [ring for ring, area in zip(found, areas, strict=True) if area < 0]
    grouped = [[shell] for shell in shells]
    for hole in holes:
        grouped[_around(hole, shells)].append(hole)
    return [[ring + offset for ring in rings] for rings in grouped]


def signed_area(ring: Ring) -> float:
    """Return the area of a ring in px², by the shoelace formula: positive for outer rings, negative for holes."""
    x, y = ring[:, 0].astype(np.int64), ring[:, 1].astype(np.int64)
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def imagej_roi(outline: Outline, name: str, frame: int) -> roifile.ImagejRoi:
    """Convert an outline to an ROI at a frame, from 0: traced, or composite if it has holes or several parts."""
    rings = [ring for part in outline.parts for ring in part]
    points = np.concatenate(rings)
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    roi = roifile.ImagejRoi(
        name=name,
        t_position=frame + 1,
        left=int(left),
        top=int(top),
        right=int(right),
        bottom=int(bottom),
        options=roifile.ROI_OPTIONS(0),
    )
    if len(rings) > 1:
        roi.roitype = roifile.ROI_TYPE.RECT
        roi.multi_coordinates = _path(rings)
        roi.shape_roi_size = len(roi.multi_coordinates)
        return roi
    roi.roitype = roifile.ROI_TYPE.TRACED
    roi.integer_coordinates = (rings[0] - [left, top]).astype(np.int32)
    roi.n_coordinates = len(rings[0])
    return roi


def geojson_feature(
    outline: Outline,
    recording: str,
    sample: str,
    frame: int,
    place: tuple[int, int],
    measurements: dict[str, float],
    kind: str = "detection",
) -> dict:
    """Convert an outline to a GeoJSON feature as QuPath reads it: an object with its place in time.

    place : series of labels.ome.tif, from 1, and time in it, from 0; see `ome_tiff.places`
    kind : detection, or annotation, which can be edited in QuPath
    """
    series, time = place
    rings = [[[*ring.tolist(), ring[0].tolist()] for ring in part] for part in outline.parts]
    one = len(rings) == 1
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(IDS, f"{recording}/{sample}/{outline.cell}")),
        "geometry": {
            "type": "Polygon" if one else "MultiPolygon",
            "coordinates": rings[0] if one else rings,
            "plane": {"c": -1, "z": 0, "t": time},
        },
        "properties": {
            "objectType": kind,
            "name": f"{sample}_{outline.cell}",
            "sample": sample,
            "frame": frame,
            "series": series,
            "cell": outline.cell,
            "measurements": measurements,
        },
    }


def _corners(contour: np.ndarray) -> Ring:
    """Convert a closed contour of `find_contours` to the corners at which its pixels' edges turn.

    Each point of the contour is the middle of an edge between a pixel of the cell and one outside. Two consecutive
    edges, one vertical and one horizontal, meet in a corner.
    """
    rows, columns = contour[:-1].T
    next_rows, next_columns = np.roll(rows, -1), np.roll(columns, -1)
    level, next_level = rows % 1 != 0, next_rows % 1 != 0
    turns = level != next_level
    y = np.where(level, rows, next_rows)[turns] - 0.5
    x = np.where(level, next_columns, columns)[turns] - 0.5
    return np.stack([x, y], axis=1).astype(np.int64)


def _simple_loops(ring: Ring) -> list[Ring]:
    """Split a ring that touches itself in corners into rings that do not."""
    points = list(map(tuple, ring.tolist()))
    if len(set(points)) == len(points):
        return [ring]
    loops: list[Ring] = []
    path: list[tuple] = []
    place: dict[tuple, int] = {}
    for point in points:
        if point in place:
            start = place[point]
            loops.append(np.array(path[start:]))
            for left in path[start + 1 :]:
                del place[left]
            del path[start + 1 :]
        else:
            place[point] = len(path)
            path.append(point)
    return [*loops, np.array(path)]


def _around(hole: Ring, shells: list[Ring]) -> int:
    """Return the index of the outer ring around a hole: the smallest one that contains the hole's first pixel."""
    if len(shells) == 1:
        return 0
    first = hole[np.lexsort(hole.T)[0]] + 0.5
    around = [index for index, shell in enumerate(shells) if measure.points_in_poly([first], shell)[0]]
    return min(around, key=lambda index: signed_area(shells[index]))


def _path(rings: list[Ring]) -> np.ndarray:
    """Return rings as ImageJ writes them: an operation, then its point, float32."""
    words: list[float] = []
    for ring in rings:
        for index, (x, y) in enumerate(ring.tolist()):
            words += [LINE if index else MOVE, x, y]
        words.append(CLOSE)
    return np.array(words, np.float32)
