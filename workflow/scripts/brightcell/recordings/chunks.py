"""Part a recording into chunks of frames that are segmented apart, so that a finished chunk stays as it is.

A chunk is a range of a recording's rows in the order of its sheet, from 0, and is named by it, such as
`000050-000099`: its name alone tells which frames it holds, whatever else is finished by then.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import pandas as pd

PATTERN = r"\d+-\d+"
FIRST = 16  # frames by which the grey values of a recording are mapped alike, where that is asked for
LAST_WRITTEN = "frames.tsv"  # a chunk's folder that holds it is finished


def rows_of_recordings(table: pd.DataFrame) -> dict[str, list[dict[str, str]]]:
    """Give the rows of each recording of a sheet, in its order, without empty cells: what others fill in changes no row.

    `frame` is the sheet's, else the page, else the position from 0.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for values in zip(*(table[name] for name in table), strict=True):
        row = {name: value for name, value in zip(table, values, strict=True) if value != ""}
        rows = found.setdefault(row["group"], [])
        row["frame"] = str(int(row.get("frame") or row.get("page") or len(rows)))
        rows.append(row)
    return found


def time_lapses(table: pd.DataFrame) -> list[str]:
    """Name the recordings of a sheet whose frames have an order: by frame or else by page, no two the same.

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
    """Name the chunks of a recording of so many frames: those that are finished, and new ones of at most `size`.

    A finished chunk that reaches beyond the recording, or into one before it, is left out.

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
    """Take the rows of a chunk from those of its recording."""
    first, last = limits(name)
    return rows[first : last + 1]


def finished(folder: str | Path) -> list[str]:
    """List the finished chunks below a folder."""
    return sorted(
        path.parent.name
        for path in Path(folder).glob(f"*/{LAST_WRITTEN}")
        if re.fullmatch(PATTERN, path.parent.name)
    )


def in_order_of_time(frames: pd.DataFrame) -> Iterator[tuple[object, list[str]]]:
    """Sort frames by time and yield which samples to take from which chunk: (chunk, samples), as long as it is one.

    frames : table with sample, frame and chunk. Frames of the same time keep their order.
    """
    ordered = frames.sort_values("frame", kind="stable")
    pairs = zip(ordered["chunk"], ordered["sample"], strict=True)
    for chunk, run in groupby(pairs, key=lambda pair: pair[0]):
        yield chunk, [sample for _, sample in run]
