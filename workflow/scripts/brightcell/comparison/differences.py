"""Compare networks: which one is better, by how much and how surely.

Scores are averaged over seeds within a frame, then over frames within a group (`averaging`); means, intervals and
tests are over groups.
"""

import math
from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from brightcell.metrics.registry import METRICS

from .averaging import average_frames, average_seeds, group_differences, pair_frames
from .resampling import bootstrap_interval, sign_flip_test
from .significance import Interval, equivalence, groups_needed, holm, nadeau_bengio

COUNTS = ["groups", "frames", "seeds", "frames_missing"]
SUMMARY_COLUMNS = ["scheme", "score", "network", "mean", "low", "high", *COUNTS]
PAIR = ["scheme", "score", "network_a", "network_b", "difference", "low", "high"]
OF_FOLDS = ["folds", *(f"nadeau_bengio_{name}" for name in Interval._fields)]
OF_USE = ["margin", "equivalence", "groups_needed"]
DIFFERENCE_COLUMNS = [
    *PAIR, *("p", "p_holm", "smallest_p", "groups", "groups_unpaired"), *OF_FOLDS, *OF_USE
]  # fmt: skip
LEAKAGE_COLUMNS = ["network", "score", "grouped", "random", "inflation", "low", "high", "groups", "scheme"]
ALL_NETWORKS = "all"
FEWEST_GROUPS = 6  # the interval of fewer is hardly more than their range, whatever the confidence


def _present(scores: pd.DataFrame, metrics: Iterable[str]) -> list[str]:
    return [name for name in metrics if name in scores and scores[name].notna().any()]


def summarise(
    scores: pd.DataFrame,
    metrics: Iterable[str] = tuple(METRICS),
    draws: int = 10000,
    confidence: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """Return the mean over groups, with its interval, of every scheme, score and network.

    `scores` has a row a scheme, network, fold, seed and sample, and the column group. NaN scores are left
    out and counted in frames_missing; `frames` are those that remain. A score without any value is
    left out.
    """
    metrics = _present(scores, metrics)
    means = average_seeds(scores, metrics)
    rows = []
    for scheme, of_scheme in means.groupby("scheme", sort=False):
        for name in metrics:
            for network, frames in of_scheme.groupby("network", sort=False):
                valid = frames.dropna(subset=name)
                values = average_frames(valid, [name], sort=True)[name].to_numpy()
                if not len(values):
                    continue
                low, high = bootstrap_interval(values, draws, confidence, seed)
                own = scores[(scores["scheme"] == scheme) & (scores["network"] == network)]
                counts = (len(values), len(valid), own["seed"].nunique(), len(frames) - len(valid))
                rows.append((scheme, name, network, values.mean(), low, high, *counts))
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def compare(
    scores: pd.DataFrame,
    metrics: Iterable[str] = tuple(METRICS),
    draws: int = 10000,
    confidence: float = 0.95,
    seed: int = 1,
    margin: float = 0.01,
    ratios: dict[str, float] | None = None,
) -> pd.DataFrame:
    """Compare every two networks of a scheme, score by score, paired by frame and then by group.

    Parameters
    ----------
    scores
        The table of `summarise`.
    margin
        Difference that matters in practice; for scores between 0 and 1, not for those with a unit.
    ratios
        Test frames over training frames in a fold of each scheme (`folds.frame_ratios`); without them
        the comparison by folds is left out.

    Returns
    -------
    DataFrame
        `difference` is network_a - network_b, averaged over the frames that have a score of both, then
        over groups; `low` to `high` is its bootstrap interval, `p` comes from `sign_flip_test`, `p_holm`
        from `holm` over the pairs of the same scheme and score. `groups_unpaired` counts the groups that
        have no frame with a score of both; they are left out. nadeau_bengio_low, _high and _p look at the
        same differences training by training (`nadeau_bengio`; p not adjusted), over `folds` folds.
        `equivalence` judges the interval against `margin`, `groups_needed` tells how many groups would show a
        difference of `margin` at the p that Holm asks of the first pair.
    """
    metrics = _present(scores, metrics)
    means = average_seeds(scores, metrics)
    rows = []
    for scheme, of_scheme in means.groupby("scheme", sort=False):
        pairs = list(combinations(of_scheme["network"].unique(), 2))
        trainings = scores[scores["scheme"] == scheme]
        ratio = (ratios or {}).get(scheme, math.nan)
        for name in metrics:
            paired = pair_frames(of_scheme, name)
            if not paired.notna().any(axis=None):
                continue
            of_trainings = trainings.pivot_table(
                index=["fold", "seed", "group", "sample"], columns="network", values=name
            )
            matters = math.nan if METRICS[name].unit else margin
            for a, b in pairs:
                by_group = group_differences(paired, a, b)
                row = {"scheme": scheme, "score": name, "network_a": a, "network_b": b}
                row |= _over_groups(by_group, draws, confidence, seed)
                row |= _over_folds(of_trainings, a, b, ratio, confidence)
                row |= _in_practice(by_group, row, matters, (1 - confidence) / len(pairs), draws)
                rows.append(row)
    table = pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)
    if len(table):
        table["p_holm"] = table.groupby(["scheme", "score"], sort=False)["p"].transform(holm)
    return table


