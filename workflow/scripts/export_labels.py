"""Write the labels of a recording as OME-Zarr; where cells are followed, their numbers are those of the tracks."""

import logging
from pathlib import Path

import numpy as np

from brightcell import files
from brightcell.io import ome_tiff, ome_zarr, stacks
from brightcell.jobs import job
from brightcell.recordings import exports
from brightcell.recordings.challenge import renumber

logger = logging.getLogger("brightcell")


def main(inputs, recording: str, interval_min: float | None, out: str) -> None:
    """Read labels, frames, cells and, where cells are followed, tracks; write the folder `out`."""
    frames, cells = (files.read_table(path) for path in (inputs.frames, inputs.cells))
    number = "cell"
    if path := getattr(inputs, "tracks", None):
        number = "track"
        cells = cells.merge(files.read_table(path)[["sample", "cell", "track"]], on=["sample", "cell"])
    dtype = np.dtype(ome_tiff.smallest_type(int(cells[number].max()) if len(cells) else 0))
    of_sample = dict(list(cells.groupby("sample")))
    shape, pixel_size_um = exports.common_size(frames)
    pages = (
        renumber(page, own["cell"], own[number], dtype)
        for sample, (_, page) in zip(frames["sample"], stacks.iterate_stack(inputs.labels), strict=True)
        for own in [of_sample.get(sample, cells[:0])]
    )
    ome_zarr.write_labels(Path(out), pages, shape, dtype, recording, pixel_size_um, interval_min)
    logger.info("%s: %d frames", out, len(frames))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input,
            snakemake.wildcards.recording,
            snakemake.params.interval_min,
            snakemake.output[0],
        )
