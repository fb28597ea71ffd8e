"""Make the tables of scores, with one row per frame, cell, threshold or bin of probabilities."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from brightcell.errors import InputError
from brightcell.io.stacks import Maps, from_uint16, to_uint16

from . import probabilities, registry
from .matching import Cells, check_shapes, match_cells
from .objects import count_cells
from .probabilities import Probabilities, count_probabilities

MATCH_COLUMNS = ("truth", "predicted", "iou", "truth_area_px", "predicted_area_px")
CURVE_COLUMNS = ("threshold", "pixels_tp", "pixels_fp", "pixels_fn", "pixels_tn")
BIN_COLUMNS = ("bin_low", "bin_high", "pixels", "probability", "cell_share")


class ScoredFrame(NamedTuple):
    """The scores of a frame; cells or the threshold curve are None if the frame has none to score."""

    sample: str
    group: str
    mask_type: str
    scores: dict[str, float]
    cells: Cells | None
    curve: pd.DataFrame | None


class Scores(NamedTuple):
    """The tables of `score_frames`."""

    frames: pd.DataFrame
    cells: pd.DataFrame
    curves: pd.DataFrame
    reliability: pd.DataFrame


def score_frames(
    truth: Mapping[str, np.ndarray],
    predicted: Mapping[str, np.ndarray],
    samples: pd.DataFrame,
    maps: Mapping[str, Maps] | None = None,
    threshold: float | None = None,
) -> Scores:
    """Score every predicted frame.

    `truth` and `predicted` are label images (height, width) by sample; `maps` are those that the labels came
    from, None where they came about without. Scores of pixels and boundaries are those of the maps' pixels of at least
    `threshold`, or of the labels where there are no maps or no threshold; scores of cells are always those of the labels. `samples` has the columns sample and group, and where known
    mask_type and pixel_size_um.

    Gives four tables. frames: sample, group, mask_type and all scores, a row a frame; where mask_type is not
    `instances` the scores of cells are NaN, because such a mask does not tell touching cells apart. cells:
    sample, group and the columns of `list_cells`. curves: sample, group and the columns of
    `probabilities.threshold_curve`. reliability: group and the columns of `probabilities.reliability`, over
    all frames of the group. Without `maps` brier is NaN and the last two tables have no rows.

    Raises InputError where a predicted frame has no truth, no row, no probabilities or another size.
    """
    known = samples.set_index("sample")
    frames: list[ScoredFrame] = []
    counts: dict[str, Probabilities] = {}
    for sample, labels in predicted.items():
        if sample not in truth or sample not in known.index:
            raise InputError(
                f"sample {sample}: predicted, but without a prepared mask. Expected a sample of the sheet: "
                "remove the results of this data set and run again."
            )
        if maps is not None and sample not in maps:
            raise InputError(
                f"sample {sample}: labelled, but without probabilities. Expected a page of this name in the "
                "prediction's stack: remove the predictions of this network and run again."
            )
        foreground = None if maps is None else to_uint16(maps[sample].foreground)
        try:
            frame, probable = _score_frame(
                sample, known.loc[sample], truth[sample], labels, foreground, threshold
            )
        except InputError as error:
            raise InputError(f"sample {sample}: {error}") from None
        frames.append(frame)
        if probable:  # the sum alone is kept: a frame's counts take a megabyte
            group = frame.group
            counts[group] = probabilities.add([counts[group], probable]) if group in counts else probable
    return _tables(frames, counts)


def _score_frame(
    sample: str,
    row: pd.Series,
    truth: np.ndarray,
    labels: np.ndarray,
    foreground: np.ndarray | None,
    threshold: float | None,
) -> tuple[ScoredFrame, Probabilities | None]:
    """Score a frame; gives its scores, and how often each probability (uint16 as stored) occurs."""
    check_shapes(truth, labels)
    size = row.get("pixel_size_um")
    matched = match_cells(truth, labels)
    of_cells = registry.cell_scores(matched)
    probable: Probabilities | None = None
    curve: pd.DataFrame | None = None
    mask_type = row.get("mask_type", "instances")
    cells = matched if mask_type == "instances" else None
    if cells is None:
        of_cells = dict.fromkeys(of_cells, float("nan"))
    mask = (
        labels
        if foreground is None or threshold is None
        else from_uint16(foreground) >= np.float32(threshold)
    )
    scores = (
        registry.pixel_scores(truth, mask)
        | registry.boundary_scores(truth, mask, None if size is None or pd.isna(size) else float(size))
        | of_cells
        | {"brier": float("nan")}
    )
    if foreground is not None:
        probable = count_probabilities(truth, foreground)
        scores["brier"] = probabilities.brier(probable)
        curve = probabilities.threshold_curve(probable)
    return ScoredFrame(sample, row["group"], mask_type, scores, cells, curve), probable


def _tables(frames: list[ScoredFrame], counts: dict[str, Probabilities]) -> Scores:
    """Join the frames' scores, and pool those of a group's frames; `counts` are the groups' probabilities."""
    rows: list[dict[str, object]] = []
    cells, curves, bins = [], [], []
    for group in dict.fromkeys(frame.group for frame in frames):
        members = [frame for frame in frames if frame.group == group]
        found = [count_cells(frame.cells) for frame in members if frame.cells is not None]
        pooled, unknown = registry.pooled_scores(found), registry.pooled_scores([])
        if group in counts:
            bins.append(_named(probabilities.reliability(counts[group]), group=group))
        for frame in members:
            names = {"sample": frame.sample, "group": group}
            of_group = unknown if frame.cells is None else pooled
            rows.append({**names, "mask_type": frame.mask_type, **frame.scores, **of_group})
            if frame.cells is not None:
                cells.append(_named(list_cells(frame.cells), **names))
            if frame.curve is not None:
                curves.append(_named(frame.curve, **names))
    return Scores(
        pd.DataFrame(rows),
        _join(cells, "sample", "group", *MATCH_COLUMNS),
        _join(curves, "sample", "group", *CURVE_COLUMNS),
        _join(bins, "group", *BIN_COLUMNS),
    )


def _named(table: pd.DataFrame, **names: str) -> pd.DataFrame:
    """Insert columns of one value each at the front."""
    return table.assign(**names)[[*names, *table.columns]]


def _join(tables: list[pd.DataFrame], *columns: str) -> pd.DataFrame:
    tables = [table for table in tables if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))


def list_cells(cells: Cells) -> pd.DataFrame:
    """Return one row per truth cell with its partner, then one row per predicted cell without a partner.

    Columns truth and predicted (ids), iou, truth_area_px, predicted_area_px; 0 if there is no
    partner. Partners may overlap by less than half; see `match_cells`.
    """
    row, column = cells.row[cells.partners], cells.column[cells.partners]
    lone = np.setdiff1d(np.arange(len(cells.predicted_ids)), column)
    size = len(cells.truth_ids)
    table = {name: np.zeros(size + len(lone), float if name == "iou" else int) for name in MATCH_COLUMNS}
    table["truth"][:size], table["truth_area_px"][:size] = cells.truth_ids, cells.truth_areas
    table["iou"][row] = cells.iou[cells.partners]
    for name, values in (("predicted", cells.predicted_ids), ("predicted_area_px", cells.predicted_areas)):
        table[name][row], table[name][size:] = values[column], values[lone]
    return pd.DataFrame(table)
