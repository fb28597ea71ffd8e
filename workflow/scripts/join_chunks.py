"""Join the chunks of a recording: its labels as OME-TIFF and its tables, in the order of time."""

import logging
from pathlib import Path

import numpy as np

from brightcell import files
from brightcell.io import ome_tiff
from brightcell.jobs import job
from brightcell.recordings import chunks, ensemble, joining

logger = logging.getLogger("brightcell")


def main(folders: list[Path], recording: str, rows: list[dict], made_of: dict, out: dict) -> None:
    """Write what `out` names: labels, cells, frames, made_of and, where the chunks have it, probability.

    rows, made_of : of what the recording is to be made, the latter by `ensemble.load`
    """
    joining.check_made_of(folders, made_of, rows)
    frames = joining.read_frames(folders)
    runs = list(chunks.in_order_of_time(frames))
    sizes = list(zip(frames["height"], frames["width"], frames["pixel_size_um"], strict=True))
    types = {"labels": ome_tiff.smallest_type(frames["cells"].max()), "probability": np.dtype(np.uint16)}
    for name in [name for name in types if name in out]:
        pages = joining.pages(folders, runs, f"{name}.tif")
        series = ome_tiff.write_ome(out[name], pages, sizes, types[name], recording)
    if series > 1:
        logger.warning(
            "%s: the size of the frames or of their pixels changes %d times; labels.ome.tif has a series for each size",
            *(recording, series - 1),
        )
    joining.join_cells(folders, runs, Path(out["cells"]))
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
