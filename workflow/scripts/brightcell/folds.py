"""Assign frames to folds: those to train on, those that choose the thresholds, those to test.

Frames of one group (a time-lapse, a field of view, an experiment) look alike. A network tested on groups that it
was trained on has seen such frames before, and its scores say nothing about new recordings.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .errors import InputError, counted

ROLES = ("train", "validate", "test")
COLUMNS = ("scheme", "fold", "sample", "group", "role")


def assign_folds(
    samples: pd.DataFrame,
    scheme: str,
    n_folds: int,
    seed: int,
    validation: float = 0.2,
    allow_shared_groups: bool = False,
) -> pd.DataFrame:
    """Assign every frame a role in every fold.

    Parameters
    ----------
    samples
        One row per frame: sample, group, optional split (for the scheme sheet), optional cells (their
        number; 1 where it is missing).
    scheme
        grouped: each group is tested in one fold; folds hold about the same number of cells. Of two groups in two folds
        the last frames of the one that is not tested validate.
        random: each frame is tested in one fold, whatever its group.
        sheet: one fold, roles by the column split; `n_folds`, `seed` and `validation` are not used.
    n_folds, seed
        Number of folds; the seed of all choices. The order of the rows does not matter.
    validation
        Share of the groups (random: of the frames) outside the test set that validate; at least one.
    allow_shared_groups
        Accept a sheet whose split has frames of a group in more than one role.

    Returns
    -------
    DataFrame
        Columns scheme, fold (from 1), sample, group, role (train, validate, test); one row per frame and fold.

    Raises
    ------
    InputError
        If the frames cannot be assigned so that every role is filled in every fold.

    >>> samples = pd.DataFrame({"sample": ["a1", "a2", "b1", "c1"], "group": ["a", "a", "b", "c"]})
    >>> folds = assign_folds(samples, "grouped", n_folds=3, seed=1)
    >>> sorted(folds.loc[folds["role"] == "test", "sample"])
    ['a1', 'a2', 'b1', 'c1']
    """
    if scheme not in SCHEMES:
        raise InputError(
            f"folds.schemes: {scheme} is none of {', '.join(SCHEMES)}. Correct the configuration."
        )
    if not 0 < validation < 1:
        raise InputError(
            f"folds.validation: {validation} is no share between 0 and 1. Correct the configuration, "
            "for example to 0.2."
        )
    if scheme == "sheet":
        roles = _roles_of_sheet(samples, allow_shared_groups)
    else:
        roles = SCHEMES[scheme](samples, n_folds, np.random.default_rng(seed), validation)
    folds = [
        pd.DataFrame(
            {
                "scheme": scheme,
                "fold": number,
                "sample": samples["sample"].to_numpy(),
                "group": samples["group"].to_numpy(),
                "role": role,
            },
            columns=list(COLUMNS),
        )
        for number, role in enumerate(roles, start=1)
    ]
    return pd.concat(folds, ignore_index=True)


def assign_schemes(samples: pd.DataFrame, options: dict, source: str | Path) -> pd.DataFrame:
    """Assign the folds of every scheme in the config's `folds`; see `assign_folds`.

    `source` is the sheet's file, which the message of an InputError names.
    """
    try:
        schemes = {
            scheme: assign_folds(
                samples,
                scheme,
                options["number"],
                options["seed"],
                options["validation"],
                options["allow_shared_groups"],
            )
            for scheme in options["schemes"]
        }
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    if {"grouped", "random"} <= set(schemes):
        schemes["random"] = train_on_as_many(schemes["random"], schemes["grouped"], samples, options["seed"])
    return pd.concat(schemes.values(), ignore_index=True)


def train_on_as_many(
    folds: pd.DataFrame, other: pd.DataFrame, samples: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Return the folds with as many frames to train on as those of another scheme have, fold by fold.

    Frames change between training and validation, so that a difference between the schemes is not one of amounts. One frame
    with cells, or else any, is always left to validate.
    """
    folds, rng = folds.copy(), np.random.default_rng([seed, 1])
    wanted = other[other["role"] == "train"].groupby("fold").size()
    with_cells = samples.loc[(_cells(samples) > 0).to_numpy(), "sample"]
    for fold, number in wanted.items():
        own = folds[folds["fold"] == fold]
        train, validate = (own.index[own["role"] == role].to_numpy() for role in ("train", "validate"))
        if len(train) > number:
            folds.loc[rng.permutation(train)[number:], "role"] = "validate"
            continue
        candidates = rng.permutation(validate)
        kept = candidates[own.loc[candidates, "sample"].isin(with_cells).to_numpy()][:1]
        candidates = np.setdiff1d(candidates, kept if len(kept) else candidates[:1], assume_unique=True)
        folds.loc[rng.permutation(candidates)[: number - len(train)], "role"] = "train"
    return folds


