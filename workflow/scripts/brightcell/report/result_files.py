"""The files that a run writes, as workflow/schemas/results.schema.yaml lists them, and the page made of the list."""

import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import yaml

from brightcell.config.validation import SCHEMAS
from brightcell.metrics.registry import METRICS

SCHEMA = SCHEMAS / "results.schema.yaml"


class Column(NamedTuple):
    """A column of a table, or a key of a JSON file; `shared` says that its meaning is not this file's own."""

    name: str
    unit: str
    what: str
    shared: bool


class ResultFile(NamedTuple):
    """A file, or a kind of files: its path below results/<dataset>/ with `<name>`, `*` and `**`, and what is in it.

    `target` is what to ask Snakemake for. `only` says where the file is not there always. `scores` names its scores of
    METRICS: all, those of a source, or none. `like` is the file whose columns it has.
    """

    section: str
    folder: str
    path: str
    target: str
    what: str
    only: str
    like: str
    scores: str
    columns: list[Column]

    def matches(self, path: str) -> bool:
        """Return whether a path below results/<dataset>/ is such a file."""
        return bool(re.fullmatch(_pattern(self.path), path))

    def unlike(self, found: list[str]) -> set[str]:
        """Return the names that a table has and the list has not, and the other way round.

        >>> table = ResultFile("", "", "a.tsv", "", "", "", "", "", [Column("tp<percent>", "", "", False)])
        >>> sorted(table.unlike(["tp50", "tp90", "size"])), table.unlike([])
        (['size'], {'tp<percent>'})
        """
        known = {re.compile(_pattern(column.name)): column.name for column in self.columns}
        known |= {re.compile(name): name for name in _scores(self.scores)}
        used = {each: [name for name in found if each.fullmatch(name)] for each in known}
        return set(found) - set(chain(*used.values())) | {known[each] for each in known if not used[each]}


def _pattern(template: str) -> str:
    """Convert a template to a regular expression; names match any text without a slash."""
    patterns = {"**": ".+", "*": "[^/]*"}
    return "".join(
        patterns.get(part, "[^/]+" if part.startswith("<") else re.escape(part))
        for part in re.split(r"(<\w+>|\*\*|\*)", template)
    )


def _scores(source: str) -> list[str]:
    return [name for name, metric in METRICS.items() if source in ("all", metric.source.__name__)]


def load(path: Path = SCHEMA) -> dict:
    """Read the schema's file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def result_files(schema: dict) -> list[ResultFile]:
    """Return the list of files; KeyError for a column without a description, or a file unlike all before it."""
    files: dict[str, ResultFile] = {}
    for section in schema["sections"]:
        folder = section.get("folder", "")
        for each in section["files"]:
            path = f"{folder}/{each['path']}" if folder else each["path"]
            like = each.get("like", "")
            given = each.get("columns", {}).items()
            files[path] = ResultFile(
                section=section["title"],
                folder=folder,
                path=path,
                target=each.get("target", ""),
                what=each["what"],
                only=each.get("only", ""),
                like=like,
                scores=files[like].scores if like else each.get("scores", ""),
                columns=files[like].columns
                if like
                else [_column(name, own, schema["columns"]) for name, own in given],
            )
    return list(files.values())


def _column(name: str, own: str | dict | None, shared: dict) -> Column:
    if own is None and name in METRICS:
        return Column(name, METRICS[name].unit, METRICS[name].description, True)
    described = shared[name] if own is None else own
    if isinstance(described, str):
        described = {"what": described}
    return Column(name, described.get("unit", ""), described["what"], own is None)


def page(schema: dict) -> str:
    """Render docs/results-files.md."""
    sections: dict[str, list[ResultFile]] = {}
    for file in result_files(schema):
        sections.setdefault(file.section, []).append(file)
    shared = [_column(name, None, schema["columns"]) for name in schema["columns"]]
    scores = {
        kind: [name for name in METRICS if OF[METRICS[name].source.__name__] == kind] for kind in OF.values()
    }
    return PAGE.format(
        shared=_table("column", "what it is", rows=[_described(column) for column in shared]),
        scores=_table(
            "of", "columns", rows=[(kind, ", ".join(map(_score, scores[kind]))) for kind in scores]
        ),
        sections="\n".join(_section(title, files) for title, files in sections.items()),
    )


def _section(title: str, files: list[ResultFile]) -> str:
    rows = [
        (
            f"`{file.path.removeprefix(file.folder + '/')}`",
            file.what + (f" Only {file.only}." if file.only else ""),
            "<br>".join(_columns(file)),
            file.target and f"`{file.target}`",
        )
        for file in files
    ]
    place = f"In `{files[0].folder}/`:\n\n" if files[0].folder else ""
    return f"## {title}\n\n{place}" + _table("file", "what it is", "columns", "target", rows=rows)


def _columns(file: ResultFile) -> list[str]:
    """A line on the columns that many tables have, and a line for each of a file's own."""
    if file.like:
        return [f"those of `{file.like.removeprefix(file.folder + '/')}`"]
    known = [f"`{column.name}`" for column in file.columns if column.shared]
    if file.scores:
        known.append("all scores" if file.scores == "all" else f"the scores of {OF[file.scores]}")
    own = [": ".join(_described(column)) for column in file.columns if not column.shared]
    return [", ".join(known), *own] if known else own


def _described(column: Column) -> tuple[str, str]:
    return f"`{column.name}`" + (f" ({column.unit})" if column.unit else ""), column.what


def _score(name: str) -> str:
    unit = METRICS[name].unit
    return f"`{name}`" + (f" ({unit})" if unit else "")


def _table(*head: str, rows: Sequence[tuple[str, ...]]) -> str:
    body = "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)
    return f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n{body}"


# What the sources of METRICS are called.
OF = {
    "Pixels": "pixels",
    "Surfaces": "boundaries",
    "Counts": "cells",
    "Cells": "cells",
    "PooledCounts": "cells of a group's frames together",
    "Probabilities": "probabilities",
}

PAGE = """\
<!-- Made from workflow/schemas/results.schema.yaml by `python workflow/scripts/manual.py`: edit the schema, not this file. -->
# The files of results

A run writes below `results/<dataset>/`; all paths here are below it. A *model* is one training, by scheme, network, fold
and seed.

- A **target** makes the file, and the same for all groups, models or recordings: [the workflow](workflow.md).
- **Tables** are separated by tabs and have a header. A value that is missing is `nan` in columns of numbers and an empty
  field in columns of text.
- **Stacks** are TIFF files with one page per frame, whose description is the name of the frame. Pages may differ in size.
  Fiji opens them.

## Columns of many tables

They are not explained again below.

{shared}
Scores ([formulas](metrics.md)); those of cells have no value for binary masks:

{scores}
{sections}"""
