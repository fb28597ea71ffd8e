"""What a results folder holds, against the schema of result files."""

import csv
import json
import re
from pathlib import Path

from brightcell.files import TEXT
from brightcell.report import result_files

NUMBER = re.compile(r"-?(\d+(\.\d+)?(e[-+]\d+)?|inf)")
FILES = result_files.result_files(result_files.load())


def columns(path: Path) -> list[str]:
    """Names of a table's columns, or of the keys of a JSON file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return list(json.loads(text))
    return text.partition("\n")[0].split("," if path.suffix == ".csv" else "\t")


def misspelt(path: Path) -> list[str]:
    """Columns of a table that spell a missing value otherwise than `files.write_table`, or hold text unknown to it."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="," if path.suffix == ".csv" else "\t"))
    return [
        name for name in rows[0] if any(not spelt(name, row[name]) for row in rows)
    ] if rows else []  # fmt: skip


def spelt(column: str, field: str) -> bool:
    """Whether a field may stand in a column: text is never nan, all else is a number, nan, True or False."""
    if column in TEXT:
        return field.lower() not in ("nan", "none", "null", "na", "<na>")
    return field in ("nan", "True", "False") or bool(NUMBER.fullmatch(field))


def faults(folder: Path) -> list[str]:
    """Files that the schema does not know, or knows twice, columns that differ, and missing values spelt otherwise."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.name == ".snakemake_timestamp" or path.suffix == ".seal":
            continue
        known = [file for file in FILES if file.matches(name)]
        if len(known) != 1:
            found.append(f"{name}: {len(known)} entries of the schema")
        elif known[0].columns and (unlike := known[0].unlike(columns(path))):
            found.append(f"{name}: {', '.join(sorted(unlike))}")
        elif known[0].columns and path.suffix in (".tsv", ".csv") and (odd := misspelt(path)):
            found.append(
                f"{name}: a value that is missing, or text unknown to files.TEXT, in {', '.join(odd)}"
            )
    return found


def missing(folder: Path, sections: set[str]) -> list[str]:
    """Files of some sections of the schema that are always there, and are not here."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return [
        file.path
        for file in FILES
        if file.section in sections and not file.only and not any(map(file.matches, names))
    ]
