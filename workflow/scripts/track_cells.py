"""Link the cells of a recording over its frames; write the tracks, and the Cell Tracking Challenge's folder."""

import logging
from pathlib import Path

from brightcell import files
from brightcell.io import stacks
from brightcell.jobs import job
from brightcell.recordings import challenge, tracking

logger = logging.getLogger("brightcell")


def main(labels, cells, quality, options: dict, out) -> None:
    """Write `out.tracks` and the folder `out.ctc`; `options` has distance, gap and divisions.

    quality : quality.tsv, which has the frames in the order of time and their common shifts
    """
    cells, frames = (files.read_table(path) for path in (cells, quality))
    table = tracking.track_table(cells, frames, **options)
    files.write_table(table[["sample", "frame", "cell", "track", "parent"]], out.tracks)
    pages = (page for _, page in stacks.iterate_stack(labels))
    challenge.write_challenge(pages, table, len(frames), Path(out.ctc))
    first = table.drop_duplicates("track")
    logger.info(
        "%d cells in %d frames: %d tracks, %d divisions",
        *(len(table), len(frames), len(first), (first["parent"] > 0).sum() // 2),
    )


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input.labels,
            snakemake.input.cells,
            snakemake.input.quality,
            snakemake.params.options,
            snakemake.output,
        )