def fold_numbers(scheme: str, n_folds: int) -> range:
    """Return the numbers of a scheme's folds, from 1; the sheet's own split is a single one."""
    return range(1, 2 if scheme == "sheet" else n_folds + 1)


def trainings(config: dict) -> list[dict]:
    """Return scheme, network, fold and seed of every training that a config asks for."""
    return [
        {"scheme": scheme, "network": network, "fold": fold, "seed": seed}
        for scheme in config["folds"]["schemes"]
        for network in config["networks"]
        for fold in fold_numbers(scheme, config["folds"]["number"])
        for seed in config["seeds"]
    ]


def missing_trainings(wanted: list[dict], scores: pd.DataFrame) -> list[str]:
    """Return which trainings have no scores: one sentence per scheme and network.

    >>> wanted = trainings({"folds": {"schemes": ["grouped"], "number": 2}, "networks": ["simple", "attention"], "seeds": [1]})
    >>> missing_trainings(wanted, pd.DataFrame({"scheme": ["grouped"], "network": "simple", "fold": 1, "seed": 1}))
    ['simple, scheme grouped: fold 2, seed 1.', 'attention, scheme grouped: all 2 trainings.']
    """
    scored = set(scores[["scheme", "network", "fold", "seed"]].itertuples(index=False, name=None))
    of_network: dict[tuple, list[dict]] = {}
    for training in wanted:
        of_network.setdefault((training["scheme"], training["network"]), []).append(training)
    said = []
    for (scheme, network), runs in of_network.items():
        absent = [run for run in runs if (scheme, network, run["fold"], run["seed"]) not in scored]
        if absent:
            listed = "; ".join(f"fold {run['fold']}, seed {run['seed']}" for run in absent)
            listed = listed if len(absent) < len(runs) else f"all {len(runs)} trainings"
            said.append(f"{network}, scheme {scheme}: {listed}.")
    return said


def leaky_schemes(folds: pd.DataFrame) -> list[str]:
    """Return the schemes in which frames of one group are both trained on and tested in a fold."""
    roles = folds[folds["role"].isin(["train", "test"])].groupby(["scheme", "fold", "group"], sort=False)
    shared = roles["role"].nunique() > 1
    return list(dict.fromkeys(shared.index[shared].get_level_values("scheme")))


def _check_number(units: int, n_folds: int, unit: str, advice: str) -> None:
    """Raise InputError unless every fold can have at least one unit (group or frame) in every role."""
    if n_folds < 2:
        raise InputError(f"folds.number: {n_folds}. Expected 2 or more: correct the configuration.")
    if units < max(3, n_folds) or n_folds * (units - 2) < units:
        found = f"{units} {unit}{'' if units == 1 else 's'}"
        expected = max(n_folds, 4 if n_folds == 2 else 3)
        other = "lower folds.number" if n_folds > units else "set folds.number to 3"
        other = f" or {other}" if units >= 3 else ""
        if units == 2 and unit == "group":
            other = " or set folds.number to 2, so that the last frames of a group validate"
        raise InputError(
            f"sample sheet: {found} for {n_folds} folds. Expected at least {expected} {unit}s, so that in "
            f"every fold one is tested, one validates and one is trained on: add {unit}s{other}{advice}."
        )


