"""Check that the files in a sheet exist and are files that a workflow can read."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

IMPOSSIBLE = r"[{}\x00-\x1f]"  # Snakemake would take braces for a wildcard
SHOWN = 10  # problems of one kind that are written out; the rest are counted


def few(problems: Iterable[str], what: str = "problems of this kind") -> Iterator[str]:
    """Yield the first problems of one kind, then the number of all if there are more."""
    problems = list(problems)
    yield from problems[:SHOWN]
    if len(problems) > SHOWN:
        yield f"… and {len(problems) - SHOWN:,} more: {len(problems):,} {what}"


def path_problems(files: pd.Series) -> Iterator[str]:
    """Yield a problem for each path, indexed by line, that Snakemake would misread or that has control characters."""
    for line, file in files[files.str.contains(IMPOSSIBLE)].items():
        fault = "braces { }" if "{" in file or "}" in file else "characters that no name should have"
        yield f"line {line}: {files.name} is {file!r}; expected a path without {fault}: rename the file or folder"


def missing_files(files: pd.Series, exempt: str | Path | Iterable[str | Path] = ()) -> Iterator[str]:
    """Yield a problem for each path, indexed by line, without a file; paths below the folders `exempt` are not checked.

    Each folder is listed once, because a network drive answers single questions slowly.
    """
    exempt = [exempt] if isinstance(exempt, str | Path) else exempt
    made = tuple(os.path.abspath(folder) + os.sep for folder in exempt)  # noqa: PTH100
    listings: dict[str, dict[str, str] | None] = {}  # by the folders as the sheet has them; None: exempt
    possible = files[(files != "") & ~files.str.contains(IMPOSSIBLE)]
    for line, file in zip(possible.index.tolist(), possible.tolist(), strict=True):
        folder, name = os.path.split(file)
        if folder not in listings:
            whole = os.path.abspath(folder)  # noqa: PTH100
            listings[folder] = None if made and (whole + os.sep).startswith(made) else _listing(whole)
        listing = listings[folder]
        if listing is None:
            continue
        fault = listing.get(name, "no such file" if listing else "no such folder, or an empty one")
        if fault:
            yield f"line {line}: {files.name} {file}: {fault}; correct the path, or remove the row"


def _listing(folder: str) -> dict[str, str]:
    """Return the names in a folder, each with what is wrong with it, or ""."""
    if not os.path.isdir(folder):  # noqa: PTH112
        return {}
    with os.scandir(folder) as entries:
        return {entry.name: _fault(entry) for entry in entries}


def _fault(entry: os.DirEntry) -> str:
    if entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110
        return f"a link that leads nowhere (to {os.readlink(entry.path)})"  # noqa: PTH115
    return "" if entry.is_dir() or entry.is_file() else "no ordinary file but a pipe or a device"
