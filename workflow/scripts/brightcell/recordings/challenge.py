"""Write the tracks of a recording as the Cell Tracking Challenge has them (https://celltrackingchallenge.net)."""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from brightcell import files
from brightcell.io import ome_tiff

logger = logging.getLogger("brightcell")

MOST_LABELS = np.iinfo(np.uint16).max


def challenge_tracks(cells: pd.DataFrame) -> tuple[pd.Series, pd.DataFrame]:
    """Cut tracks so that each is in all frames from its begin to its end.

    The part of a track before a gap is the parent of the part behind it (the challenge's "Naming and file content
    conventions").

    Parameters
    ----------
    cells : pandas.DataFrame
        time, track, parent, as `tracking.link_cells` takes and gives them.

    Returns
    -------
    labels : pandas.Series
        The number of each cell in the masks: its track, or a new number behind a gap.
    tracks : pandas.DataFrame
        label, begin, end, parent; begin and end are numbers of frames.
    """
    ordered = cells.sort_values(["track", "time"], kind="stable")
    begins = ordered["track"].ne(ordered["track"].shift())
    cut = ~begins & (ordered["time"].diff() > 1)
    numbers = ordered["track"].where(begins).mask(cut, ordered["track"].max() + cut.cumsum())
    labels = numbers.ffill().astype(int)
    by_label = ordered.assign(label=labels).groupby("label", sort=True)
    tracks = by_label.agg(
        begin=("time", "min"), end=("time", "max"), track=("track", "first"), parent=("parent", "first")
    )
    last_label = pd.Series(labels.to_numpy(), index=ordered["track"]).groupby(level=0).last()
    tracks["parent"] = tracks["parent"].map(last_label).fillna(0).astype(int)
    tracks.loc[labels[cut], "parent"] = labels.shift()[cut].astype(int).to_numpy()
    return labels.reindex(cells.index), tracks.drop(columns="track").reset_index()


def renumber(page: np.ndarray, cells: pd.Series, labels: pd.Series, dtype: np.dtype) -> np.ndarray:
    """Renumber the cells of a label image (height, width): the numbers in `cells` become those in `labels`."""
    table = np.zeros(int(page.max()) + 1, dtype)
    table[cells] = labels
    return table[page]


def write_challenge(pages: Iterable[np.ndarray], table: pd.DataFrame, frames: int, folder: Path) -> None:
    """Write the masks mask000.tif … and the list of tracks res_track.txt.

    pages : the label images in the order of time; table : time, cell, track and parent; frames : number of label images
    """
    labels, tracks = challenge_tracks(table)
    table = table.assign(label=labels)
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
    for time, page in enumerate(pages):
        own = of_frame.get(time, table[:0])
        with files.whole(folder / f"mask{time:0{digits}d}.tif") as temporary:
            mask = renumber(page, own["cell"], own["label"], dtype)
            tifffile.imwrite(temporary, mask, compression="lzw", metadata=None)
    with files.whole(folder / "res_track.txt") as temporary:
        tracks.to_csv(temporary, sep=" ", header=False, index=False)
