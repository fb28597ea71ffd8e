"""Choose the trained networks that segment together, and average their predictions."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from brightcell import files, trained
from brightcell.errors import InputError, nearest
from brightcell.io.image_file import SAME_SIZE

logger = logging.getLogger("brightcell")

DEEPEST = 8  # levels of folders below the one that is named
# What members must share, for the same frame is given to all of them.
SHARED = {
    "channels": "channels",
    "outputs": "outputs",
    "levels": "levels",
    "percentiles": "percentiles of the grey values",
    "working_pixel_size_um": "pixel size in µm",
}


class Ensemble(NamedTuple):
    """Trainings of one network: their positions in the given lists, and what they share.

    recipe, calibration : of the first member; parameters : keyword arguments of `labelling.label_cells`
    """

    network: str
    members: list[int]
    recipe: dict
    calibration: dict
    parameters: dict


def find_models(folder: str | Path, network: str | None = None, own: str | Path | None = None) -> list[str]:
    """Return the folders of trained networks below a folder, only those of one network if it is named.

    Each holds model.keras, recipe.json and calibration.json. Raises InputError if there is none, one is incomplete, the
    network is not among them, or they were trained on several data sets or under several schemes; also if they are in
    the folder `own` of this config's own results, where Snakemake would try to make them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"segment.models {folder}: no such folder. Give the folder in or below which the models are."
        )
    if own and folder.resolve().is_relative_to(Path(own).resolve()):
        raise InputError(
            f"segment.models {folder}: the models of this config's own data set. Leave the key out to segment with what "
            "this config trains, or give `dataset` another name."
        )
    found = sorted(_folders_of_models(folder))
    if not found:
        raise InputError(
            f"segment.models {folder}: no model.keras in or below it. Expected folders that each hold {', '.join(trained.FILES)}, "
            "such as results/<dataset>/models of another project."
        )
    for place in found:
        missing = [name for name in trained.FILES if not (place / name).is_file()]
        if missing:
            raise InputError(
                f"{place}: no {' and no '.join(missing)} beside model.keras. Expected {', '.join(trained.FILES)} together: copy the "
                "whole folder, or remove it."
            )
    recipes = [trained.read_recipe(place / "recipe.json") for place in found]
    for place in found:
        trained.read_calibration(place / "calibration.json")
    for path in trained.expected_beside(found):
        trained.read_expected(path)
    networks = [recipe["network"] for recipe in recipes]
    if network is not None and network not in networks:
        guess = nearest(network, networks)
        raise InputError(
            f"segment.network: found {network!r}; the models in {folder} are of {', '.join(sorted(set(networks)))}"
            + (f"; did you mean {guess!r}?" if guess else ". Correct the config.")
        )
    kept = [
        (place, recipe)
        for place, recipe in zip(found, recipes, strict=True)
        if network in (None, recipe["network"])
    ]
    for key, title in (("dataset", "data sets"), ("scheme", "schemes")):
        first = {recipe[key]: place for place, recipe in reversed(kept) if key in recipe}
        if len(first) > 1:
            listed = ", ".join(f"{name} ({place})" for name, place in sorted(first.items()))
            raise InputError(
                f"segment.models {folder}: found models of several {title}: {listed}. Expected those of one, because their "
                "scores cannot be compared, and one scheme may show networks what another hides: name the folder of one."
            )
    return [str(place) for place, _ in kept]


def load(
    models: Sequence[str | Path],
    recipes: Sequence[str | Path],
    calibrations: Sequence[str | Path],
    network: str | None,
    settings: dict,
) -> tuple[Ensemble, dict]:
    """Choose among trainings by their files; return the choice, and the content of made_of.json.

    settings : the config's images, preprocess, prediction and border
    made_of.json has network, digests of the models, parameters of the watershed, and settings.
    """
    chosen = choose(
        [trained.read_recipe(path) for path in recipes],
        [trained.read_calibration(path) for path in calibrations],
        network,
        [str(Path(path).parent) for path in models],
    )
    chosen = chosen._replace(parameters=chosen.parameters | {"border": settings["border"]})
    members = [models[index] for index in chosen.members]
    made_of = {
        "network": chosen.network,
        "models": {str(path): files.digest(path) for path in members},
        "parameters": chosen.parameters,
        **{name: settings[name] for name in ("images", "preprocess", "prediction")},
    }
    return chosen, made_of


