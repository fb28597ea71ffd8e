"""Read tables of tracks as the Cell Tracking Challenge writes them: a line a track, `man_track.txt`."""

from pathlib import Path

import pandas as pd

from brightcell.errors import InputError

COLUMNS = ["label", "begin", "end", "parent"]
LARGEST = 100_000_000  # bytes


def read_lineage(path: str | Path) -> pd.DataFrame:
    """Return a table of tracks: label, begin, end (numbers of frames), parent (0: none).

    Raises InputError if a line is not four whole numbers, or if a label is there twice.
    """
    path = Path(path)
    expected = (
        "Expected a line for each track: its number, first frame, last frame, number of its mother (0: none)."
    )
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes. {expected}")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (UnicodeDecodeError, OSError) as error:
        why = "not a text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise InputError(f"{path}: {why}. {expected}") from None
    rows: dict[int, list[int]] = {}
    for number, line in enumerate(lines, start=1):
        cells = line.replace(",", " ").replace(";", " ").split()
        if not cells:
            continue
        if len(cells) != len(COLUMNS) or not all(
            cell.isascii() and cell.isdigit() and len(cell) < 10 for cell in cells
        ):
            raise InputError(f"{path}, line {number}: found {line[:60]!r}. {expected}")
        row = [int(cell) for cell in cells]
        if row[0] in rows:
            raise InputError(f"{path}, line {number}: the track {row[0]} is there twice. {expected}")
        if row[0] == 0 or row[1] > row[2]:
            why = "0 is the background" if row[0] == 0 else "the last frame is before the first"
            raise InputError(f"{path}, line {number}: found {line[:60]!r}; {why}. {expected}")
        rows[row[0]] = row
    if not rows:
        raise InputError(f"{path}: no tracks. {expected}")
    return pd.DataFrame(list(rows.values()), columns=COLUMNS)
