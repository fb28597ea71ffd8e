"""How far chance may have moved a mean: the luck of the groups, of the trainings, and of a fold's training data.

All groups of a fold are tested by the same few trainings, so their scores move together: a lucky training lifts all of
them. More groups do not help against that, more trainings (folds and seeds) do. The variance of a mean is therefore put
together from parts, each known with its own degrees of freedom:

    groups      s²(groups) / G: the spread of the values of G groups
    trainings   s²(seeds within a fold) · Σ w² / S: the spread of the S trainings of a fold, w being the fold's weight
    folds       what the means of folds differ by beyond these two; all trainings of a fold share their data

The spread of the groups holds some of the trainings' already, because groups of different folds met different trainings;
that share is taken off (`already_in_groups`). Networks are trained independently, so the two networks of a pair give two
parts. Degrees of freedom are Satterthwaite's.

References
----------
Variance components and their degrees of freedom: Satterthwaite 1946, doi 10.2307/3002019; Welch 1947,
doi 10.1093/biomet/34.1-2.28. When to pool a component that does not show: Bancroft 1964, doi 10.2307/2527933.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

POWER = 0.8
POOLED_ABOVE = 0.1  # folds count as a part of their own if an F test sees them at this level


class Part(NamedTuple):
    """A part of a mean's variance, and the degrees of freedom with which it is known."""

    variance: float
    df: float


class Interval(NamedTuple):
    """A mean's interval, the two-sided p that it is zero, and the degrees of freedom."""

    low: float
    high: float
    p: float
    df: float


def total(parts: Sequence[Part]) -> Part:
    """Add parts of a variance; the degrees of freedom of the sum are Satterthwaite's.

    >>> total([Part(1.0, 4), Part(1.0, 4)])
    Part(variance=2.0, df=8.0)
    """
    variance = float(sum(part.variance for part in parts))
    if math.isnan(variance):
        return Part(math.nan, 0)
    spread = sum(part.variance**2 / part.df for part in parts if part.variance)
    return Part(variance, variance**2 / spread if spread else math.inf)


def interval(mean: float, part: Part, confidence: float = 0.95) -> Interval:
    """Return the t interval of a mean, and its p; NaN where the variance is unknown.

    >>> interval(1.0, Part(0.0, 5))
    Interval(low=1.0, high=1.0, p=0.0, df=5)
    """
    if not math.isfinite(part.variance):
        return Interval(math.nan, math.nan, math.nan, math.nan)
    error = math.sqrt(part.variance)
    reach = float(special.stdtrit(part.df, (1 + confidence) / 2)) * error if error else 0.0
    tiny = error <= 1e-12 * abs(mean)
    p = float(mean == 0) if tiny else 2 * float(special.stdtr(part.df, -abs(mean) / error))
    return Interval(mean - reach, mean + reach, p, part.df)


def of_groups(values: np.ndarray) -> Part:
    """Return the groups' part of the variance of their mean; NaN for less than two groups."""
    size = len(values)
    return Part(float(np.var(values, ddof=1)) / size, size - 1) if size > 1 else Part(math.nan, 0)


def of_trainings(scores: np.ndarray) -> Part:
    """Return the trainings' part of the variance of a network's mean.

    `scores` is (folds, seeds, groups), NaN where a fold did not test a group or a training is missing. Groups weigh alike.
    Without a fold that has two seeds the variance is NaN and the degrees of freedom 0.
    """
    weights = fold_weights(scores)
    deviations = mean(scores - mean(scores, 1)[:, None], 2)
    seeds = np.isfinite(deviations).sum(axis=1)
    df = int(np.maximum(seeds - 1, 0).sum())
    if not df:
        return Part(math.nan, 0)
    squares = np.nansum((deviations - mean(deviations, 1)[:, None]) ** 2)
    share = (weights[seeds > 0] ** 2 / seeds[seeds > 0]).sum()
    return Part(float(squares / df * share), df)


def fold_weights(scores: np.ndarray) -> np.ndarray:
    """Return the weight of every fold in the mean over groups: the share of the groups that it tested.

    A group that several folds tested (scheme random) counts in parts.
    """
    return _shares(scores).mean(axis=1)


def already_in_groups(scores: np.ndarray) -> float:
    """Return which share of the trainings' variance the spread of the groups holds already, 0 to 1.

    Groups of different folds met different trainings. With F folds of G / F groups it is (F − 1) / (G − 1): all of it if
    every group has a fold of its own, none of it in a single fold.
    """
    shares = _shares(scores)
    groups, squares = shares.shape[1], (shares.mean(axis=1) ** 2).sum()
    if groups < 2:
        return 0.0
    held = ((shares**2).sum() - groups * squares) / (groups * (groups - 1))
    return float(np.clip(held / squares, 0, 1))


