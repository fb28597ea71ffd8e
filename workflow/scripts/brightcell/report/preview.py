"""Show a segmented recording on one HTML page that needs no network: pictures, outlines, counts over time, flags."""

from pathlib import Path

import numpy as np
import pandas as pd

from brightcell.comparison.numbers import show, show_interval
from brightcell.metrics.registry import METRICS
from brightcell.preprocessing.rescaling import resize_labels
from brightcell.recordings.quality import shared_flags
from brightcell.recordings.track_scores import SCORES

from .gallery import STEPS_PER_PX, encode_picture, outline_paths
from .html import page_templates, plain
from .table_rows import records

MOST_FRAMES = 60  # with pictures; a page of that many is about 5 MB
MOST_CELLS = 30_000  # with outlines, in all frames together; about 7 MB more
FLAGGED_SHARE = 0.25  # of the frames shown may be shown because they are flagged
LABELS_SIDE_PX = 1024  # outlines of larger frames are drawn from every n-th pixel
MOST_ROWS = 200  # of the table of flagged frames
MEASURES = {
    "cells": ("cells_expected", "Cells in a frame"),
    "disagreement": ("disagreement_expected", "Disagreement of the networks in cells"),
}
"""column of a chart → column of what its neighbours let expect, title"""


def choose_frames(judged: pd.DataFrame, most: int = MOST_FRAMES) -> list[int]:
    """Choose the places of the frames to show: all, or at even distances, and at most a quarter of them for their flags.

    Fewer than `most` where the frames hold many cells.

    >>> choose_frames(pd.DataFrame({"cells": [9] * 9, "flags": ["", "", "dark"] + [""] * 6}), most=4)
    [0, 2, 4, 8]
    """
    affordable = int(MOST_CELLS / max(1.0, judged["cells"].mean()))
    most = max(2, min(most, affordable))
    if len(judged) <= most:
        return list(range(len(judged)))
    flagged = np.flatnonzero(judged["flags"] != "")
    for_flags = _evenly(flagged, int(FLAGGED_SHARE * most))
    return sorted({*_evenly(np.arange(len(judged)), most - len(for_flags)), *for_flags})


def _evenly(places: np.ndarray, most: int) -> list[int]:
    """Choose at most `most` of the places at even distances, including the first and the last."""
    return places[np.linspace(0, len(places) - 1, min(len(places), most)).round().astype(int)].tolist()


def draw_frame(image: np.ndarray, labels: np.ndarray, cells: pd.DataFrame) -> dict:
    """Draw what the page shows of a frame.

    Parameters
    ----------
    image : (height, width, channels)
    labels : int (height, width)
    cells : pandas.DataFrame
        A row a cell: cell, area_px, area_um2, confidence, disagreement and, where cells are followed, track and parent.

    Returns
    -------
    dict
        image (JPEG as a data address), width and height in steps, cells: number, track (0 = none), mother's track,
        area in words, confidence, disagreement, path.
    """
    height, width = labels.shape
    factor = LABELS_SIDE_PX / max(height, width)
    if factor < 1:
        labels = resize_labels(labels, (max(1, round(height * factor)), max(1, round(width * factor))))
    paths = outline_paths(labels)
    told = cells.assign(
        track=cells.get("track", 0),
        parent=cells.get("parent", 0),
        area=[
            f"{um2:.4g} µm²" if np.isfinite(um2) else f"{px} px"
            for um2, px in zip(cells["area_um2"], cells["area_px"], strict=True)
        ],
    )
    columns = ["cell", "track", "parent", "area", "confidence", "disagreement"]
    rows = told[told["cell"].isin(paths.keys())][columns].to_dict("split")["data"]
    return {
        "image": encode_picture(image, (slice(0, height), slice(0, width))),
        "width": labels.shape[1] * STEPS_PER_PX,
        "height": labels.shape[0] * STEPS_PER_PX,
        "cells": [[*plain(row), paths[row[0]]] for row in rows],
    }


