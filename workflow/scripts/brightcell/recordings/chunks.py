"""Divide a recording into chunks of frames that are segmented separately, so that finished chunks stay as they are.

A chunk is a range of a recording's rows in the order of its sheet, from 0, and is named by it, such as
`000050-000099`: the name alone determines its frames, whatever else is finished.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import pandas as pd

from brightcell.errors import InputError

PATTERN = r"\d+-\d+"
UNREAD = (
    "track",
    "lineage",
    "condition",
    "well",
    "interval_min",
)  # columns that no job of the segmentation reads
FIRST = 16  # frames that determine the grey values of a whole recording, if the config asks for that
LAST_WRITTEN = "frames.tsv"  # a chunk whose folder has this file is finished


def rows_of_recordings(table: pd.DataFrame) -> dict[str, list[dict[str, str]]]:
    """Return the rows of each recording of a sheet, in its order, without empty cells: columns of others change no row.

    `frame` is the sheet's, else the page, else the position from 0.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for values in zip(*(table[name] for name in table), strict=True):
        row = {
            name: value
            for name, value in zip(table, values, strict=True)
            if value != "" and name not in UNREAD
        }
        rows = found.setdefault(row["group"], [])
        row["frame"] = str(int(row.get("frame") or row.get("page") or len(rows)))
        rows.append(row)
    return found


def truth_of_recordings(table: pd.DataFrame) -> dict[str, dict]:
    """Return the true tracks of each recording of a sheet that has them.

    For each: frames, the path of the image and the page (None: the only one) of each sample, and lineage, the path of the
    table of tracks or "". Raises InputError if a recording has several such tables, or one but no images.
    """
    found = {}
    for recording, own in table.groupby("group", sort=False):
        tables = sorted(set(own["lineage"]) - {""})
        if (own["track"] == "").all():
            if tables:
                raise InputError(
                    f"{tables[0]}: the sheet has this table in its column lineage, for the recording {recording}, but no images "
                    "whose numbers are those of its tracks. Expected their paths in the column track."
                )
            continue
        if len(tables) > 1:
            raise InputError(
                f"{tables[1]}: a second table of tracks for the recording {recording}, beside {tables[0]}. Expected one table "
                "for all its frames: correct the column lineage."
            )
        pages = [int(page) if page else None for page in own["page"]]
        frames = dict(zip(own["sample"], zip(own["track"], pages, strict=True), strict=True))
        found[recording] = {"frames": frames, "lineage": tables[0] if tables else ""}
    return found


def time_lapses(table: pd.DataFrame) -> list[str]:
    """Return the recordings of a sheet whose frames have an order: by frame or else by page, no two the same.

    >>> table = pd.DataFrame({"group": ["a", "a", "b", "b"], "frame": ["0", "1", "", ""], "page": [""] * 4})
    >>> time_lapses(table)
    ['a']
    """
    times = table["frame"].where(table["frame"] != "", table["page"])
    return [
        name
        for name, own in times.groupby(table["group"], sort=False)
        if len(own) > 1 and own.is_unique and (own != "").all()
    ]


def plan(frames: int, size: int, finished: Iterable[str] = ()) -> list[str]:
    """Return the names of a recording's chunks: the finished ones, and new ones of at most `size` frames.

    A finished chunk that reaches beyond the recording, or overlaps the one before it, is left out.

    >>> plan(120, 50)
    ['000000-000049', '000050-000099', '000100-000119']
    >>> plan(180, 50, ["000100-000119"])
    ['000000-000049', '000050-000099', '000100-000119', '000120-000169', '000170-000179']
    """
    last_of: dict[int, int] = {}
    for name in finished:
        first, last = limits(name)
        if first <= last < frames:
            last_of[first] = max(last, last_of.get(first, 0))
    starts = sorted(last_of)
    names, first = [], 0
    while first < frames:
        while starts and starts[0] < first:
            starts.pop(0)
        end = min(first + size, starts[0] if starts else frames, frames)
        last = last_of.get(first, end - 1)
        names.append(f"{first:06d}-{last:06d}")
        first = last + 1
    return names


def limits(name: str) -> tuple[int, int]:
    """Return the positions of a chunk's first and last frame."""
    first, last = name.split("-")
    return int(first), int(last)


def rows_of(rows: list[dict], name: str) -> list[dict]:
    """Return the rows of a chunk, out of those of its recording."""
    first, last = limits(name)
    return rows[first : last + 1]


def finished(folder: str | Path) -> list[str]:
    """Return the names of the finished chunks below a folder."""
    return sorted(
        path.parent.name
        for path in Path(folder).glob(f"*/{LAST_WRITTEN}")
        if re.fullmatch(PATTERN, path.parent.name)
    )


def in_order_of_time(frames: pd.DataFrame) -> Iterator[tuple[object, list[str]]]:
    """Sort frames by time and yield runs of samples from the same chunk: (chunk, samples).

    frames : table with sample, frame and chunk. Frames of the same time keep their order.
    """
    ordered = frames.sort_values("frame", kind="stable")
    pairs = zip(ordered["chunk"], ordered["sample"], strict=True)
    for chunk, run in groupby(pairs, key=lambda pair: pair[0]):
        yield chunk, [sample for _, sample in run]
