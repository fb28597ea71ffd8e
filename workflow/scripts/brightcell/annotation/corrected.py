"""Take back crops that a person has corrected: check the files, keep every version."""

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from brightcell import files
from brightcell.errors import InputError, counted
from brightcell.io import masks

from . import drawing

SHOWN = 10  # problems that are written out; the rest are counted


def read(
    paths: list[Path],
    picture: Path,
    shape: tuple[int, int],
    started: np.ndarray,
    images: dict,
    accept_empty: bool,
) -> np.ndarray:
    """Read and check the corrected cells of a crop; int32 (height, width), below 0 where pixels do not count.

    Parameters
    ----------
    paths : the files found for it
    picture, shape : of the crop
    started : the predicted cells
    images : the config's `images`
    accept_empty : take a crop without any cell

    Raises InputError with what is wrong.
    """
    if len(paths) > 1:
        raise InputError(
            f"{', '.join(str(path) for path in paths)}: {len(paths)} corrections of one crop. Expected one: keep the one that "
            "counts."
        )
    (path,) = paths
    if path.is_dir():
        raise InputError(
            f"{path}: a folder. Expected a file: save all ROIs as one .zip, or the cells as a label image."
        )
    if path.read_bytes() == picture.read_bytes():
        raise InputError(
            f"{path}: the picture of the crop. Expected its cells: a label image, ROIs, GeoJSON or a _seg.npy."
        )
    labels = masks.read_mask(
        path,
        mask_type(images),
        shape=shape,
        image=picture,
        ignore=images["ignore_value"],
        classes=images["cell_classes"],
    ).labels
    masks.check_size_of_mask(path, labels.shape, picture, shape)
    check_numbers(path, labels)
    if not (labels > 0).any() and not accept_empty:
        raise InputError(
            f"{path}: no cell in it; {counted(int(started.max()), 'cell was', 'cells were')} predicted. Expected the cells of the "
            "crop. If it truly shows none, write `check: {ignore: [empty_mask]}` into the config."
        )
    return labels


def mask_type(images: dict) -> str:
    """Return how the numbers of corrected cells are meant; images : the config's `images`"""
    return "pieces" if images["mask_type"] == "pieces" else "instances"


def check_numbers(path: Path, labels: np.ndarray) -> None:
    """Raise InputError if a number stands in several places: cells joined by accident, or a stray piece."""
    pieces = drawing.pieces(np.maximum(labels, 0))
    first = np.unique(pieces, return_index=True)[1][1:]
    numbers, counts = np.unique(labels.ravel()[first], return_counts=True)
    twice = numbers[counts > 1]
    if not len(twice):
        return
    if len(numbers) == 1:
        raise InputError(
            f"{path}: all {counts[0]} cells have the number {numbers[0]}, so that cells that touch cannot be told apart. Expected a "
            "number for each cell: save a label image, not a binary mask."
        )
    places = [
        divmod(int(at), labels.shape[1])
        for at, number in zip(first, labels.ravel()[first], strict=True)
        if number == twice[0]
    ]
    where = " and ".join(f"row {row}, column {column}" for row, column in places[:3])
    more = f"; so do {len(twice) - 1} other numbers" if len(twice) > 1 else ""
    raise InputError(
        f"{path}: the number {twice[0]} stands in {len(places)} places, from {where} on{more}. Expected a number of its own for "
        "each cell: give one of the two another number, or erase a stray piece. If numbers mean nothing and every connected "
        "area is a cell: `images: {mask_type: pieces}` in the config."
    )


def keep(path: Path, versions: Path, crop: str) -> Path:
    """Copy a person's file into the folder of versions, unless it is the newest one there; return the copy.

    Versions are numbered from 1, and none is ever written again or removed.
    """
    ending = path.name[len(crop) :]
    kept = sorted(versions.glob(f"{crop}.v*"), key=_number)
    if kept and files.digest(kept[-1]) == files.digest(path) and kept[-1].name.endswith(ending):
        return kept[-1]
    copy = versions / f"{crop}.v{_number(kept[-1]) + 1 if kept else 1}{ending}"
    with files.whole(copy) as temporary:
        shutil.copyfile(path, temporary)
    return copy


def _number(path: Path) -> int:
    found = re.search(r"\.v(\d+)", path.name)
    return int(found[1]) if found else 0


def refuse_held_out(
    crops: Mapping[str, dict], closed: Mapping[str, str], annotated: Iterable[str]
) -> list[str]:
    """Return why crops must not be trained on: their recordings test networks, or their frames have masks.

    closed, annotated : of `held_out`
    """
    annotated = set(annotated)
    problems = []
    for name, about in crops.items():
        if about["recording"] in closed:
            problems.append(
                f"{name}: its recording {about['recording']} is or shares frames with the group {closed[about['recording']]} of the "
                "sample sheet, which tests or validates networks. Expected recordings that do not: trained on it, they would "
                "score too high (leakage). Remove the correction, or the group from the sheet."
            )
        elif about["sample"] in annotated:
            problems.append(
                f"{name}: its frame {about['image']} has a mask in the sample sheet. Expected one truth for a frame: remove the "
                "correction, or the row."
            )
    return problems


def complain(problems: list[str]) -> None:
    """Raise one InputError with all problems, if there are any."""
    if not problems:
        return
    if len(problems) == 1:
        raise InputError(problems[0])
    listed = "".join(f"\n  {problem}" for problem in problems[:SHOWN])
    more = f"\n  … and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    raise InputError(f"{len(problems)} problems with corrected crops{listed}{more}")