def _shares(scores: np.ndarray) -> np.ndarray:
    """Return which share of each group every fold tested: (folds, groups that were tested at all)."""
    tested = np.isfinite(scores).any(axis=1)
    tested = tested[:, tested.any(axis=0)]
    return tested / tested.sum(axis=0)


def mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Average what is not NaN; NaN where nothing is left."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=axis) / known.sum(axis=axis)


def between_folds(differences: np.ndarray) -> float:
    """Return the variance of a mean from the means of the folds alone; NaN for a single fold.

    `differences` is (folds, seeds, groups).
    """
    weights, means = fold_weights(differences), mean(mean(differences, 1), 1)
    weights, means = weights[weights > 0], means[weights > 0]
    number = len(means)
    if number < 2:
        return math.nan
    centred = weights * (means - (weights * means).sum())
    return float(number / (number - 1) * (centred**2).sum())


def of_folds(
    known: Sequence[Part], between: Sequence[float], networks: int, folds: int, sure: bool
) -> list[Part]:
    """Return the folds' part of the variance of each pair's difference.

    Parameters
    ----------
    known
        Of every pair of networks, the variance by groups and trainings.
    between
        Of every pair, `between_folds`.
    networks, folds
        Their numbers.
    sure
        False where the trainings' part is not known (one seed): then whatever the folds show beyond the groups counts. Else
        it counts where an F test over all pairs sees it at the level `POOLED_ABOVE`; it takes three folds.

    The parts are as large as the folds' excess over what is known, the same share for every pair, because few folds say
    little about a single one.
    """
    nothing = [Part(0.0, math.inf) for _ in known]
    expected = sum(part.variance for part in known)
    if folds < (3 if sure else 2) or not expected > 0 or not np.isfinite(between).all():
        return nothing
    df = (networks - 1) * (folds - 1)
    ratio = sum(between) / expected
    least = float(special.fdtri(df, max(total(list(known)).df, 1), 1 - POOLED_ABOVE)) if sure else 1.0
    if ratio <= max(least, 1.0):
        return nothing
    return [Part((ratio - 1) * part.variance, df) for part in known]


def hodges_lehmann(values: np.ndarray) -> float:
    """Return the median of the means of all pairs of values (Hodges & Lehmann 1963, doi 10.1214/aoms/1177704172).

    A single odd value hardly moves it.

    >>> hodges_lehmann(np.array([0.0, 0.01, 0.02, 0.9]))
    0.0175
    """
    values = np.asarray(values, float)
    if not len(values):
        return math.nan
    rows, columns = np.triu_indices(len(values))
    return float(np.median((values[rows] + values[columns]) / 2))


def carrier(values: pd.Series) -> str:
    """Return the group without which less than half of the mean is left, or which hides it; "" if there is none.

    It lies three times as far from the median as any other group.

    >>> carrier(pd.Series({"a": 0.01, "b": 0.0, "c": 0.13}))
    'c'
    """
    if len(values) < 3:
        return ""
    numbers = values.to_numpy()
    mean = numbers.mean()
    gone = np.abs((numbers.sum() - numbers) / (len(numbers) - 1) - mean)
    worst = int(gone.argmax())
    away = np.abs(numbers - np.median(numbers))
    alone = away[worst] > 3 * np.delete(away, worst).max()
    return str(values.index[worst]) if gone[worst] > abs(mean) / 2 and alone else ""


def needed(part: Part, others: float, number: float, margin: float, alpha: float) -> tuple[float, float]:
    """Return how many groups (or seeds) would show a difference of `margin` in four of five cases: from, to.

    `part` is the variance that falls with their number, `others` what stays. The range is that of the part's 80 % interval,
    which is wide for few degrees of freedom. Infinite where what stays is too much alone.
    """
    if not part.df or not math.isfinite(part.variance):
        return math.nan, math.nan
    wanted = (margin / float(special.ndtri(1 - alpha / 2) + special.ndtri(POWER))) ** 2 - others
    if wanted <= 0 or math.isnan(wanted):
        return math.inf, math.inf
    if not part.variance:
        return 2.0, 2.0
    ends = [part.df / float(special.chdtri(part.df, tail)) for tail in (0.1, 0.9)]
    low, high = (max(2, math.ceil(number * part.variance * end / wanted)) for end in ends)
    return float(low), float(high)
