"""Look for faults in one mask: empty or full masks, cells in pieces or merged, specks and holes."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from brightcell.errors import counted

SPECK_PX = 10
WAIST = 0.5  # half the width of a waist at which a cell may be two, as a share of its largest radius
LOBE = 0.6  # least radius of the smaller lobe, as a share of the largest
COMPACT = 0.25  # least share of its box that a cell fills
LARGEST_INDEX = 1_000_000
SCATTERED_SHARE, FEW = 0.5, 3  # if more numbers than this are in pieces, they are no cells
MANY = 4  # no cell is in so many pieces
EFFORT = 30  # limit of the pixels examined for single cells, in frames; only scattered numbers reach it
EVERYWHERE = np.ones((3, 3), bool)


class MaskObject(NamedTuple):
    """A cell: its number, centre (row, column), radius of the circle around it and area in px, faults and box."""

    number: int
    row: float
    column: float
    radius: float
    area: int
    faults: tuple[str, ...]
    box: tuple[slice, slice]


def mask_findings(labels: np.ndarray, mask_type: str, cells: list[MaskObject]) -> dict[str, str]:
    """Return the findings in int labels (height, width) with the `cells` of `find_objects`, in words by name."""
    if not cells:
        return {"empty_mask": "no cell in the mask"}
    foreground = labels > 0
    findings = {"full_mask": "every pixel of the mask is cell"} if foreground.all() else {}
    if mask_type == "instances":
        largest = max(cells, key=lambda cell: cell.area)
        foreground = labels == largest.number  # the background may be drawn as one big cell
    border = np.concatenate([foreground[0], foreground[-1], foreground[1:-1, 0], foreground[1:-1, -1]])
    if foreground.mean() > 0.5 and border.mean() > 0.5 and not foreground.all():
        what = f"the cell {largest.number} fills" if mask_type == "instances" else "cells fill"
        findings["mostly_cell"] = (
            f"{what} {foreground.mean():.0%} of the frame and {border.mean():.0%} of its border"
        )
    words = {
        "pieces": ("is in several pieces", "are in several pieces"),
        "merged": ("has a narrow waist", "have a narrow waist"),
        "holes": ("has holes", "have holes"),
        "specks": (f"has fewer than {SPECK_PX} pixels", f"have fewer than {SPECK_PX} pixels"),
    }
    for name, (one, many) in words.items():
        numbers = [cell.number for cell in cells if name in cell.faults]
        if numbers:
            findings[name] = (
                f"{len(numbers)} of {counted(len(cells), 'cell')} {one if len(numbers) == 1 else many}: {_few(numbers)}"
            )
    torn = sum("pieces" in cell.faults for cell in cells)
    strewn = sum("strewn" in cell.faults for cell in cells)
    most = (torn >= FEW and torn > SCATTERED_SHARE * len(cells)) or strewn >= SCATTERED_SHARE * len(cells)
    if mask_type == "instances" and torn and most:
        repeated = sum("far apart" in cell.faults for cell in cells)
        if repeated >= FEW and repeated > SCATTERED_SHARE * torn:
            findings["repeated"] = f"{repeated} of {len(cells)} numbers stand for several cells far apart"
        else:
            findings["scattered"] = f"{torn} of {len(cells)} numbers are in several pieces"
        findings.pop("pieces")
    return findings


def find_objects(labels: np.ndarray) -> list[MaskObject]:
    """Measure each cell of int labels (height, width) within its own box.

    If numbers are scattered over the frame, only as many cells are examined as take a reasonable time.
    """
    cells, effort = [], 0
    for number, box in _boxes(labels):
        own = labels[box] == number
        (top, left), (height, width) = (part.start for part in box), own.shape
        middle = top + (height - 1) / 2, left + (width - 1) / 2
        area, faults = int(np.count_nonzero(own)), tuple(_faults(own))
        cells.append(MaskObject(number, *middle, float(np.hypot(height, width) / 2), area, faults, box))
        effort += own.size
        if effort > EFFORT * labels.size:
            break
    typical = np.median([cell.area for cell in cells]) if cells else 0
    return [
        cell._replace(faults=("merged",))
        if not cell.faults
        and cell.area > max(1.2 * typical, 100)
        and _has_waist(labels[cell.box] == cell.number)
        else cell
        for cell in cells
    ]


def touching_share(labels: np.ndarray, cells: int) -> float:
    """Return which share of the `cells` in int labels (height, width) touches another; nan without cells."""
    touching = [
        np.unique(np.stack([one[border], other[border]]))
        for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1]))
        for border in [(one != other) & (one > 0) & (other > 0)]
    ]
    return len(np.unique(np.concatenate(touching))) / cells if cells else np.nan


def _boxes(labels: np.ndarray) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Yield the number and the box of each cell."""
    numbers, places = None, labels
    if labels.max(initial=0) > LARGEST_INDEX:
        numbers = np.unique(labels[labels > 0])
        places = np.where(labels > 0, np.searchsorted(numbers, labels) + 1, 0).astype(np.int32)
    for index, box in enumerate(ndimage.find_objects(places)):
        if box is not None:
            yield index + 1 if numbers is None else int(numbers[index]), box


