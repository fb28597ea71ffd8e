"""Segment the frames of a recording: bring them to the networks' size, predict, part the cells, measure them."""

import logging
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from brightcell.errors import InputError
from brightcell.inference import streaming
from brightcell.instances import labelling, regionprops, ridges
from brightcell.io import stacks
from brightcell.preprocessing import rescaling, statistics, steps
from brightcell.preprocessing.loader import FrameLoader, LoadedFrame

from .ensemble import Averaged, Ensemble

logger = logging.getLogger("brightcell")

GRAIN_PX = 8  # side of the squares in which doubt is averaged, in px of the networks' frames


class Prepared(NamedTuple):
    """A frame on its way to the networks.

    row : of the sheet; frame : grey values (height, width, channels) after preprocessing, at their own size, which
    `pixel_size_um` tells (nan: unknown); image : the same at the networks' pixel size, `factor` times as large
    """

    row: dict
    frame: np.ndarray
    pixel_size_um: float
    image: np.ndarray
    factor: float


class Segmented(NamedTuple):
    """A frame's cells: labels int32 (height, width) at the frame's own size, a row a cell, a row of the frame.

    foreground : probability, float32, at the frame's own size; doubt : uint8, see `doubt_map`
    """

    labels: np.ndarray
    cells: pd.DataFrame
    summary: dict
    foreground: np.ndarray
    doubt: np.ndarray


def prepare(row: dict, taken: LoadedFrame, recipe: dict) -> Prepared:
    """Bring a frame to the pixel size and the channels of the networks' training.

    Where the pixel size is unknown and the diameter of its cells is given, cells are brought to the training's median.
    Raises InputError for channels that do not fit, or a size that no one means.
    """
    frame, pixel_um = taken.image, taken.pixel_size_um
    image = fit_channels(frame, recipe["channels"], row["image"])
    try:
        if math.isnan(taken.cell_diameter_px):
            factor = rescaling.scale_factor(pixel_um, recipe["working_pixel_size_um"])
        else:
            factor = rescaling.diameter_factor(taken.cell_diameter_px, _trained_diameter(recipe))
    except InputError as error:
        raise InputError(f"{row['image']}: {error}") from None
    return Prepared(row, frame, pixel_um, rescaling.rescale_image(image, factor), factor)


def fit_channels(frame: np.ndarray, wanted: int, name: str) -> np.ndarray:
    """Return a frame with as many channels as networks want: grey repeated, colour averaged to grey; else InputError.

    >>> fit_channels(np.array([[[1, 2, 6]]]), 1, "a.tif").tolist(), fit_channels(np.array([[[4]]]), 3, "a.tif").tolist()
    ([[[3.0]]], [[[4, 4, 4]]])
    """
    found = frame.shape[-1]
    if found == wanted:
        return frame
    if found == 1 and wanted == 3:
        return np.repeat(frame, wanted, axis=-1)
    if wanted == 1 and found == 3:
        return frame.mean(axis=-1, keepdims=True, dtype=np.float32)
    raise InputError(
        f"{name}: {found} channels; the networks were trained on {wanted}. Choose those of the recording with "
        f"images.channels, for example [0], or train networks on images like it."
    )


def _trained_diameter(recipe: dict) -> float:
    """Return the median diameter in px of the cells that the networks were trained on."""
    areas = recipe.get("training_data", {}).get("cell_area_px")
    if not areas:
        raise InputError(
            "cell_diameter_px is given, but the networks' recipe.json does not say how large their cells were. Give the "
            "pixel size in place of it (images.pixel_size_um), or train the networks again."
        )
    return 2 * math.sqrt(areas[1] / math.pi)


def prepare_all(rows: list[dict], first_rows: list[dict], settings: dict, recipe: dict) -> Iterator[Prepared]:
    """Read the frames of a recording's rows one by one and `prepare` them; what becomes of pixel sizes is logged once.

    first_rows : by whose grey values all are mapped, where the config's `preprocess.bit_depth` is `group`
    settings : the config's images and preprocess; recipe : of the training
    """
    told: set[float] = set()
    loader = FrameLoader(first_rows, settings["images"], settings["preprocess"])
    for row in rows:
        frame = prepare(row, loader.frame(row), recipe)
        if frame.factor not in told:
            told.add(frame.factor)
            _log_size(frame, recipe)
            _log_channels(frame)
        yield frame
    loader.close()


def _log_size(frame: Prepared, recipe: dict) -> None:
    if math.isnan(frame.pixel_size_um) and frame.factor == 1:
        logger.warning(
            "%s: pixel size unknown, taken to be that of the training images. If it is not, give images.pixel_size_um or "
            "the sheet's column pixel_size_um; or images.cell_diameter_px, the diameter of a typical cell in pixels.",
            frame.row["image"],
        )
    elif math.isnan(frame.pixel_size_um):
        logger.info(
            "%s: pixel size unknown; made %.3g times as large, by cell_diameter_px, for the prediction",
            *(frame.row["image"], frame.factor),
        )
    elif frame.factor != 1:
        logger.info(
            "%s: rescaled from %.4g µm a pixel to the networks' %.4g µm for the prediction",
            *(frame.row["image"], frame.pixel_size_um, recipe["working_pixel_size_um"]),
        )


def _log_channels(frame: Prepared) -> None:
    own, wanted = frame.frame.shape[-1], frame.image.shape[-1]
    if own != wanted:
        logger.warning(
            "%s: %d channel%s, the networks were trained on %d: %s",
            *(frame.row["image"], own, "s" * (own > 1), wanted),
            "the grey values are given to each" if own == 1 else "the channels are averaged to grey",
        )


