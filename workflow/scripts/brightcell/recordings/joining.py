"""Join the chunks of a recording: check that they were made with the same settings, and order their frames."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from brightcell import files
from brightcell.errors import InputError
from brightcell.io import stacks

from . import chunks


def check_made_of(folders: list[Path], made_of: dict, rows: list[dict]) -> None:
    """Raise InputError where a chunk was made of other models, settings or rows of the sheet than those of now.

    Snakemake makes such chunks again as long as it remembers of what they were made, which copied results make it forget.
    """
    for folder in folders:
        wanted = _flat(made_of | {"rows": chunks.rows_of(rows, folder.name)})
        found = _flat(files.read_json(folder / "made_of.json"))
        differ = [
            key if key in ("models", "rows") else f"{key} {found.get(key)}, not {wanted.get(key)}"
            for key in wanted | found
            if found.get(key) != wanted.get(key)
        ]
        if differ:
            raise InputError(
                f"{folder}: segmented with other settings than the present ones: {'; '.join(differ)} (made_of.json in it says "
                f"what it was made of). All frames of a recording need the same settings: remove the folder {folder.parent}, and run again."
            )


def _flat(made_of: dict) -> dict:
    """Return each setting as `part.name`, in JSON's types; models and images may have moved since."""
    models = sorted(made_of.get("models", {}).values())
    rows = [row | {"image": Path(row["image"]).name} for row in made_of.get("rows", [])]
    made_of = json.loads(json.dumps(made_of | {"models": models, "rows": rows}))
    parts = ((key, value if isinstance(value, dict) else {"": value}) for key, value in made_of.items())
    return {f"{key}.{name}".rstrip("."): value for key, part in parts for name, value in part.items()}


def read_frames(folders: list[Path]) -> pd.DataFrame:
    """Read the tables of the chunks' frames in the order of time, with the place of their chunk."""
    tables = [
        files.read_table(folder / "frames.tsv").assign(chunk=index) for index, folder in enumerate(folders)
    ]
    return pd.concat(tables, ignore_index=True).sort_values("frame", kind="stable")


def join_cells(folders: list[Path], runs: Iterable[tuple[int, list[str]]], out: Path) -> None:
    """Concatenate the lines of the chunks' tables of cells."""
    with files.whole(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as joined:
        for number, (chunk, samples) in enumerate(runs):
            lines = defaultdict(list)
            with (folders[chunk] / "cells.tsv").open(encoding="utf-8", newline="") as table:
                header = next(table)
                for line in table:
                    lines[line.split("\t", 1)[0]].append(line)
            if number == 0:
                joined.write(header)
            for sample in samples:
                joined.writelines(lines[sample])


def pages(folders: list[Path], runs: Iterable[tuple[int, list[str]]], name: str) -> Iterator[np.ndarray]:
    """Yield the pages of the chunks' stacks `name`, such as labels.tif; runs : of `chunks.in_order_of_time`."""
    for chunk, samples in runs:
        with stacks.Pages(folders[chunk] / name) as stack:
            yield from (stack[sample] for sample in samples)