def choose(
    recipes: Sequence[dict],
    calibrations: Sequence[dict],
    network: str | None = None,
    names: Sequence[str] | None = None,
) -> Ensemble:
    """Choose all trainings of the named network, or of the one with the best mean score on validation frames.

    recipes, calibrations : recipe.json and calibration.json of each training; names : of their files, for messages
    Raises InputError if the members do not fit together.
    """
    network = network or best_network(recipes, calibrations)
    members = [index for index, recipe in enumerate(recipes) if recipe["network"] == network]
    first = recipes[members[0]]
    names = names or [f"training {index + 1}" for index in range(len(recipes))]
    for index in members[1:]:
        for key, title in SHARED.items():
            if not _alike(recipes[index].get(key), first.get(key)):
                raise InputError(
                    f"{names[index]}: {title} {recipes[index].get(key)}; {names[members[0]]} has {first.get(key)}. Networks "
                    "that segment together must agree in it: keep them in folders of their own."
                )
    own = [calibrations[index] for index in members]
    return Ensemble(network, members, first, own[0], common_parameters(own))


def best_network(recipes: Sequence[dict], calibrations: Sequence[dict]) -> str:
    """Return the network with the best calibration score, averaged over its trainings."""
    scores = {calibration["score"] for calibration in calibrations}
    if len(scores) > 1:
        raise InputError(
            f"the watersheds were calibrated for different scores, {', '.join(sorted(scores))}, so that networks cannot be "
            "compared: name one with segment.network."
        )
    values = pd.DataFrame(
        {"network": recipe["network"], "value": calibration["value"]}
        for recipe, calibration in zip(recipes, calibrations, strict=True)
    )
    return values.groupby("network")["value"].mean().idxmax()


def common_parameters(calibrations: Sequence[dict]) -> dict:
    """Return the median of each watershed parameter over the members; for words, the most frequent one."""
    table = pd.DataFrame([each["parameters"] for each in calibrations])
    return {
        name: float(column.median()) if pd.api.types.is_numeric_dtype(column) else column.mode()[0]
        for name, column in table.items()
    }


class Averaged:
    """Several networks as one function of tiles, float32 (n, height, width, channels).

    It returns float32 (n, height, width, outputs + 1): the mean maps, then the standard deviation of the foreground
    over the members (0 for a single one). `receptive_px` is the farthest that any of them sees, None if unknown.
    """

    def __init__(self, predictors: Sequence[Callable[[np.ndarray], np.ndarray]]):
        self.predictors = predictors
        reach = [getattr(each, "receptive_px", None) for each in predictors]
        known = [px for px in reach if px is not None]
        self.receptive_px = max(known) if len(known) == len(reach) else None

    def __call__(self, tiles: np.ndarray) -> np.ndarray:
        maps = np.stack([np.asarray(predictor(tiles), np.float32) for predictor in self.predictors])
        return np.concatenate([maps.mean(0), maps[..., :1].std(0)], axis=-1)


def _folders_of_models(folder: Path) -> Iterator[Path]:
    """Yield the folders that hold a model.keras, a few levels deep; InputError for a name that no rule can use."""
    for place, folders, names in os.walk(folder):
        if len(Path(place).relative_to(folder).parts) >= DEEPEST:
            folders.clear()
        if "model.keras" in names:
            if not place.isprintable() or set(place) & set("{}"):
                raise InputError(
                    f"segment.models {folder}: found a folder named {place!r}. Expected names without braces and control "
                    "characters: rename it."
                )
            yield Path(place)


def _alike(one: object, other: object) -> bool:
    if isinstance(one, float | int) and isinstance(other, float | int):
        return abs(one - other) <= SAME_SIZE * abs(other)
    return one == other
