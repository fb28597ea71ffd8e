"""Find the frames of recordings without masks: by a sheet, or by a pattern of paths such as new/*.tif."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from . import naming, samples
from .errors import InputError
from .layouts import IMAGE_SUFFIXES
from .settings import expand

LOOKED_INTO = 100  # so many files are opened to count their pages; of more each counts as one frame


def read(options: dict, check_files: bool = True) -> pd.DataFrame:
    """Read the table of the frames that the config's `segment` names, see `samples.read_samples`; may be empty."""
    if options["samples"]:
        return samples.read_samples(
            expand(options["samples"]), masks=False, check_files=check_files, key="segment.samples"
        )
    if options["images"]:
        return find_frames(expand(options["images"]), options["pattern"], pages_of)
    return samples.no_samples()


def pages_of(path: Path) -> int:
    """Count the frames in a file; one that cannot be read counts as one, and is told when it is read for good."""
    from .readers import open_recording

    try:
        with open_recording(path) as recording:
            return recording.pages
    except InputError:
        return 1


def find_frames(
    pattern: str, names: str | None = None, pages: Callable[[Path], int] = lambda path: 1
) -> pd.DataFrame:
    """Make the table of a sheet, see `samples.read_samples`, from the images whose paths fit a pattern.

    Parameters
    ----------
    pattern : str
        `*` is any part of a name, `**` any folders.
    names : str, optional
        How group and frame stand in the names, see `naming.compile_pattern`. Without it the number at a name's end is
        the frame, and what stands before it, with the folders below the pattern's fixed part, the group.
    pages : callable
        How many frames a file holds; asked where there are few files.
    """
    fixed = re.match(r"(?:[^*?\[]*/)?", pattern).group()
    folder = Path(fixed or ".")
    if not folder.is_dir():
        raise InputError(f"segment.images {pattern}: no folder {folder}. Correct the config.")
    found = [
        path
        for path in folder.glob(pattern[len(fixed) :])
        if path.name.lower().endswith(IMAGE_SUFFIXES) and not path.name.startswith(".")
    ]
    paths = sorted((path.as_posix() for path in found), key=naming.natural)
    if not paths:
        raise InputError(
            f"segment.images {pattern}: no image fits. Expected files ending in {', '.join(IMAGE_SUFFIXES)}: correct the "
            "pattern, in which * is any part of a name."
        )
    looked_into = len(paths) <= LOOKED_INTO
    rows, left, _ = naming.make_rows(
        [naming.Pair(path) for path in paths],
        names,
        pages=(lambda path: pages(Path(path))) if looked_into else (lambda path: 1),
        common=folder.as_posix(),
    )
    if left:
        shown = "".join(f"\n  {path}: {why}" for path, why in left[:10])
        more = f"\n  … and {len(left) - 10:,} more" if len(left) > 10 else ""
        raise InputError(f"segment.images {pattern}: {len(left):,} files are no frames{shown}{more}")
    if any(row["page"] for row in rows):
        rows = [row | {"page": row["page"] or "0"} for row in rows]
    columns = samples.no_samples().columns
    table = pd.DataFrame(rows, dtype=str).reindex(columns=columns, fill_value="")
    table["image"] = table["image"].map(os.path.normpath)
    without = table.loc[table["frame"] == "", "group"]
    table.loc[table["group"].isin(without), "frame"] = ""  # there the order of the names counts
    return table