def segment(
    frames: Iterable[Prepared], predict: Averaged, chosen: Ensemble, prediction: dict, total: int
) -> Iterator[Segmented]:
    """Predict frames and part their cells, one frame at a time; `prediction` is the config's, `total` for the log."""
    pairs = ((frame, frame.image) for frame in frames)
    for frame, maps in streaming.predict_maps(predict, pairs, chosen.recipe, prediction, total):
        yield separate(frame, maps, chosen.parameters, len(chosen.members))


def unlike_training(settings: dict, recipe: dict, calibration: dict) -> list[str]:
    """Return the settings that differ from those of the training, in words.

    settings : the config's images, preprocess and prediction; recipe, calibration : of a training. What these do not tell,
    because an earlier version wrote them, is not compared, nor is `crop`; pictures of light are there or not.
    """
    channels = settings["images"]["channels"]
    symmetries = settings["prediction"]["symmetries"]
    now = {
        "images.channels": channels,
        "prediction.symmetries": symmetries,
        **_steps(settings["preprocess"]),
    }
    then = {
        "images.channels": recipe.get("chosen_channels", channels),
        "prediction.symmetries": calibration.get("symmetries", symmetries),
        **_steps(settings["preprocess"] | recipe.get("preprocess", {})),
    }
    return [
        f"{name} is {now[name]}, at the training it was {then[name]}"
        for name in now
        if now[name] != then[name]
    ]


def separate(prepared: Prepared, maps: np.ndarray, parameters: dict, members: int) -> Segmented:
    """Separate the cells of a frame and measure them.

    Parameters
    ----------
    maps : float32 (height, width, outputs + 1)
        Of `ensemble.Averaged`, at the size of `prepared.image`.
    parameters : dict
        Keyword arguments of `labelling.label_cells`, in pixels of that size.
    members : int
        Networks that were averaged: a single one does not disagree.

    Returns
    -------
    Segmented
        `cells` has the columns sample, frame, those of `regionprops.cell_table`, confidence (mean foreground
        probability in the cell), disagreement (mean standard deviation of the members' foreground) and ridge (doubt of
        its borders with others, `ridges.ridges`); `summary` confidence and disagreement over the pixels of all cells, nan
        without any.
    """
    row, frame = prepared.row, prepared.frame
    spread = maps[..., -1] if members > 1 else np.full(maps.shape[:2], np.nan, np.float32)
    foreground, distance = stacks.split_maps(maps[..., :-1])
    found = labelling.label_cells(foreground, distance, **parameters)
    labels = rescaling.resize_labels(found, frame.shape[:2])
    found, labels = _without_lost(found, labels)
    pixel_um = None if math.isnan(prepared.pixel_size_um) else prepared.pixel_size_um
    cells = regionprops.cell_table(labels, frame, pixel_um)
    cells.insert(0, "sample", row["sample"])
    cells.insert(1, "frame", int(row["frame"]))
    counts = np.bincount(found.ravel())
    means = {}
    for name, values in (("confidence", maps[..., 0]), ("disagreement", spread)):
        sums = np.bincount(found.ravel(), values.ravel().astype(np.float64))
        cells[name] = sums[1:] / counts[1:]
        means[name] = sums[1:].sum() / counts[1:].sum() if len(cells) else math.nan
    cells["ridge"] = ridges.ridges(found, foreground if distance is None else distance)
    summary = {
        "sample": row["sample"],
        "frame": int(row["frame"]),
        "image": row["image"],
        "height": labels.shape[0],
        "width": labels.shape[1],
        "pixel_size_um": prepared.pixel_size_um,
        "scale": prepared.factor,
        "cells": len(cells),
        "cell_share": float((labels > 0).mean()),
        "median_area_px": float(cells["area_px"].median()) if len(cells) else math.nan,
        **statistics.describe_frame(frame),
        **means,
    }
    probability = rescaling.resize_map(foreground, labels.shape)
    return Segmented(labels, cells, summary, probability, doubt_map(foreground, spread))


def doubt_map(foreground: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return how doubtful the networks are of what a place is, as means over squares of GRAIN_PX; uint8, 255 for 1.

    Doubt of a pixel is twice the standard deviation of the members' foreground, 1 where half of them say cell and the
    others background; of a single network 4 p (1 − p), 1 where its foreground probability p is one half.

    foreground, spread : float (height, width); spread is nan where there is a single network

    >>> doubt_map(np.full((8, 12), 0.5), np.full((8, 12), np.nan)).tolist()
    [[255, 255]]
    """
    doubt = np.where(np.isnan(spread), 4 * foreground * (1 - foreground), 2 * spread)
    for axis, side in enumerate(doubt.shape):
        starts = np.arange(0, side, GRAIN_PX)
        counts = np.diff(starts, append=side)
        doubt = np.add.reduceat(doubt, starts, axis) / (counts[:, None] if axis == 0 else counts)
    return np.round(255 * np.clip(doubt, 0, 1)).astype(np.uint8)


def _steps(options: dict) -> dict[str, object]:
    pictures = {name: "given" for name in ("flat", "dark") if options[name]}
    chosen = steps.plan(options | pictures)
    return {f"preprocess, {name},": chosen.get(name, "off") for name in steps.PREPROCESS if name != "crop"}


def _without_lost(found: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Renumber the cells if some became too small to be seen at the frame's own size."""
    kept = np.bincount(labels.ravel(), minlength=int(found.max(initial=0)) + 1) > 0
    kept[0] = True
    if kept.all():
        return found, labels
    number = np.where(kept, np.cumsum(kept) - 1, 0).astype(np.int32)
    return number[found], number[labels]
