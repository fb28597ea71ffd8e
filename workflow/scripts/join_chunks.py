"""Join the chunks of a recording: its labels as OME-TIFF and its tables, in the order of time."""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from brightcell import files
from brightcell.errors import InputError
from brightcell.io import ome_tiff, stacks
from brightcell.jobs import job
from brightcell.recordings import chunks, ensemble

logger = logging.getLogger("brightcell")


def check_made_of(folders: list[Path], made_of: dict, rows: list[dict]) -> None:
    """Raise InputError where a chunk was made of other models, settings or rows of the sheet than those of now.

    Snakemake makes such chunks anew as long as it remembers of what they were made, which copied results make it forget.
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
                f"{folder}: segmented with other settings than those of now: {'; '.join(differ)} (made_of.json in it tells "
                f"of what it was made). A recording is segmented alike: remove the folder {folder.parent}, and run again."
            )


def _flat(made_of: dict) -> dict:
    """Name each setting as `part.name`, as JSON has it; models and images may lie elsewhere by now."""
    models = sorted(made_of.get("models", {}).values())
    rows = [row | {"image": Path(row["image"]).name} for row in made_of.get("rows", [])]
    made_of = json.loads(json.dumps(made_of | {"models": models, "rows": rows}))
    parts = ((key, value if isinstance(value, dict) else {"": value}) for key, value in made_of.items())
    return {f"{key}.{name}".rstrip("."): value for key, part in parts for name, value in part.items()}


def read_frames(folders: list[Path]) -> pd.DataFrame:
    """Read the tables of the chunks' frames in the order of time, with the place of their chunk."""
    tables = [
        files.read_table(folder / "frames.tsv", ("sample", "image")).assign(chunk=index)
        for index, folder in enumerate(folders)
    ]
    return pd.concat(tables, ignore_index=True).sort_values("frame", kind="stable")


def join_cells(folders: list[Path], runs: Iterable[tuple[int, list[str]]], out: Path) -> None:
    """Put the lines of the chunks' tables of cells one behind the other."""
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


def main(folders: list[Path], recording: str, rows: list[dict], made_of: dict, out: dict) -> None:
    """Write what `out` names: labels, cells, frames, made_of and, where the chunks have it, probability.

    rows, made_of : of what the recording is to be made, the latter by `ensemble.load`
    """
    check_made_of(folders, made_of, rows)
    frames = read_frames(folders)
    runs = list(chunks.in_order_of_time(frames))
    sizes = list(zip(frames["height"], frames["width"], frames["pixel_size_um"], strict=True))

    def pages(name):
        for chunk, samples in runs:
            with stacks.Pages(folders[chunk] / f"{name}.tif") as stack:
                yield from (stack[sample] for sample in samples)

    series = ome_tiff.write_ome(
        out["labels"], pages("labels"), sizes, ome_tiff.smallest_type(frames["cells"].max()), recording
    )
    if "probability" in out:
        ome_tiff.write_ome(out["probability"], pages("probability"), sizes, np.dtype(np.uint16), recording)
    if series > 1:
        logger.warning(
            "%s: the size of the frames or of their pixels changes %d times; labels.ome.tif has a series for each size",
            *(recording, series - 1),
        )
    join_cells(folders, runs, Path(out["cells"]))
    files.write_table(frames.drop(columns="chunk"), out["frames"])
    counts = {"frames": len(frames), "cells": int(frames["cells"].sum()), "chunks": len(folders)}
    files.write_json({"recording": recording, **counts, **made_of}, out["made_of"])
    logger.info("%(frames)d frames, %(cells)d cells, from %(chunks)d chunks", counts)
    if not counts["cells"]:
        logger.warning(
            "%s: no cell in any frame. Does the recording look like the images that the networks were trained on, and is "
            "its pixel size right?",
            recording,
        )


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            [Path(path).parent for path in snakemake.input.frames],
            snakemake.wildcards.recording,
            snakemake.params.rows,
            ensemble.load(
                snakemake.input.models,
                snakemake.input.recipes,
                snakemake.input.calibrations,
                snakemake.params.network,
                snakemake.params.settings,
            )[1],
            dict(snakemake.output.items()),
        )
