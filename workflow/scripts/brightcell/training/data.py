"""The data of a training: its target, its frames, and their description."""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from brightcell.errors import InputError, counted
from brightcell.io import stacks
from brightcell.preprocessing import normalisation, statistics

from .patches import TrainingFrame
from .starting import OUTPUTS

logger = logging.getLogger("brightcell")

Paths = Iterable[str | Path]


def choose_target(wanted: str, samples: pd.DataFrame) -> str:
    """Return the target `foreground` or `foreground+distance`: the one that the config wants, or, for `auto`, one that fits.

    samples : samples.tsv. The distance is learned where every mask tells single cells apart; InputError where it is wanted
    and one does not.
    """
    semantic = samples.loc[samples["mask_type"] != "instances", "sample"]
    if wanted == "foreground+distance" and len(semantic):
        raise InputError(
            f"network.target is foreground+distance, but the masks of {counted(len(semantic), 'sample')} ({semantic.iloc[0]}, …) "
            "do not tell touching cells apart. Number the cells in these masks, or take foreground or auto."
        )
    if wanted != "auto":
        return wanted
    if len(semantic):
        logger.info(
            "target: foreground alone, because the masks of %d samples (%s, …) do not tell touching cells apart",
            *(len(semantic), semantic.iloc[0]),
        )
        return "foreground"
    logger.info("target: foreground and distance, because every mask tells single cells apart")
    return "foreground+distance"


def shape_of(network: dict, samples: pd.DataFrame) -> tuple[str, dict]:
    """Return the target, and the arguments of `unet.build_unet` beside architecture and size.

    network : the config's `network`; samples : samples.tsv
    """
    target = choose_target(network["target"], samples)
    shape = {key: network[key] for key in ("filters", "levels", "dropout")}
    return target, shape | {"outputs": OUTPUTS[target]}


def load_frames(
    frames: Paths, labels: Paths, rows: pd.DataFrame, percentiles: tuple[float, float]
) -> list[TrainingFrame]:
    """Load the frames of the samples in `rows` from the stacks of their groups, normalised, with their labels."""
    pictures = stacks.read_named(frames, rows)
    truths = stacks.read_named(labels, rows)
    return [
        TrainingFrame.from_labels(normalisation.normalise(pictures[name], percentiles), truths[name][..., 0])
        for name in rows["sample"]
    ]


def cell_areas(labels: np.ndarray) -> np.ndarray:
    """Return the area in px of each cell of a label image.

    >>> cell_areas(np.array([[0, 1, 1, 7]])).tolist()
    [2, 1]
    """
    return np.unique(labels[labels > 0], return_counts=True)[1]


def describe_data(frames: Paths, labels: Paths, rows: pd.DataFrame) -> dict[str, list[float]]:
    """Describe the frames of some samples and the sizes of their cells, see `statistics.reference`."""
    instances = rows[rows["mask_type"] == "instances"]
    return statistics.reference(
        (frame for _, frame in stacks.iterate_named(frames, rows)),
        (page[..., 0] for _, page in stacks.iterate_named(labels, instances)),
    )


def repeats(old: int, new: int, share: float) -> tuple[int, int]:
    """Return how often old and new frames stand in a list, so that about this share of all patches is of new ones.

    Patches are drawn from the frames of the list, each as often as any other.

    >>> repeats(20, 4, 0.5), repeats(2, 8, 0.5), repeats(30, 0, 0.5)
    ((1, 5), (4, 1), (1, 1))
    """
    if not (old and new):
        return 1, 1
    often = share / (1 - share) * old / new
    return (1, round(often)) if often >= 1 else (round(1 / often), 1)


def together(old: list[TrainingFrame], new: list[TrainingFrame], share: float) -> list[TrainingFrame]:
    """Return old and new frames in one list, the one or the other several times, see `repeats`."""
    times = repeats(len(old), len(new), share)
    return old * times[0] + new * times[1]