def _over_groups(by_group: pd.Series, draws: int, confidence: float, seed: int) -> dict:
    """Mean, interval and test of differences, one a group."""
    values = by_group.dropna().to_numpy()
    low, high = bootstrap_interval(values, draws, confidence, seed)
    p, smallest = sign_flip_test(values, draws, seed)
    return {
        "difference": values.mean() if len(values) else math.nan,
        **{"low": low, "high": high, "p": p, "smallest_p": smallest},
        **{"groups": len(values), "groups_unpaired": len(by_group) - len(values)},
    }


def _over_folds(trainings: pd.DataFrame, a: str, b: str, ratio: float, confidence: float) -> dict:
    """Interval and test of the differences of trainings; a row a test frame of a fold and seed."""
    values = pd.Series(dtype=float)
    if a in trainings and b in trainings:
        difference = (trainings[a] - trainings[b]).dropna()
        of_groups = difference.groupby(level=["fold", "seed", "group"]).mean()
        values = of_groups.groupby(level=["fold", "seed"]).mean()
    folds = values.index.get_level_values(0).nunique()
    # seeds of a single fold repeat the start, not the choice of frames, which the correction is about
    shown = nadeau_bengio(values.to_numpy() if folds > 1 else np.array([]), ratio, confidence)
    return {"folds": folds} | {f"nadeau_bengio_{name}": value for name, value in shown._asdict().items()}


def _in_practice(by_group: pd.Series, row: dict, margin: float, alpha: float, draws: int) -> dict:
    """Judge the interval of `_over_groups` against the margin; equivalence is empty where the score has none."""
    if math.isnan(margin):
        return {"margin": math.nan, "equivalence": "", "groups_needed": math.nan}
    values = by_group.dropna().to_numpy()
    judged = equivalence(row["low"], row["high"], margin, len(values) >= FEWEST_GROUPS)
    return dict(zip(OF_USE, (margin, judged, groups_needed(values, margin, alpha, draws)), strict=True))


def inflation(
    scores: pd.DataFrame,
    leaky: Iterable[str] = ("random",),
    metrics: Iterable[str] = tuple(METRICS),
    draws: int = 10000,
    confidence: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """Return by how much frames of one group in training and test raise the scores.

    Compares the same networks on the same test frames under the scheme `grouped` and under a scheme whose
    test frames have neighbours in the training frames, paired by frame and then by group. Empty without
    both.

    Parameters
    ----------
    scores
        The table of `summarise`.
    leaky
        Schemes that test on groups they train on (`folds.leaky_schemes`).

    Returns
    -------
    DataFrame
        A row a network and score, and one for the mean over networks, named `all`. `grouped` and
        `random` are means over groups (`random`: under the leaky scheme, which `scheme` names),
        `inflation` is random - grouped, `low` to `high` its bootstrap interval over groups.
    """
    metrics = _present(scores, metrics)
    means = average_seeds(scores, metrics)
    rows = []
    for scheme in leaky:
        if not {"grouped", scheme} <= set(means["scheme"]):
            continue
        for name in metrics:
            wide = means.pivot(index=["network", "group", "sample"], columns="scheme", values=name)
            wide = wide[["grouped", scheme]].dropna()
            by_group = wide.groupby(level=["network", "group"], sort=False).mean()
            seen = set(by_group.index.get_level_values("network"))
            networks = [network for network in dict.fromkeys(means["network"]) if network in seen]
            parts = {network: by_group.loc[network] for network in networks}
            if len(networks) > 1:
                parts[ALL_NETWORKS] = by_group.groupby(level="group").mean()
            for network, part in parts.items():
                gain = (part[scheme] - part["grouped"]).to_numpy()
                interval = bootstrap_interval(gain, draws, confidence, seed)
                ends = (part["grouped"].mean(), part[scheme].mean(), gain.mean(), *interval)
                rows.append((network, name, *ends, len(gain), scheme))
    return pd.DataFrame(rows, columns=LEAKAGE_COLUMNS)
