"""Find the frames of recordings without masks: by a sheet, or by a pattern of paths such as new/*.tif."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR

import pandas as pd

from brightcell import files
from brightcell.errors import InputError
from brightcell.files import expand

from . import filenames, samples
from .layouts import IMAGE_SUFFIXES


def read(options: dict, check_files: bool = True, memory: str | Path | None = None) -> pd.DataFrame:
    """Read the table of the frames that the config's `segment` names, see `samples.read_samples`; may be empty.

    memory : file that keeps how many frames files hold, see `page_counter`
    """
    if options["samples"]:
        return samples.read_samples(
            expand(options["samples"]), masks=False, check_files=check_files, key="segment.samples"
        )
    if options["images"]:
        with page_counter(memory) as pages:
            return find_frames(expand(options["images"]), options["pattern"], pages)
    return samples.no_samples()


@contextmanager
def page_counter(memory: str | Path | None = None) -> Iterator[Callable[[Path], int]]:
    """Give a function that counts the frames in a file; one that cannot be read counts as one, until it can be.

    Every job looks at all files anew. A file whose size and time are as the file `memory` tells is not opened again.
    """
    from brightcell.io.readers import open_image_file

    try:
        known = files.read_json(memory) if memory else {}
    except (OSError, InputError):
        known = {}
    found = {}

    def pages(path: Path) -> int:
        try:
            state = path.stat()
            key, stamp = str(path), [state.st_size, state.st_mtime_ns]
            if known.get(key, [])[:2] != stamp or S_ISDIR(state.st_mode):  # the time of a .zarr tells little
                with open_image_file(path) as recording:
                    found[key] = [*stamp, recording.pages]
            return (found.get(key) or known[key])[2]
        except (OSError, InputError):  # told when it is read for good
            return 1

    yield pages
    if memory and known | found != known:
        with suppress(OSError):
            files.write_json(known | found, memory)


def find_frames(
    pattern: str, names: str | None = None, pages: Callable[[Path], int] = lambda path: 1
) -> pd.DataFrame:
    """Make the table of a sheet, see `samples.read_samples`, from the images whose paths fit a pattern.

    Parameters
    ----------
    pattern : str
        `*` is any part of a name, `**` any folders.
    names : str, optional
        How group and frame stand in the names, see `filenames.compile_pattern`. Without it the number at a name's end is
        the frame, and what stands before it, with the folders below the pattern's fixed part, the group.
    pages : callable
        How many frames a file holds.
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
    paths = sorted((path.as_posix() for path in found), key=filenames.natural)
    if not paths:
        raise InputError(
            f"segment.images {pattern}: no image fits. Expected files ending in {', '.join(IMAGE_SUFFIXES)}: correct the "
            "pattern, in which * is any part of a name."
        )
    rows, left, _ = filenames.make_rows(
        [filenames.Pair(path) for path in paths],
        names,
        pages=lambda path: pages(Path(path)),
        common=folder.as_posix(),
    )
    if left:
        shown = "".join(f"\n  {path}: {why}" for path, why in left[:10])
        more = f"\n  … and {len(left) - 10:,} more" if len(left) > 10 else ""
        raise InputError(f"segment.images {pattern}: {len(left):,} files are no frames{shown}{more}")
    columns = samples.no_samples().columns
    table = pd.DataFrame(rows, dtype=str).reindex(columns=columns, fill_value="")
    table["image"] = table["image"].map(os.path.normpath)
    without = table.loc[table["frame"] == "", "group"]
    table.loc[table["group"].isin(without), "frame"] = ""  # there the order of the names counts
    return table
