"""Find the frames of recordings without masks: by a sheet, or by a path pattern such as new/*.tif."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR

import pandas as pd

from brightcell import files
from brightcell.errors import InputError, counted, in_time
from brightcell.files import expand

from . import filenames, samples
from .layouts import IMAGE_SUFFIXES, MOST_FILES
from .names import natural

LOOKING_S = 120  # for the images that a pattern fits, while the workflow is read


def read(
    options: dict,
    check_files: bool = True,
    memory: str | Path | None = None,
    images: dict | None = None,
) -> pd.DataFrame:
    """Return the table of the frames in the config's `segment`, see `samples.read_samples`; it may be empty.

    memory : file that keeps the number of frames in each file; images : the config's `images`; see `page_counter`
    """
    if options["samples"]:
        return samples.read_samples(
            expand(options["samples"]), masks=False, check_files=check_files, key="segment.samples"
        )
    if options["images"]:
        pattern = expand(options["images"])
        opened: list[Path] = []
        frames = 0
        with page_counter(memory, images) as pages:

            def count(path: Path) -> int:
                nonlocal frames
                opened.append(path)
                number = pages(path)
                frames += number
                if frames > MOST_FILES:
                    raise InputError(
                        f"segment.images {pattern}: more than {MOST_FILES:,} frames. Expected fewer in one run: narrow the "
                        "pattern."
                    )
                return number

            def late() -> str:
                last = f", the last one {opened[-1]}" if opened else ""
                return (
                    f"segment.images {pattern}: not looked through within {LOOKING_S} s; {len(opened):,} images were "
                    f"opened{last}. Expected a pattern that fits the recordings alone, such as new/*.tif. If it does, the "
                    "disk is slow: start again, what was counted is remembered; or name a sheet with a row a frame, "
                    "segment.samples, whose images are not opened beforehand."
                )

            endings = (images or {}).get("channel_endings")
            return in_time(lambda: find_frames(pattern, options["pattern"], count, endings), LOOKING_S, late)
    return samples.no_samples()


@contextmanager
def page_counter(
    memory: str | Path | None = None, images: dict | None = None
) -> Iterator[Callable[[Path], int]]:
    """Yield a function that counts the frames in a file; a file that cannot be read yet counts as one frame.

    Every job counts all files again. A file with the size and time recorded in the file `memory` is not opened.
    """
    from brightcell.io.readers import open_image_file

    plane, panels = (images.get("plane"), images.get("panels") or 1) if images else (None, 1)

    try:
        known = files.read_json(memory) if memory else {}
    except (OSError, InputError):
        known = {}
    found: dict[str, list[int]] = {}

    def pages(path: Path) -> int:
        try:
            state = path.stat()
            key, stamp = str(path), [state.st_size, state.st_mtime_ns]
            of_before = known.get(key, [])
            # a .zarr may change without its folder's time
            if of_before[:2] != stamp or len(of_before) != 4 or S_ISDIR(state.st_mode):
                with open_image_file(path) as recording:
                    found[key] = [*stamp, recording.pages, recording.slices]
        except (OSError, InputError):  # reported when the file is read in full
            return 1
        number, slices = (panels * count for count in (found.get(key) or known[key])[2:])
        if slices > 1 and plane is None:
            raise InputError(
                f"{path}: {slices} slices of depth{f' at each of {number // slices} times' * (number > slices)}. Expected to "
                f"be told which one to segment: `images: {{plane: {slices // 2}}}` in the config, from 0 to {slices - 1}, "
                "several such as [0, 1] as channels, or `focus`; or `plane: time` if the slices are time points, as those of an image sequence that Fiji saved."
            )
        return number if plane in (None, "time") else number // slices

    try:
        yield pages
    finally:
        if memory and known | found != known:
            with suppress(OSError):
                files.write_json(known | found, memory)


def find_frames(
    pattern: str,
    names: str | None = None,
    pages: Callable[[Path], int] = lambda path: 1,
    endings: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the table of a sheet, see `samples.read_samples`, from the images whose paths fit a pattern.

    Parameters
    ----------
    pattern : str
        `*` is any part of a name, `**` any folders.
    names : str, optional
        Pattern of group and frame in the names, see `filenames.compile_pattern`. Without it the number at a name's end
        is the frame; the text before it, with the folders below the pattern's fixed part, is the group.
    pages : callable
        Returns the number of frames in a file.
    endings : sequence of str, optional
        The config's `images.channel_endings`: files of other channels than the first are no frames of their own.
    """
    constant = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    fixed = constant[: constant.rfind("/") + 1]
    folder = Path(fixed or ".")
    if not folder.is_dir():
        raise InputError(f"segment.images {pattern}: no folder {folder}. Correct the config.")
    found = [
        path
        for path in folder.glob(pattern[len(fixed) :])
        if path.name.lower().endswith(IMAGE_SUFFIXES) and not path.name.startswith(".")
    ]
    paths = sorted((path.as_posix() for path in found), key=natural)
    if endings:
        others = {name for path in paths for name in samples.with_channels([path], endings)[1:]}
        paths = [path for path in paths if path not in others]
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
        raise InputError(
            f"segment.images {pattern}: {counted(len(left), 'file is no frame', 'files are no frames')}{shown}{more}"
        )
    double = _twice(rows)
    if double:
        raise InputError(
            f"segment.images {pattern}: {double[0]} and {double[1]} are the same frame of {double[2]}. Expected each frame "
            "once: name one kind of file, for example *.tif, or say with segment.pattern how the names are made."
        )
    columns = samples.no_samples().columns
    table = pd.DataFrame(rows, dtype=str).reindex(columns=columns, fill_value="")
    table["image"] = table["image"].map(os.path.normpath)
    without = table.loc[table["frame"] == "", "group"]
    table.loc[table["group"].isin(without), "frame"] = ""  # these groups are in the order of the names
    return table


def circumstances(table: pd.DataFrame, interval_min: float | None = None) -> dict[str, dict]:
    """Return condition, well ("": none) and interval_min (None: unknown) of each recording of a sheet.

    interval_min : the config's, where the sheet has no such column
    Raises InputError if they differ within a recording, or a well has two conditions.
    """
    found: dict[str, dict] = {}
    conditions: dict[str, tuple[str, str]] = {}
    for recording, own in table.groupby("group", sort=False):
        values = {}
        for column in ("condition", "well", "interval_min"):
            several = list(dict.fromkeys(own[column]))
            if len(several) > 1:
                raise InputError(
                    f"segment: the frames of the recording {recording} have the values {several[0]} and {several[1]} in the "
                    f"column {column}. Expected one for all frames of a recording: correct the sheet."
                )
            values[column] = several[0]
        condition, well = values["condition"], values["well"]
        other, first = conditions.setdefault(well, (condition, str(recording)))
        if well and other != condition:
            raise InputError(
                f"segment: the well {well} has the condition {other} in the recording {first} and {condition} in {recording}. "
                "Expected one: correct the sheet. Wells of several plates need names of their own, such as plate2_B03."
            )
        interval = values["interval_min"]
        found[str(recording)] = values | {"interval_min": float(interval) if interval else interval_min}
    return found


def _twice(rows: list[dict[str, str]]) -> tuple[str, str, str] | None:
    """Return two files that hold the same frame of a group, and the group; None if there are none."""
    seen: dict[tuple, str] = {}
    for row in rows:
        name = int(row["frame"]) if row["frame"] else str(Path(row["image"]).with_suffix(""))
        other = seen.setdefault((row["group"], name), row["image"])
        if other != row["image"]:
            return other, row["image"], row["group"]
    return None
