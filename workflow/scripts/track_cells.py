"""Link the cells of a recording over its frames; write the tracks, and the Cell Tracking Challenge's folder."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from brightcell import files
from brightcell.io import ome_tiff, stacks
from brightcell.jobs import job
from brightcell.recordings import tracking

logger = logging.getLogger("brightcell")

MOST_LABELS = np.iinfo(np.uint16).max  # of the Cell Tracking Challenge


def renumber(page: np.ndarray, cells: pd.Series, labels: pd.Series, dtype: np.dtype) -> np.ndarray:
    """Give the cells of a label image (height, width) other numbers: those of `labels` at the places of `cells`."""
    table = np.zeros(int(page.max()) + 1, dtype)
    table[cells] = labels
    return table[page]


def write_challenge(pages, table: pd.DataFrame, frames: int, folder: Path) -> None:
    """Write mask000.tif … and res_track.txt; `table` has time, cell, track and parent."""
    table["label"], tracks = tracking.challenge_tracks(table)
    largest = int(tracks["label"].max()) if len(tracks) else 0
    dtype = np.dtype(np.uint16)
    if largest > MOST_LABELS:
        dtype = ome_tiff.smallest_type(largest)
        logger.warning(
            "%d tracks: more than the %d of the Cell Tracking Challenge's format; the masks are %s, which its tools "
            "may not take",
            *(largest, MOST_LABELS, dtype),
        )
    digits = max(3, len(str(frames - 1)))
    of_frame = dict(list(table.groupby("time")))
    for time, (_, page) in enumerate(pages):
        own = of_frame.get(time, table[:0])
        with files.whole(folder / f"mask{time:0{digits}d}.tif") as temporary:
            mask = renumber(page, own["cell"], own["label"], dtype)
            tifffile.imwrite(temporary, mask, compression="lzw", metadata=None)
    with files.whole(folder / "res_track.txt") as temporary:
        tracks.to_csv(temporary, sep=" ", header=False, index=False)


def main(labels, cells, frames, options: dict, out) -> None:
    """Write `out.tracks` and the folder `out.ctc`; `options` has distance, gap and divisions."""
    cells, frames = (files.read_table(path, ("sample", "image")) for path in (cells, frames))
    table = cells[["sample", "frame", "cell"]].copy()
    table["time"] = table["sample"].map(pd.Series(range(len(frames)), index=frames["sample"]))
    places = cells[["row_px", "column_px", "area_px"]]
    table = table.join(tracking.link_cells(table[["time"]].join(places), **options))
    files.write_table(table[["sample", "frame", "cell", "track", "parent"]], out.tracks)
    write_challenge(stacks.iterate_stack(labels), table, len(frames), Path(out.ctc))
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
            snakemake.input.frames,
            snakemake.params.options,
            snakemake.output,
        )
