"""What other programs get of a recording: its tracks as a graph, and the size that all its frames share."""

import logging
import math

import numpy as np
import pandas as pd

from .films import families, whole_cells
from .quality import SHIFTS

logger = logging.getLogger("brightcell")


def common_size(frames: pd.DataFrame) -> tuple[tuple[int, int, int], float]:
    """Return the number of frames, the largest height and width, and the side of a pixel in µm, nan if it differs.

    frames : frames.tsv
    """
    shape = (len(frames), int(frames["height"].max()), int(frames["width"].max()))
    sizes = frames["pixel_size_um"].unique()
    if len(sizes) > 1 or len(frames[["height", "width"]].drop_duplicates()) > 1:
        logger.warning(
            "frames or their pixels differ in size: here all are %d × %d px, the smaller ones at the upper left",
            *shape[1:],
        )
    return shape, float(sizes[0]) if len(sizes) == 1 else math.nan


def track_graph(
    cells: pd.DataFrame, tracks: pd.DataFrame, judged: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the cells of a recording as nodes and their links as edges, as `io.track_graphs` has them."""
    order = judged[["sample", "frame"]].assign(place=range(len(judged)), pixel_size_um=math.nan)
    seen = whole_cells(cells, order.assign(**dict.fromkeys(SHIFTS, 0.0)), tracks)
    seen["id"] = np.arange(1, len(seen) + 1)
    ends = seen.groupby("track")["id"].agg(["first", "last"])
    parents = seen.drop_duplicates("track").set_index("track")["parent"]
    born = parents[parents.isin(ends.index)]
    same = seen["track"].to_numpy()[1:] == seen["track"].to_numpy()[:-1]
    edges = pd.DataFrame(
        {
            "source": [*seen["id"][:-1][same], *ends["last"].reindex(born)],
            "target": [*seen["id"][1:][same], *ends["first"].reindex(born.index)],
        },
        dtype=int,
    )
    family, _ = families(parents.where(parents.isin(ends.index), 0))
    seen["family"] = seen["track"].map(dict(zip(parents.index, family, strict=True)))
    nodes = seen.rename(columns={"place": "time"})
    return nodes[["id", "track", "family", "time", "row_px", "column_px", "area_px"]], edges