def _faults(own: np.ndarray) -> Iterator[str]:
    """Yield the faults of one cell, bool in its box."""
    area = np.count_nonzero(own)
    if area < SPECK_PX:
        yield "specks"
    if area == own.size:
        return
    own = np.pad(own, 1)
    # Thin parts of a cell may separate when a mask is scaled down: pieces at most 2 px apart still belong together.
    if ndimage.label(own, EVERYWHERE)[1] > 1:
        pieces, count = ndimage.label(ndimage.binary_dilation(own, EVERYWHERE))
        if count > 1:
            yield "pieces"
            if _far_apart(own, pieces):
                yield "far apart"
        if count >= MANY and np.count_nonzero(np.bincount(pieces[own])[1:] >= SPECK_PX) >= MANY:
            yield "strewn"
    if ndimage.label(~own)[1] > 1:
        yield "holes"


def _far_apart(own: np.ndarray, pieces: np.ndarray) -> bool:
    """Return whether the pixels of a number, bool, are compact pieces of similar size, further apart than they are long."""
    areas = np.bincount(pieces[own], minlength=pieces.max() + 1)[1:]
    boxes = [box for box in ndimage.find_objects(pieces) if box is not None]
    large = [at for at in np.argsort(-areas).tolist() if areas[at] >= max(SPECK_PX, areas.max() / 4)]
    if len(large) < 2 or areas[large].sum() < 0.8 * areas.sum():
        return False
    sides = [[part.stop - part.start for part in boxes[at]] for at in large]
    if any(areas[at] < COMPACT * height * width for at, (height, width) in zip(large, sides, strict=True)):
        return False
    (one, other), longest = (boxes[at] for at in large[:2]), max(max(each) for each in sides)
    gaps = [max(a.start, b.start) - min(a.stop, b.stop) for a, b in zip(one, other, strict=True)]
    return max(gaps) > longest / 2


def _has_waist(own: np.ndarray) -> bool:
    """Return whether a cell, bool in its box, has two lobes of similar size and a narrow waist."""
    depth = ndimage.distance_transform_edt(np.pad(own, 1))
    largest = depth.max()
    lobes, count = ndimage.label(depth > WAIST * largest, EVERYWHERE)
    if count < 2:
        return False
    tops = np.sort(ndimage.maximum(depth, lobes, range(1, count + 1)))
    return bool(tops[-2] >= LOBE * largest)


def _few(numbers: list[int]) -> str:
    return (
        f"number{'s' * (len(numbers) > 1)} "
        + ", ".join(map(str, numbers[:5]))
        + (" and more" if len(numbers) > 5 else "")
    )
