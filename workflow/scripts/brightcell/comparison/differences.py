"""Compare networks: which one is better, by how much and how surely.

Scores are averaged over seeds within a frame, then over frames within a group (`averaging`); means are over groups.
Intervals and tests count the chance of groups and of trainings (`chance`).
"""

import math
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from brightcell.metrics.registry import METRICS

from . import chance
from .averaging import average_frames, average_seeds, group_differences, pair_frames
from .significance import equivalence, holm, sign_flip_test

COUNTS = ["groups", "frames", "seeds", "frames_missing"]
SUMMARY_COLUMNS = ["scheme", "score", "network", "mean", "low", "high", *COUNTS]
PAIR = ["scheme", "score", "network_a", "network_b", "difference", "low", "high", "p", "p_holm"]
OF_GROUPS = ["median_difference", "won", "carried_by", "p_groups", "groups", "groups_unpaired"]
OF_CHANCE = ["folds", "seeds", "trainings_df", "part_groups", "part_trainings", "part_folds"]
OF_USE = [
    "margin",
    "equivalence",
    *(f"{unit}_needed_{end}" for unit in ("groups", "seeds") for end in ("low", "high")),
]
DIFFERENCE_COLUMNS = [*PAIR, *OF_GROUPS, *OF_CHANCE, *OF_USE]
LEAKAGE_COLUMNS = [
    "network",
    "score",
    "grouped",
    "random",
    "inflation",
    "low",
    "high",
    "p",
    "groups",
    "seeds",
    "scheme",
]
ALL_NETWORKS = "all"
FEWEST_GROUPS = 6  # fewer say which way they went, not how sure that is


def _present(scores: pd.DataFrame, metrics: Iterable[str]) -> list[str]:
    return [name for name in metrics if name in scores and scores[name].notna().any()]