def _validators(units: int, validation: float) -> int:
    """Return how many of a fold's untested units validate; at least one is left to train on."""
    return min(max(1, round(validation * units)), units - 1)


def _roles_by_group(
    samples: pd.DataFrame, n_folds: int, rng: np.random.Generator, validation: float
) -> list[np.ndarray]:
    """Test each group in one fold; the largest group goes first, each into the fold with the fewest cells."""
    sizes = _cells(samples).groupby(samples["group"]).sum()
    if len(sizes) == n_folds == 2:
        return _roles_of_two(samples, sizes.index[rng.permutation(2)], validation)
    advice = ", or cut each time-lapse into groups of consecutive frames (make_samples.py --block 4), or use the scheme "
    advice += "random; with both, scores come out too high"
    _check_number(len(sizes), n_folds, "group", advice)
    sizes = sizes.iloc[rng.permutation(len(sizes))].sort_values(ascending=False, kind="stable")
    order = rng.permutation(n_folds)
    tested: list[list[str]] = [[] for _ in range(n_folds)]
    for group in sizes.index:
        # at least two groups stay outside each test set: one to train on, one to validate
        free = [fold for fold in order if len(tested[fold]) < len(sizes) - 2]
        least = min(free, key=lambda fold: (sizes[tested[fold]].sum(), len(tested[fold])))
        tested[least].append(group)
    fold_of = pd.Series({group: fold for fold, groups in enumerate(tested) for group in groups})
    folds = []
    for fold, groups in enumerate(tested):
        rest = sizes.drop(groups)
        number = _validators(len(rest), validation)
        # The groups tested in the next fold validate, so that each has its turn; the best sizes come first.
        turn = (fold_of[rest.index] - fold) % n_folds
        misfit = (rest - validation * rest.sum() / number).abs()
        chosen = pd.DataFrame({"turn": turn, "misfit": misfit}).sort_values(["turn", "misfit"], kind="stable")
        chosen = _with_cells(chosen.index, number, rest > 0, f"fold {fold + 1}", "groups")
        folds.append(
            np.select(
                [samples["group"].isin(groups), samples["group"].isin(chosen)], ["test", "validate"], "train"
            )
        )
    return folds


def _roles_of_two(samples: pd.DataFrame, groups: Iterable[str], validation: float) -> list[np.ndarray]:
    """Test each of two groups once; of the other one the last frames in a row validate, those before train."""
    frame = pd.to_numeric(samples["frame"]) if "frame" in samples else pd.Series(np.nan, samples.index)
    order = samples.assign(frame=frame).sort_values(["frame", "sample"], kind="stable").index[::-1]
    cells = _cells(samples)
    folds: list[np.ndarray] = []
    for group in groups:
        rest = order[(samples.loc[order, "group"] != group).to_numpy()]
        if len(rest) < 2:
            raise InputError(
                "sample sheet: two groups, of which one has a single frame. Expected two frames or more in each, of which the "
                "last ones validate: add frames or groups."
            )
        chosen = _with_cells(
            rest, _validators(len(rest), validation), cells > 0, f"fold {len(folds) + 1}", "frames"
        )
        roles = np.where(samples["group"] == group, "test", "train").astype(object)
        roles[samples.index.isin(chosen)] = "validate"
        folds.append(roles)
    return folds


def _cells(samples: pd.DataFrame) -> pd.Series:
    """Return the number of cells of each frame, 1 where it is not known yet."""
    return pd.to_numeric(samples["cells"]).fillna(1) if "cells" in samples else pd.Series(1, samples.index)


