"""Read a sample sheet and report everything that is wrong with it, with line numbers."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from brightcell.config.validation import SAMPLES_SCHEMA, load_schema
from brightcell.errors import InputError, nearest

from .filenames import legal
from .paths import SHOWN, few, missing_files, path_problems

LARGEST_SHEET = 500_000_000  # bytes
MOST_COLUMNS = 200
PATHS = ("image", "mask", "track", "lineage")


def read_samples(
    path: str | Path,
    schema: dict | None = None,
    *,
    masks: bool = True,
    check_files: bool = False,
    exempt: str | Path | Iterable[str | Path] = (),
    key: str = "samples",
) -> pd.DataFrame:
    """Read a sample sheet into a table of text, one row per frame, with all columns of the schema.

    Paths become relative to the working folder; an optional column that is
    missing is filled with "". Without `masks` the sheet needs no column `mask`. With
    `check_files` images and masks must exist, except below the folders `exempt`, which a rule fills.
    `key` is the config's key for the sheet.
    One InputError lists all problems, each with its line.
    """
    path = Path(path)
    schema = load_schema(SAMPLES_SCHEMA) if schema is None else schema
    required = [name for name in schema["required"] if masks or name != "mask"]
    header, rows, lines = _split(path, key)
    problems = list(_column_problems(header, list(schema["properties"]), required))
    problems += few(_wrong_widths(rows, lines, len(header)))
    if not problems:
        table = pd.DataFrame(rows, columns=header, index=pd.Index(lines, name="line"), dtype=str)
        problems += _value_problems(table, schema, required)
        table = table.reindex(columns=list(schema["properties"]), fill_value="")
        for column in PATHS:
            table[column] = _resolve(table[column], path.parent)
        for column in PATHS if masks else [each for each in PATHS if each != "mask"]:
            problems += few(path_problems(table[column]))
            if check_files:
                problems += few(missing_files(table[column], exempt), f"{column} files are missing")
    if problems:
        many = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise InputError(f"{path}: {many} in the sample sheet (its columns: config/README.md){listed}")
    return table.reset_index(drop=True)


def no_samples(schema: dict | None = None) -> pd.DataFrame:
    """Return the table of a sheet without rows."""
    schema = load_schema(SAMPLES_SCHEMA) if schema is None else schema
    return pd.DataFrame(columns=list(schema["properties"]), dtype=str)


def rows_of_group(samples: pd.DataFrame, group: str, databases: Mapping[str, str]) -> list[dict]:
    """Return the rows of a group with two more keys: `turn`, see `turns`, and `database`, of the mask's outlines, or ""."""
    chosen = samples[samples["group"] == group]
    places = turns(samples[samples["mask"].isin(chosen["mask"])])
    return [
        row | {"turn": places.get(row["sample"], (0, 1)), "database": databases.get(row["mask"], "")}
        for row in chosen.to_dict("records")
    ]


def turns(samples: pd.DataFrame) -> dict[str, tuple[int | None, int]]:
    """Return the turn of every sample among those whose single files share a file of outlines, and their number.

    The turn is the place, from 0, in the order of the column frame, or else of the rows; None if numbers of frames are
    missing between them.
    """
    # The images of a COCO file are known by their names.
    single = samples[~samples["mask"].str.lower().str.endswith(".json") & (samples["page"] == "")]
    found: dict[str, tuple[int | None, int]] = {}
    for _, sharing in single[single["mask"].duplicated(keep=False)].groupby("mask", sort=False):
        frames = pd.to_numeric(sharing["frame"])
        order = sharing["sample"].iloc[np.argsort(frames.to_numpy(), kind="stable")]
        gaps = frames.notna().all() and (np.diff(np.sort(frames)) != 1).any()
        found |= {sample: (None if gaps else place, len(order)) for place, sample in enumerate(order)}
    return found


def shared_annotations(samples: pd.DataFrame) -> dict[str, str]:
    """Return the .json files that are masks of several groups, each with a name for its database."""
    outlined = samples[samples["mask"].str.lower().str.endswith(".json")]
    groups = outlined.groupby("mask", sort=False)["group"].nunique()
    return {
        path: f"{legal(Path(path).stem)[:60]}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
        for path in groups.index[groups > 1]
    }


def files_of_group(
    samples: pd.DataFrame, group: str, column: str, endings: Sequence[str] | None = None
) -> list[str]:
    """Return the images or the masks (`column`) of a group, each once: a stack is in many rows.

    endings : the config's `images.channel_endings`
    """
    return with_channels(samples.loc[samples["group"] == group, column], endings)