def describe_sizes(frames: pd.DataFrame) -> str:
    """Return in words how large pixels and cells are; frames : frames.tsv of the recording.

    >>> row = {"pixel_size_um": 0.5, "median_area_px": 314.16, "scale": 1.0}
    >>> describe_sizes(pd.DataFrame([row])), describe_sizes(pd.DataFrame([row | {"pixel_size_um": np.nan}]))
    ('pixel size 0.5 µm; cells about 20 px = 10 µm across', 'pixel size unknown, taken to be that of the training; cells about 20 px across')
    """
    diameter = 2 * np.sqrt(frames["median_area_px"] / np.pi)
    known = frames["pixel_size_um"].dropna()
    if known.empty:
        as_given = frames["scale"].ne(1).any()
        first = (
            "pixel size unknown, frames rescaled by cell_diameter_px"
            if as_given
            else ("pixel size unknown, taken to be that of the training")
        )
    else:
        first = f"pixel size {known.median():.3g} µm"
    if diameter.isna().all():
        return first
    um = (diameter * frames["pixel_size_um"]).median()
    return f"{first}; cells about {diameter.median():.0f} px{f' = {um:.3g} µm' if np.isfinite(um) else ''} across"


def expected_rows(expected: pd.DataFrame) -> list[dict]:
    """Return the rows that the page shows of expected scores: as they are, with title, meaning, and numbers in words."""
    return [
        row
        | {
            "title": METRICS[row["score"]].title,
            "meaning": METRICS[row["score"]].description,
            "text": show(row["mean"], row["score"]),
            "interval": show_interval(row["low"], row["high"], row["score"]),
        }
        for row in expected.to_dict("records")
    ]


def build(
    recording: str,
    judged: pd.DataFrame,
    shown: dict[int, dict],
    made_of: dict,
    tracks: pd.DataFrame | None,
    templates: list[str | Path],
    sizes: str = "",
    expected: pd.DataFrame | None = None,
    tracking: pd.DataFrame | None = None,
) -> str:
    """Write the page.

    Parameters
    ----------
    recording : its name
    judged : quality.judge's table
    shown : place in that table → draw_frame's dictionary
    made_of : network, models, parameters; made_of.json of the recording
    tracks : tracks.tsv, None where cells are not followed
    templates : folders of preview.html.j2 and of the report's page.css and page.js
    sizes : how large pixels and cells are, in words
    expected : scores of the networks on frames like those of the training, `recordings.expected.COLUMNS`; None if unknown
    tracking : tracking.tsv, scores of the tracks; None where the true ones are unknown
    """
    environment = page_templates(templates)
    scores = {} if tracking is None else dict(zip(tracking["score"], tracking["value"], strict=True))
    common, own = shared_flags(judged["flags"])
    told = judged.assign(flags=own, place=range(len(judged)))
    flagged = records(told[told["flags"] != ""])
    first = None if tracks is None else tracks.drop_duplicates("track")
    series = {
        column: {"title": title, "values": judged[column].tolist(), "expected": judged[expected].tolist()}
        for column, (expected, title) in MEASURES.items()
        if judged[column].notna().any()
    }
    return environment.get_template("preview.html.j2").render(
        recording=recording,
        frames=len(judged),
        cells=int(judged["cells"].sum()),
        tracks=None if first is None else len(first),
        divisions=None if first is None else int((first["parent"] > 0).sum() // 2),
        made_of=made_of,
        sizes=sizes,
        expected=[] if expected is None else expected_rows(expected),
        scores=[
            {"title": name, "text": show(scores[name]), "meaning": words}
            for name, words in SCORES.items()
            if name in scores
        ],
        counts=scores,
        common=common,
        flagged=flagged[:MOST_ROWS],
        flagged_in_all=len(flagged),
        shown=len(shown),
        content={
            "followed": tracks is not None,
            "frames": [
                {
                    "place": place,
                    **plain(judged.iloc[place][["sample", "frame", "flags"]].to_dict()),
                    **shown[place],
                }
                for place in sorted(shown)
            ],
            "times": judged["frame"].tolist(),
            "flagged": (told["flags"] != "").tolist(),
            "series": plain(series),
        },
    )
