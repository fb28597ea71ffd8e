"""Score the tracks of a recording against true ones, as the Cell Tracking Challenge does; py-ctcmetrics computes it.

A true cell is found if a predicted cell holds more than half of it. With true labels that are whole cells this is the
challenge's rule; with markers inside the cells as well.
"""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from brightcell.errors import InputError
from brightcell.metrics.matching import match_cells

from .challenge import challenge_tracks

COLUMNS = ["label", "begin", "end", "parent"]
SCORES = {
    "TRA": "tracks, of 1: what it takes to correct them, most of all missed cells",
    "DET": "cells found, of 1",
    "LNK": "links between frames, of 1",
    "CT": "share of complete tracks: found from their first frame to their last",
    "TF": "longest found part of a true track, of its length, on average",
    "BC": "F1 of the divisions, right within one frame",
}


def true_tracks(
    pages: list[np.ndarray], lineage: pd.DataFrame | None, name: str = "the true tracks"
) -> pd.DataFrame:
    """Return the true tracks (label, begin, end, parent) as the label images show them.

    Parameters
    ----------
    pages : of int (height, width)
        Their numbers are those of the tracks.
    lineage : pandas.DataFrame, optional
        label, begin, end, parent: parents are taken from it. Without it no track has one.
    name : str
        Of the lineage, for messages.

    Raises
    ------
    InputError
        If the lineage does not name a track of the images, or names a mother that is there at or after her daughter's
        first frame.
    """
    seen = pd.DataFrame(
        [(number, time) for time, page in enumerate(pages) for number in np.unique(page[page > 0]).tolist()],
        columns=["label", "time"],
    )
    tracks = seen.groupby("label")["time"].agg(begin="min", end="max").reset_index()
    tracks["parent"] = 0
    if lineage is None and len(pages) > 1 and len(tracks) > 1 and (tracks["begin"] == tracks["end"]).all():
        raise InputError(
            f"{name}: no number is in two frames. Expected images in which a cell keeps its number over time; without them "
            "take the column track out of the sheet."
        )
    if lineage is None or tracks.empty:
        return tracks[COLUMNS].astype(int)
    parents = dict(zip(lineage["label"], lineage["parent"], strict=True))
    lost = sorted(set(tracks["label"]) - set(parents))
    if lost:
        raise InputError(
            f"{name}: no row for the track{'s' * (len(lost) > 1)} {', '.join(map(str, lost[:5]))}, which the label images "
            "show. Expected a row for each number: label, first frame, last frame, parent (0: none)."
        )
    end_of = dict(zip(tracks["label"], tracks["end"], strict=True))
    for row in tracks.itertuples():
        mother = parents[row.label]
        if mother and end_of.get(mother, row.begin - 1) >= row.begin:
            raise InputError(
                f"{name}: track {row.label} begins in frame {row.begin}, and its parent {mother} ends in frame "
                f"{end_of[mother]}. Expected a mother that ends before her daughters begin: correct the parent."
            )
    tracks["parent"] = [parents[label] if parents[label] in end_of else 0 for label in tracks["label"]]
    return tracks[COLUMNS].astype(int)


def score_tracks(
    truth: list[np.ndarray], tracks: pd.DataFrame, labels: Iterable[np.ndarray], cells: pd.DataFrame
) -> dict[str, float]:
    """Score predicted tracks.

    Parameters
    ----------
    truth : of int (height, width)
        True label images whose numbers are those of the tracks.
    tracks : pandas.DataFrame
        label, begin, end, parent, as `true_tracks` returns them.
    labels : of int (height, width)
        Predicted label images of the same frames, in the same order.
    cells : pandas.DataFrame
        One row per predicted cell: time, cell (its number in the image), track, parent.

    Returns
    -------
    dict
        SCORES; divisions, divisions_right, divisions_invented, divisions_missed (within one frame); tracks, those of the
        truth; tracks_found, predicted ones; fragments, predicted tracks for a true one on average; switches, how often a
        true cell's predicted track changes. BC is nan if no cell divides in truth.
    """
    from ctc_metrics.metrics import mota
    from ctc_metrics.scripts.evaluate import calculate_metrics

    numbers, found = challenge_tracks(cells)
    of_time = dict(list(cells.assign(label=numbers).groupby("time")))
    matches: dict[str, list[list[int]]] = {
        name: [] for name in ("labels_ref", "labels_comp", "mapped_ref", "mapped_comp")
    }
    whole: list[list[int]] = []
    own_tracks: list[list[int]] = []
    for time, (true, page) in enumerate(zip(truth, labels, strict=True)):
        own = of_time.get(time, cells[:0].assign(label=0)).set_index("cell")
        joined = np.zeros(int(page.max()) + 1, int)
        joined[own.index] = own["label"]
        pairs = match_cells(true, joined[page])
        matches["labels_ref"].append(pairs.truth_ids.tolist())
        matches["labels_comp"].append(pairs.predicted_ids.tolist())
        matches["mapped_ref"].append(pairs.truth_ids[pairs.row[pairs.covers]].tolist())
        matches["mapped_comp"].append(pairs.predicted_ids[pairs.column[pairs.covers]].tolist())
        track_of = dict(zip(own["label"], own["track"], strict=True))
        own_tracks.append(sorted(set(own["track"])))
        whole.append([track_of[label] for label in matches["mapped_comp"][-1]])
    counts = {"tracks": len(tracks), "tracks_found": len(set(cells["track"]))}
    if tracks.empty or not any(matches["mapped_ref"]):
        return dict.fromkeys([*SCORES], math.nan if tracks.empty else 0.0) | counts
    results = calculate_metrics(
        found[COLUMNS].to_numpy(),
        tracks[COLUMNS].to_numpy(),
        matches,
        {},
        ["TRA", "DET", "LNK", "CT", "TF", "BC"],
        is_valid=1,
    )
    scores = {name: results["BC(1)" if name == "BC" else name] for name in SCORES}
    right, invented, missed = (int(results[f"{kind}_div(1)"]) for kind in ("tp", "fp", "fn"))
    together = {
        (true, track)
        for mapped, tracked in zip(matches["mapped_ref"], whole, strict=True)
        for true, track in zip(mapped, tracked, strict=True)
    }
    return {
        **{name: math.nan if value is None else float(value) for name, value in scores.items()},
        "divisions": right + missed,
        "divisions_right": right,
        "divisions_invented": invented,
        "divisions_missed": missed,
        **counts,
        "fragments": len(together) / len({true for true, _ in together}),
        "switches": int(mota(matches["labels_ref"], own_tracks, matches["mapped_ref"], whole)["IDSW"]),
    }