def with_channels(images: Iterable[str], endings: Sequence[str] | None) -> list[str]:
    """Return images, each once, with the files of their other channels; a name without the first ending stays alone."""
    found: dict[str, None] = {}
    for image in dict.fromkeys(images):
        start, suffix = os.path.splitext(image)  # noqa: PTH122
        others = endings[1:] if endings and start.endswith(endings[0]) else ()
        names = (f"{start.removesuffix(endings[0])}{each}{suffix}" for each in others) if endings else ()
        found |= dict.fromkeys((image, *names))
    return list(found)


def _split(path: Path, key: str) -> tuple[list[str], list[list[str]], list[int]]:
    """Split a sheet into header, rows of cells and their line numbers, without empty lines."""
    if not path.is_file():
        folder = path.parent
        names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        guess = nearest(path.name, names)
        hint = f" Did you mean {folder / guess}?" if guess else ""
        raise InputError(f"{path}: no such sample sheet. Correct the key `{key}` of the config.{hint}")
    if path.stat().st_size > LARGEST_SHEET:
        raise InputError(
            f"{path}: {path.stat().st_size:,} bytes. Expected a table with one line a frame, of at most {LARGEST_SHEET:,}: "
            f"correct the key `{key}` of the config."
        )
    content = path.read_bytes()
    try:
        utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not a text in UTF-8 (byte {error.start}). "
            "Save the sheet as tab-separated text in UTF-8; a workbook (.xlsx) is not read."
        ) from error
    split = [
        (number, [cell.strip() for cell in line.split("\t")])
        for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1)
        if line.strip()
    ]
    if not split:
        raise InputError(f"{path}: empty. Expected a line of column names and one line a frame.")
    header = split[0][1]
    while len(header) > 1 and not header[-1]:  # Excel keeps columns that were once filled
        header.pop()
    if len(header) > MOST_COLUMNS:
        raise InputError(
            f"{path}, line {split[0][0]}: {len(header):,} columns. Expected a table with one line a frame and a few columns: "
            "are rows and columns swapped?"
        )
    if len(header) == 1:
        used = next(
            (word for word, mark in (("commas", ","), ("semicolons", ";")) if mark in header[0]), "no tabs"
        )
        raise InputError(
            f"{path}, line {split[0][0]}: columns are separated by {used}; expected tabs. "
            'In Excel or LibreOffice save as "Text (tab-delimited)".'
        )
    if len(split) == 1:
        raise InputError(f"{path}: a line of column names but no rows. Expected one line a frame.")
    rows = [[_unquote(cell) for cell in cells] if '"' in "".join(cells) else cells for _, cells in split[1:]]
    return [_unquote(name) for name in header], rows, [number for number, _ in split[1:]]


def _unquote(cell: str) -> str:
    """Remove the quotation marks that Excel puts around a cell with a comma."""
    return cell[1:-1].replace('""', '"').strip() if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _column_problems(header: list[str], legal: list[str], required: list[str]) -> Iterator[str]:
    unknown = [name for name in header if name and name not in legal]
    missing = [name for name in required if name not in header]
    for name in unknown:
        guess = nearest(name, [each for each in legal if each not in header])
        if guess in missing:
            missing.remove(guess)
        hint = f"did you mean {guess}?" if guess else f"expected only {', '.join(legal)}; delete it"
        yield f"column {name!r}: unknown; {hint}"
    for name in missing:
        why = (
            ": what a frame shares with others, its time-lapse, field of view or experiment. Frames of a group "
            "look similar and must not be in both training and test; if every frame is from another field, "
            "give each a group of its own"
            if name == "group"
            else f"; found {', '.join(header)}"
        )
        yield f"column {name}: missing{why}"
    for position in (number for number, name in enumerate(header, start=1) if not name):
        yield f"column {position}: no name; expected one of {', '.join(legal)}, or no such column"
    for name in sorted({name for name in header if name and header.count(name) > 1}):
        yield f"column {name!r}: {header.count(name)} times; expected once"


def _wrong_widths(rows: list[list[str]], lines: list[int], width: int) -> Iterator[str]:
    for line, row in zip(lines, rows, strict=True):
        if len(row) < width and row[-1].startswith('"') and not row[-1].endswith('"', 1):
            yield f"line {line}: a cell with a line break in it, {row[-1]}…; expected one line a frame: take it out"
        elif len(row) < width:
            row.extend([""] * (width - len(row)))  # Excel leaves out empty cells at the end of a line
        elif any(row[width:]):
            yield f"line {line}: {len(row)} cells; expected {width}: is there a tab too many?"
        else:
            del row[width:]