def _with_cells(order: Iterable, number: int, has_cells: Any, where: str, what: str) -> list:
    """Choose the first `number` of some groups or frames to validate; if none of them has cells, the first that has is among
    them.

    Raises InputError if there are not cells enough for validation and training.
    """
    order = list(order)
    chosen, full = order[:number], [each for each in order if has_cells[each]]
    if len(full) < 2:
        raise InputError(
            f"sample sheet: in {where} only {len(full)} of the {len(order)} {what} outside the test set have cells. Expected "
            f"cells in one to train on and in one to validate: add {what} with cells, or lower folds.number."
        )
    if not set(chosen) & set(full):
        chosen[-1] = full[0]
    elif set(full) <= set(chosen):
        chosen[chosen.index(full[-1])] = order[number]
    return chosen


def _roles_at_random(
    samples: pd.DataFrame, n_folds: int, rng: np.random.Generator, validation: float
) -> list[np.ndarray]:
    """Test each frame in one fold, whatever its group; the frames after the tested ones validate."""
    _check_number(len(samples), n_folds, "frame", "")
    shuffled = np.argsort(samples["sample"].to_numpy(), kind="stable")[rng.permutation(len(samples))]
    cells = _cells(samples).to_numpy()
    folds: list[np.ndarray] = []
    start = 0
    for tested in np.array_split(shuffled, n_folds):
        rest = np.roll(shuffled, -start)[len(tested) :]
        roles = np.full(len(samples), "train", dtype=object)
        roles[tested] = "test"
        number = _validators(len(rest), validation)
        roles[_with_cells(rest, number, cells > 0, f"fold {len(folds) + 1}", "frames")] = "validate"
        folds.append(roles)
        start += len(tested)
    return folds


def _roles_of_sheet(samples: pd.DataFrame, allow_shared_groups: bool) -> list[np.ndarray]:
    """Take the roles of the only fold from the column split."""
    advice = "Fill the column split of the sample sheet, or use another of folds.schemes"
    if "split" not in samples:
        raise InputError(
            "sample sheet: no column split, from which the scheme sheet takes the roles. "
            f"Expected {_list(ROLES)}. {advice}."
        )
    split = samples["split"].astype(object)
    wrong = samples.loc[~split.isin(ROLES), "sample"]
    if len(wrong):
        values = sorted(
            {str(value) if value == value and value != "" else "(empty)" for value in split[wrong.index]}
        )
        raise InputError(
            f"sample sheet: split is {_list(values)} for {counted(len(wrong), 'sample')} ({_list(wrong)}). "
            f"Expected {_list(ROLES)}. {advice}."
        )
    empty = [role for role in ROLES if not (split == role).any()]
    if empty:
        raise InputError(
            f"sample sheet: no sample has the split {_list(empty)}. Expected all of {_list(ROLES)}. {advice}."
        )
    cells = _cells(samples)
    bare = [role for role in ("train", "validate") if not cells[(split == role).to_numpy()].any()]
    if bare:
        raise InputError(
            f"sample sheet: the split {_list(bare)} has no cell in any mask. Expected cells in both train and validate: "
            "without them nothing is learned, and the watershed cannot be calibrated. Correct the column split."
        )
    roles = split.groupby(samples["group"]).nunique()
    shared = roles.index[roles > 1]
    if len(shared) and not allow_shared_groups:
        raise InputError(
            f"sample sheet: {counted(len(shared), 'group has', 'groups have')} frames in more than one split: {_list(shared)}. Expected "
            "each group in one split, because frames of a group resemble each other and a network tested on "
            "what it has seen scores too high (leakage). Correct the column split or the column group, or "
            "accept it in the configuration: `folds.allow_shared_groups: true`."
        )
    return [split.to_numpy()]


def _list(items: Iterable, most: int = 5) -> str:
    names = [str(item) for item in items]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


SCHEMES: dict[str, Callable[..., list[np.ndarray]]] = {
    "grouped": _roles_by_group,
    "random": _roles_at_random,
    "sheet": _roles_of_sheet,
}
"""name → function that returns the roles of all frames, fold by fold."""
