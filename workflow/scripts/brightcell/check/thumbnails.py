"""Small pictures of frames with the outlines of cells and the places of faults."""

import base64
import io
from collections import Counter

import numpy as np
from PIL import Image

from brightcell.io.rasterize import outline_pixels
from brightcell.preprocessing.normalisation import normalise
from brightcell.preprocessing.rescaling import rescale_image, resize_labels

from .alignment import Fit
from .findings import FINDINGS
from .frames import block_mean
from .masks import MaskObject

SIDE = 240  # px
LARGE_SIDE = 1024  # px of a frame that are shown unreduced
OUTLINE = (255, 190, 0)
MARKS = 30  # faulty cells of one kind that are marked
LEAST_RADIUS = 5  # px in the picture, so that a speck's mark is visible


def thumbnail(image: np.ndarray, labels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Draw a small picture of a frame with its cells' outlines; uint8 (height, width, 3), longest side at most `side`."""
    frame = np.atleast_3d(image)
    frame = frame if frame.shape[-1] == 3 else frame[..., :1]
    factor = min(1, side / max(labels.shape))
    height, width = (max(1, round(length * factor)) for length in labels.shape)
    # Most of the reduction is by blocks, which needs no copy of a large frame.
    size = max(1, max(labels.shape) // (2 * side))
    picture = block_mean(frame, size)
    picture = rescale_image(np.clip(normalise(picture), 0, 1), height / picture.shape[0])
    picture = np.repeat(picture, 3 // picture.shape[-1], axis=-1)[:height, :width]
    drawn = outline_pixels(resize_labels(labels, picture.shape[:2]))
    picture = np.round(255 * picture).astype(np.uint8)
    picture[drawn] = OUTLINE
    return picture


def data_uri(picture: np.ndarray) -> str:
    """Return a picture as a data URI: a PNG of 64 colours as text."""
    return _uri(Image.fromarray(picture).quantize(64, dither=Image.Dither.NONE), "PNG", optimize=True)


def _uri(picture: Image.Image, kind: str, **options: object) -> str:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def shown_part(
    shape: tuple[int, ...], cells: list[MaskObject], side: int = LARGE_SIDE
) -> tuple[slice, slice]:
    """Choose the rows and columns of a frame to show unreduced: all, or around a faulty cell or the middle one."""
    ranked = sorted(cells, key=lambda cell: (not cell.faults, abs(cell.row - shape[0] / 2)))
    centre = (ranked[0].row, ranked[0].column) if ranked else (shape[0] / 2, shape[1] / 2)
    starts = [
        int(np.clip(middle - side / 2, 0, max(0, length - side)))
        for middle, length in zip(centre, shape, strict=False)
    ]
    rows, columns = (
        slice(start, min(length, start + side)) for start, length in zip(starts, shape, strict=False)
    )
    return rows, columns


def large_picture(image: np.ndarray, labels: np.ndarray, part: tuple[slice, slice]) -> tuple[str, str]:
    """Draw a part of a frame unreduced, and its cells' outlines apart from it; both as data URIs."""
    frame = np.atleast_3d(image)
    frame = frame if frame.shape[-1] == 3 else frame[..., 0]
    grey = np.round(255 * np.clip(normalise(frame), 0, 1)).astype(np.uint8)[part]
    drawn = Image.fromarray(outline_pixels(labels)[part].astype(np.uint8))
    drawn.putpalette([0, 0, 0, *OUTLINE])
    return (
        _uri(Image.fromarray(grey), "JPEG", quality=80),
        _uri(drawn, "PNG", optimize=True, transparency=0, bits=1),
    )


def cell_marks(cells: list[MaskObject], factor: float, origin: tuple[int, int] = (0, 0)) -> list[dict]:
    """Return a circle for each faulty cell, at most MARKS of a kind: x, y, radius in px of a picture, finding, text.

    factor : sides of the picture divided by those of the frame; origin : the frame's (row, column) at its corner.
    """
    marks: list[dict] = []
    number: Counter[str] = Counter()
    for cell in cells:
        for finding in filter(FINDINGS.__contains__, cell.faults):
            number[finding] += 1
            if number[finding] <= MARKS:
                row, column = cell.row - origin[0], cell.column - origin[1]
                x, y, radius = (round(factor * value, 1) for value in (column, row, cell.radius))
                text = f"{finding}: number {cell.number}"
                marks.append(
                    {"x": x, "y": y, "radius": max(radius, LEAST_RADIUS), "finding": finding, "text": text}
                )
    return marks


def shift_mark(
    fit: Fit | None, findings: dict[str, str], shape: tuple[int, ...], factor: float
) -> dict | None:
    """Return the arrow from where the mask is to where it fits: x, y, dx, dy in px of a picture; None without a shift."""
    if fit is None or not findings.keys() & {"shifted", "offset"}:
        return None
    return {
        "x": round(factor * shape[1] / 2, 1),
        "y": round(factor * shape[0] / 2, 1),
        "dx": round(factor * fit.columns, 1),
        "dy": round(factor * fit.rows, 1),
    }