def _value_problems(table: pd.DataFrame, schema: dict, required: list[str]) -> Iterator[str]:
    """Yield the problems in the cells of a table indexed by line."""
    for column in table:
        entry, cells = schema["properties"][column], table[column]
        empty = cells == ""
        if column in required:
            yield from few(
                f"line {line}: {column} is empty; fill it in, or remove the row"
                for line in cells.index[empty]
            )
        elif empty.any() and not empty.all():
            yield (
                f"column {column}: filled in {(~empty).sum()} of {len(cells)} rows (line {cells.index[empty][0]} "
                "is empty); expected all rows or none"
            )
        cells = cells[~empty]
        yield from few(_illegal(cells[~_is_legal(cells, entry)], entry))
    yield from few(_repeated(table["sample"]))
    yield from few(_repeated(_frames_of_files(table)))
    yield from few(_frames_twice(table))
    yield from few(
        f"line {line}: image and mask are the same file, {name}; expected the file with the cells' numbers as mask"
        for line, name in table.loc[table["image"] == table.get("mask", ""), "image"].items()
        if name
    )


def _is_legal(cells: pd.Series, entry: dict) -> pd.Series:
    if "enum" in entry:
        return cells.isin(entry["enum"])
    if entry["type"] == "integer":
        return cells.str.fullmatch(r"\d{1,9}")
    if entry["type"] == "number":
        numbers = pd.to_numeric(cells, errors="coerce")
        return (numbers > entry["exclusiveMinimum"]) & (numbers < float("inf"))
    legal = cells.str.len() <= entry.get("maxLength", 10_000)
    return legal & cells.str.contains(entry["pattern"], regex=True) if "pattern" in entry else legal


def _illegal(cells: pd.Series, entry: dict) -> Iterator[str]:
    for line, cell in cells.items():
        if "enum" in entry:
            guess = nearest(cell, entry["enum"])
            advice = f"one of {', '.join(entry['enum'])}" + (f"; did you mean {guess}?" if guess else "")
        elif entry["type"] == "integer":
            advice = "a whole number from 0"
        elif entry["type"] == "number":
            advice = "a number above 0" + (", with a point, not a comma" if "," in cell else "")
        elif "pattern" in entry:
            proposal = re.sub(r"\.\.+", ".", re.sub(r"[^A-Za-z0-9._-]+", "_", cell)).lstrip(".")[:100]
            advice = (
                f"at most {entry['maxLength']} of the characters A–Z a–z 0–9 . _ - with no dot in front and no two "
                f"dots in a row" + (f", such as {proposal}" if proposal else "")
            )
        else:
            advice = f"at most {entry.get('maxLength', 10_000):,} characters"
        yield f"line {line}: {cells.name} is {cell!r}; expected {advice}"


def _frames_of_files(table: pd.DataFrame) -> pd.Series:
    """Return the frame of each row: its image file and, in a stack, the page."""
    frames = table["image"].where(table["image"] == "", table["image"].map(os.path.normpath))
    pages, scenes = (table.get(name, pd.Series("", table.index)) for name in ("page", "scene"))
    frames = frames.where((frames == "") | (scenes == ""), frames + ", scene " + scenes)
    return frames.where(
        (frames == "") | (pages == ""), frames + ", page " + pages.str.lstrip("0").replace("", "0")
    )


def _repeated(cells: pd.Series) -> Iterator[str]:
    cells = cells[cells != ""]
    for value, group in cells[cells.duplicated(keep=False)].groupby(cells, sort=False):
        where = ", ".join(map(str, group.index[:SHOWN])) + (" and more" if len(group) > SHOWN else "")
        what = (
            "give each a name of its own"
            if cells.name == "sample"
            else "one frame is one sample: remove a row, or number the frames of a stack in the column page"
        )
        yield f"lines {where}: {cells.name} {value!r} stands {len(group)} times; {what}"


def _frames_twice(table: pd.DataFrame) -> Iterator[str]:
    if not {"group", "frame"} <= set(table):
        return
    numbered = table[(table["frame"] != "") & (table["group"] != "")]
    numbered = numbered.assign(frame=numbered["frame"].str.lstrip("0").replace("", "0"))
    twice = numbered[numbered.duplicated(["group", "frame"], keep=False)]
    for (group, frame), rows in twice.groupby(["group", "frame"], sort=False):
        where = ", ".join(map(str, rows.index[:SHOWN])) + (" and more" if len(rows) > SHOWN else "")
        files = ", ".join(dict.fromkeys(Path(name).name for name in rows["image"][:2]))
        yield (
            f"lines {where}: frame {frame} stands {len(rows)} times in the group {group} ({files}); remove a copy, give "
            "each time-lapse a group of its own, or number the frames of the group through"
        )


def _resolve(cells: pd.Series, folder: Path) -> pd.Series:
    return cells.map(lambda cell: os.path.normpath(os.path.join(folder, cell)) if cell else cell)  # noqa: PTH118
