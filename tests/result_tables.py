"""What a results folder holds, against the schema of result files."""

import json
from pathlib import Path

from brightcell.report import result_files

FILES = result_files.result_files(result_files.load())


def columns(path: Path) -> list[str]:
    """Names of a table's columns, or of the keys of a JSON file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return list(json.loads(text))
    return text.partition("\n")[0].split("," if path.suffix == ".csv" else "\t")


def faults(folder: Path) -> list[str]:
    """Files that the schema does not know, or knows twice, and columns that differ."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.name == ".snakemake_timestamp":
            continue
        known = [file for file in FILES if file.matches(name)]
        if len(known) != 1:
            found.append(f"{name}: {len(known)} entries of the schema")
        elif known[0].columns and (unlike := known[0].unlike(columns(path))):
            found.append(f"{name}: {', '.join(sorted(unlike))}")
    return found


def missing(folder: Path, sections: set[str]) -> list[str]:
    """Files of some sections of the schema that are always there, and are not here."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return [
        file.path
        for file in FILES
        if file.section in sections and not file.only and not any(map(file.matches, names))
    ]