class Trainings:
    """A score of one scheme by training: the mean over the frames of each network, fold, seed and group.

    fixed : the rows that are not trained here, which stand for every seed
    """

    def __init__(self, scores: pd.DataFrame, name: str, fixed: Iterable[str] = ()):
        self.fixed = set(fixed)
        keys = ["network", "fold", "seed", "group"]
        means = scores.dropna(subset=name).groupby(keys, sort=False)[name].mean()
        self.levels = [means.index.unique(key) for key in keys]
        places = tuple(
            level.get_indexer(means.index.get_level_values(at)) for at, level in enumerate(self.levels)
        )
        self.values = np.full([len(level) for level in self.levels], np.nan)
        self.values[places] = means

    def of(self, network: str, groups: pd.Index | None = None) -> np.ndarray:
        """Return a network's scores, (folds, seeds, groups), only of these groups if they are given."""
        names, _, _, all_groups = self.levels
        if network not in names:
            return np.empty((0, 0, 0))
        values = self.values[names.get_loc(network)]
        if network in self.fixed:
            values = np.broadcast_to(chance.mean(values, 1)[:, None], values.shape)
        return values if groups is None else values[..., all_groups.isin(groups)]


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
    left out. The interval counts groups and, with two seeds or more, trainings; it stays within what the score can be.
    `draws` and `seed` are those of `compare`; nothing is drawn here.
    """
    metrics = _present(scores, metrics)
    means = average_seeds(scores, metrics)
    rows = []
    for scheme, of_scheme in means.groupby("scheme", sort=False):
        own = scores[scores["scheme"] == scheme]
        for name in metrics:
            trainings = Trainings(own, name)
            for network, frames in of_scheme.groupby("network", sort=False):
                valid = frames.dropna(subset=name)
                values = average_frames(valid, [name], sort=True)[name].to_numpy()
                if not len(values):
                    continue
                arm = trainings.of(network)
                parts = known_parts(values, [arm], [chance.of_trainings(arm)])
                found = chance.interval(values.mean(), chance.total(parts), confidence)
                low, high = np.clip(found[:2], *_range(name))
                seeds = own.loc[own["network"] == network, "seed"].nunique()
                counts = (len(values), len(valid), seeds, len(frames) - len(valid))
                rows.append((scheme, name, network, values.mean(), low, high, *counts))
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def _range(name: str) -> tuple[float, float]:
    """Return the least and the largest value that a score can have."""
    metric = METRICS[name]
    return (-math.inf if metric.better == "zero" else 0.0), (math.inf if metric.unit else 1.0)


def known_parts(
    values: np.ndarray, arms: Sequence[np.ndarray], luck: Sequence[chance.Part]
) -> list[chance.Part]:
    """Return the parts of the variance of the mean of `values`, one a group, that groups and trainings show.

    `arms` are the scores (folds, seeds, groups) of trainings that differ from each other: those of a network, or of the two
    that were subtracted; `luck` is `chance.of_trainings` of each. An arm of one seed has no part.
    """
    parts = [chance.of_groups(values)]
    for arm, (variance, df) in zip(arms, luck, strict=True):
        if df:
            parts.append(chance.Part((1 - chance.already_in_groups(arm)) * variance, df))
    return parts


def compare(
    scores: pd.DataFrame,
    metrics: Iterable[str] = tuple(METRICS),
    draws: int = 10000,
    confidence: float = 0.95,
    seed: int = 1,
    margin: float = 0.01,
    same_trainings: bool = False,
    fixed: Iterable[str] = (),
    apart: Iterable[str] = (),
) -> pd.DataFrame:
    """Compare every two networks of a scheme, score by score, paired by frame and then by group.

    Parameters
    ----------
    scores
        The table of `summarise`.
    draws, seed
        Of the sign-flip test of more than 16 groups.
    margin
        Difference that matters in practice; for scores between 0 and 1, not for those with a unit.
    same_trainings
        The "networks" are ways to use the same trainings, which share their luck.
    fixed
        Contestants that are not trained here (`contestants.is_fixed`): they have no luck of a training.
    apart
        Contestants that may have seen the test frames (`contestants.may_have_seen`): their pairs carry no verdict, have no
        p_holm, and do not count in that of others.

    Returns
    -------
    DataFrame
        `difference` is network_a - network_b, averaged over the frames that have a score of both, then
        over groups; `low` to `high` is its interval and `p` its test, which count groups and trainings (`chance`);
        `p_holm` is corrected for the pairs of the same scheme and score (Holm). `groups_unpaired` counts the groups that
        have no frame with a score of both; they are left out.
        median_difference: Hodges and Lehmann's estimate over groups; won: share of the groups in which network_a scores
        higher, ties counting half; carried_by: the one group without which less than half of the difference is left;
        p_groups: of the sign-flip test over the groups alone, for these trainings.
        part_groups, part_trainings, part_folds: shares of the variance, NaN for a part that cannot be seen;
        seeds: NaN if neither is trained here; trainings_df: how many degrees of freedom a network's trainings have, folds ×
        (seeds − 1); infinite if neither is trained here.
        `equivalence` judges the interval against `margin`; groups_needed_low to _high, and seeds_needed_…, say how many in
        all would show a difference of `margin` if the other number stays as it is.
    """
    metrics = _present(scores, metrics)
    means = average_seeds(scores, metrics)
    rows = []
    apart = frozenset(apart)
    for scheme, of_scheme in means.groupby("scheme", sort=False):
        pairs = list(combinations(of_scheme["network"].unique(), 2))
        judged = max(1, sum(apart.isdisjoint(pair) for pair in pairs))
        own = scores[scores["scheme"] == scheme]
        for name in metrics:
            paired = pair_frames(of_scheme, name)
            if not paired.notna().any(axis=None):
                continue
            trainings = Trainings(own, name, fixed)
            matters = math.nan if METRICS[name].unit else margin
            found = [_Pair(a, b, paired, trainings, same_trainings) for a, b in pairs]
            for pair, part in zip(found, _folds_parts(found, trainings.fixed), strict=True):
                row = {"scheme": scheme, "score": name, "network_a": pair.a, "network_b": pair.b}
                rows.append(row | pair.row(part, confidence, draws, seed, matters, (1 - confidence) / judged))
    table = pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)
    if len(table):
        counted = ~table[["network_a", "network_b"]].isin(apart).any(axis=1)
        families = table[counted].groupby(["scheme", "score"], sort=False)["p"]
        table["p_holm"] = families.transform(holm).reindex(table.index)
    return table


def _folds_parts(pairs: "Sequence[_Pair]", fixed: Collection[str]) -> list[chance.Part]:
    """Return the folds' part of every pair's variance, of each family of pairs by itself.

    The pairs of trained networks are a family, and those of each contestant that is not trained here with them: what one
    contestant's folds differ by says nothing of the networks. Two that are not trained have no such part. Pairs without
    scores in enough folds say nothing of others.
    """
    parts = [chance.Part(0.0, math.inf)] * len(pairs)
    families: dict[frozenset, list[int]] = {}
    for place, pair in enumerate(pairs):
        known = math.isfinite(pair.between_folds) and math.isfinite(pair.known.variance)
        given = frozenset({pair.a, pair.b} & set(fixed))
        if len(given) < 2 and known and pair.folds >= (3 if pair.trainings.df else 2):
            families.setdefault(given, []).append(place)
    for places in families.values():
        own = [pairs[place] for place in places]
        found = chance.of_folds(
            [pair.known for pair in own],
            [pair.between_folds for pair in own],
            len({name for pair in own for name in (pair.a, pair.b)}),
            min(pair.folds for pair in own),
            all(pair.trainings.df for pair in own),
        )
        for place, part in zip(places, found, strict=True):
            parts[place] = part
    return parts


class _Pair:
    """The difference of two networks in one score: a value a group, and what chance may have done to their mean."""

    def __init__(self, a: str, b: str, paired: pd.DataFrame, trainings: Trainings, same_trainings: bool):
        self.a, self.b = a, b
        self.by_group = group_differences(paired, a, b)
        self.values = self.by_group.dropna()
        one, other = (trainings.of(network, self.values.index) for network in (a, b))
        self.difference = one - other if one.shape == other.shape else np.empty((0, 0, 0))
        seen = np.isfinite(self.difference)
        self.folds = int(seen.any(axis=(1, 2)).sum())
        trained = [arm for network, arm in ((a, one), (b, other)) if network not in trainings.fixed]
        self.seeds = int(seen.any(axis=(0, 2)).sum()) if trained else math.nan
        arms = [] if not seen.any() else [self.difference] if same_trainings else trained
        luck = [chance.of_trainings(arm) for arm in arms]
        if seen.any() and not trained:
            luck = [chance.Part(0.0, math.inf)]
        self.trainings = (
            chance.total(luck) if luck and all(part.df for part in luck) else chance.Part(math.nan, 0)
        )
        self.trainings_df = min((part.df for part in luck), default=0)
        parts = known_parts(self.values.to_numpy(), arms, luck[: len(arms)])
        self.groups = parts[0]
        self.known = chance.total(parts if self.trainings.df else parts[:1])
        self.between_folds = chance.between_folds(self.difference) if seen.any() else math.nan

    def row(
        self, of_folds: chance.Part, confidence: float, draws: int, seed: int, margin: float, alpha: float
    ) -> dict[str, object]:
        """Return the columns of `compare` from difference on; `of_folds` is the folds' part of the variance."""
        values, number = self.values.to_numpy(), len(self.values)
        mean = values.mean() if number else math.nan
        whole = chance.total([self.known, of_folds])
        found = chance.interval(mean, whole, confidence)
        luck = self.trainings.variance if self.trainings.df else 0.0
        # what the groups' own spread adds, without the trainings' luck that it holds
        groups = self.groups._replace(variance=max(whole.variance - luck - of_folds.variance, 0.0))
        shares = {
            "part_groups": groups.variance,
            "part_trainings": luck if self.trainings.df and math.isfinite(self.trainings_df) else math.nan,
            "part_folds": of_folds.variance if self.folds > 2 else math.nan,
        }
        sum_of_parts = groups.variance + luck + of_folds.variance
        needs = [(math.nan, math.nan)] * 2
        if math.isfinite(margin) and number > 1:
            needs[0] = chance.needed(groups, luck + of_folds.variance, number, margin, alpha)
            if math.isfinite(self.trainings_df):
                others = groups.variance + of_folds.variance
                needs[1] = chance.needed(self.trainings, others, self.seeds, margin, alpha)
        enough = number >= FEWEST_GROUPS and (self.trainings.df > 0 or self.folds > 2)
        return {
            "difference": mean,
            **{"low": found.low, "high": found.high, "p": found.p},
            "median_difference": chance.hodges_lehmann(values),
            "won": float(((values > 0) + (values == 0) / 2).mean()) if number else math.nan,
            "carried_by": chance.carrier(self.values),
            "p_groups": sign_flip_test(values, draws, seed),
            **{"groups": number, "groups_unpaired": len(self.by_group) - number},
            **{"folds": self.folds, "seeds": self.seeds, "trainings_df": self.trainings_df},
            **{name: part / sum_of_parts if sum_of_parts > 0 else math.nan for name, part in shares.items()},
            "margin": margin,
            "equivalence": "" if math.isnan(margin) else equivalence(found.low, found.high, margin, enough),
            **dict(zip(OF_USE[2:], (*needs[0], *needs[1]), strict=True)),
        }


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
    draws, seed
        As `compare` takes them; nothing is drawn here.

    Returns
    -------
    DataFrame
        A row a network and score, and one for the mean over networks, named `all`. `grouped` and
        `random` are means over groups (`random`: under the leaky scheme, which `scheme` names),
        `inflation` is random - grouped, `low` to `high` its interval and `p` its test, which count groups and trainings of
        both schemes. With one seed the trainings' luck shows in the mean over three networks or more alone: as what the
        networks differ by. Elsewhere p is NaN then.
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
            trainings = [Trainings(scores[scores["scheme"] == each], name) for each in ("grouped", scheme)]
            seen = set(by_group.index.get_level_values("network"))
            networks = [network for network in dict.fromkeys(means["network"]) if network in seen]
            parts = {network: by_group.loc[network] for network in networks}
            arms = {network: [table.of(network) for table in trainings] for network in networks}
            gains = {network: part[scheme] - part["grouped"] for network, part in parts.items()}
            found = {
                network: known_parts(
                    gains[network].to_numpy(),
                    arms[network],
                    [chance.of_trainings(arm) for arm in arms[network]],
                )
                for network in networks
            }
            if len(networks) > 1:
                parts[ALL_NETWORKS] = by_group.groupby(level="group").mean()
                gains[ALL_NETWORKS] = parts[ALL_NETWORKS][scheme] - parts[ALL_NETWORKS]["grouped"]
                found[ALL_NETWORKS] = _of_all(gains, found, networks)
            for network, part in parts.items():
                gain = gains[network].to_numpy()
                sure = len(found[network]) > 1
                interval = chance.interval(gain.mean(), chance.total(found[network]), confidence)
                ends = (part["grouped"].mean(), part[scheme].mean(), gain.mean(), interval.low, interval.high)
                own = scores[(scores["network"] == network) | (network == ALL_NETWORKS)]
                seeds = own.groupby("scheme")["seed"].nunique()[["grouped", scheme]].min()
                rows.append(
                    (network, name, *ends, interval.p if sure else math.nan, len(gain), seeds, scheme)
                )
    return pd.DataFrame(rows, columns=LEAKAGE_COLUMNS)


def _of_all(
    gains: dict[str, pd.Series], found: dict[str, list[chance.Part]], networks: list[str]
) -> list[chance.Part]:
    """Return the parts of the variance of the mean gain of all networks."""
    number = len(networks)
    parts = [chance.of_groups(gains[ALL_NETWORKS].to_numpy())]
    if all(len(found[network]) > 1 for network in networks):
        return parts + [
            chance.Part(part.variance / number**2, part.df)
            for network in networks
            for part in found[network][1:]
        ]
    if number < 3:
        return parts
    return [*parts, chance.of_groups(np.array([gains[network].mean() for network in networks]))]
