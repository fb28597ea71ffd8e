"""Estimate how well the averaged networks that segment recordings do on groups that they have not seen.

`ensemble` averages the trainings of all folds, and every annotated group was trained on by some of them. So each fold stands
for the whole: its seeds are averaged on the groups that it tests, which none of them has seen. What segments averages
more trainings, so it may be somewhat better.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from brightcell import trained
from brightcell.comparison import summarise
from brightcell.errors import InputError
from brightcell.instances import labelling
from brightcell.io.stacks import Maps
from brightcell.metrics.registry import HEADLINE, METRICS
from brightcell.metrics.scoring import score_frames

from .ensemble import common_parameters

logger = logging.getLogger("brightcell")

SCORES = (*HEADLINE, "mean_ap")
COLUMNS = (
    *("scheme", "network", "score", "mean", "low", "high"),
    *("groups", "frames", "seeds", "trainings", "leaky"),
)

Page = TypeVar("Page")


class Training(NamedTuple):
    """A training of a network: its maps of the test frames by sample, and the content of its calibration.json."""

    fold: int
    seed: int
    maps: Mapping[str, Maps]
    calibration: dict


class Lazy(Mapping[str, Page]):
    """Pages that are made on access; the last one is kept."""

    def __init__(self, names: Sequence[str], make: Callable[[str], Page]):
        self.names, self._make = names, lru_cache(maxsize=1)(make)

    def __getitem__(self, name: str) -> Page:
        return self._make(name)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def average_maps(trainings: Sequence[Training]) -> Lazy[Maps]:
    """Average the maps of trainings frame by frame; raise InputError if they do not have the same frames."""
    names = list(trainings[0].maps)
    for other in trainings[1:]:
        if set(other.maps) != set(names):
            raise InputError(
                f"fold {other.fold}: the test predictions of seed {other.seed} are of {len(other.maps)} frames, those of seed "
                f"{trainings[0].seed} of {len(names)} frames, which are not the same. Expected the same frames for all seeds: "
                "remove the predictions of this network and run again."
            )

    def average(name: str) -> Maps:
        foreground, distance = zip(*(training.maps[name] for training in trainings), strict=True)
        return Maps(np.mean(foreground, axis=0), None if distance[0] is None else np.mean(distance, axis=0))

    return Lazy(names, average)


def label(maps: Lazy[Maps], parameters: dict) -> Lazy[np.ndarray]:
    """Separate the cells of each frame of maps; parameters : keyword arguments of `labelling.label_cells`."""
    return Lazy(maps.names, lambda name: labelling.label_cells(*maps[name], **parameters))


def usable(trainings: Sequence[Training], folds: pd.DataFrame, fold: int) -> list[dict]:
    """Return the calibrations that were made without the groups that a fold tests.

    These are the fold's own, and those of folds that validate on other groups.
    folds : folds.tsv of one scheme
    """
    groups = {key: set(own) for key, own in folds.groupby(["fold", "role"])["group"]}
    tested = groups[fold, "test"]
    return [
        training.calibration
        for training in trainings
        if training.fold == fold or not groups[training.fold, "validate"] & tested
    ]


def score_folds(
    trainings: Sequence[Training],
    truth: Mapping[str, np.ndarray],
    samples: pd.DataFrame,
    folds: pd.DataFrame,
) -> pd.DataFrame:
    """Score the test frames of every fold on the averaged maps of its seeds.

    Cells are separated with the median parameters of the calibrations that are `usable`, and pixels have the
    median threshold of these. One frame at a time is in memory.

    Parameters
    ----------
    trainings : all trainings of a network and scheme
    truth : label images (height, width) by sample
    samples : as `score_frames` takes them
    folds : folds.tsv of the scheme

    Returns
    -------
    pandas.DataFrame
        fold, seeds (their number), and the columns of the frames of `score_frames`; a row a frame.
    """
    scored = []
    for fold in sorted({training.fold for training in trainings}):
        own = [training for training in trainings if training.fold == fold]
        calibrations = usable(trainings, folds, fold)
        parameters = common_parameters(calibrations)
        thresholds = [each["pixels"]["threshold"] for each in calibrations if "pixels" in each]
        threshold = float(np.median(thresholds)) if thresholds else None
        logger.info(
            "fold %d: seeds averaged: %d; frames: %d; watershed: %s; pixels from %s; medians over calibrations: %d",
            *(fold, len(own), len(own[0].maps), parameters, threshold, len(calibrations)),
        )
        maps = average_maps(own)
        try:
            frames = score_frames(truth, label(maps, parameters), samples, maps, threshold).frames
        except InputError as error:
            raise InputError(f"fold {fold}: {error}") from None
        frames.insert(0, "fold", fold)
        frames.insert(1, "seeds", len(own))
        scored.append(frames)
    return pd.concat(scored, ignore_index=True)


def expect(frames: pd.DataFrame, leaky: bool, confidence: float = 0.95) -> pd.DataFrame:
    """Return the mean of SCORES over groups, with its interval over groups: a row a score that has values.

    Parameters
    ----------
    frames : the table of `score_folds` of one network and scheme, with the columns scheme and network
    leaky : whether the scheme trains on groups that it tests
    confidence : of the interval

    Returns
    -------
    pandas.DataFrame
        COLUMNS; seeds: averaged in a fold, the fewest where folds differ; trainings: of all folds. low and high are NaN for
        a single group.
    """
    of_folds = frames.drop_duplicates("fold")["seeds"]
    table = summarise(frames.assign(seed=0), SCORES, confidence=confidence)
    table = table.assign(seeds=of_folds.min(), trainings=of_folds.sum(), leaky=leaky)
    return table[list(COLUMNS)]


def of_models(made_of: dict, files: Iterable[str | Path]) -> pd.DataFrame | None:
    """Return what is expected of the models that segmented a recording, in COLUMNS; None if it is not known.

    made_of : network and models, made_of.json of the recording; files : those of expected.tsv that may be read
    It is not known of models in several folders, or of another network than the file has.
    """
    folders = {Path(model).parents[1] for model in made_of["models"]}
    beside = [path for path in trained.expected_beside(made_of["models"]) if path in map(str, files)]
    if len(folders) != 1 or not beside:
        return None
    table = trained.read_expected(beside[0])
    table = table[(table["network"] == made_of["network"]) & table["score"].isin(list(METRICS))]
    return table if len(table) else None
