"""What differences show: several tests, folds, practical equivalence, power.

References
----------
Several tests: Holm 1979, Scand J Stat 6:65. Folds: Nadeau & Bengio 2003, doi 10.1023/A:1024068626366, for
folds repeated with several seeds as Bouckaert & Frank 2004, doi 10.1007/978-3-540-24775-3_3. Equivalence
by the interval: Schuirmann 1987, doi 10.1007/BF01068419.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from .resampling import smallest_p

POWER = 0.8


class Interval(NamedTuple):
    """A difference's interval and two-sided p."""

    low: float
    high: float
    p: float


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust p values for their number (Holm 1979); NaN stays NaN and does not count.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, float)
    adjusted = np.full(len(p), np.nan)
    order = [i for i in np.argsort(p) if not np.isnan(p[i])]
    steps = [p[i] * (len(order) - rank) for rank, i in enumerate(order)]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1) if steps else []
    return adjusted


def nadeau_bengio(differences: np.ndarray, ratio: float, confidence: float = 0.95) -> Interval:
    """Corrected resampled t: interval and p of the mean of differences, one a training (fold and seed).

    Trainings share most of their frames, so that their differences resemble each other and the plain
    t test finds too much. Here the variance of the mean is (1 / n + ratio) times that of the n
    differences; `ratio` is the number of test frames over that of training frames. NaN for less than
    two differences, or where the ratio is not known.

    >>> [round(value, 3) for value in nadeau_bengio(np.array([0.1, 0.2, 0.3]), ratio=1 / 6)]
    [-0.104, 0.504, 0.106]
    """
    differences = np.asarray(differences, float)
    size = len(differences)
    if size < 2 or not np.isfinite(ratio):
        return Interval(math.nan, math.nan, math.nan)
    mean = float(differences.mean())
    error = math.sqrt((1 / size + ratio) * differences.var(ddof=1))
    reach = float(special.stdtrit(size - 1, (1 + confidence) / 2)) * error
    p = 2 * float(special.stdtr(size - 1, -abs(mean) / error)) if error else float(mean == 0)
    return Interval(mean - reach, mean + reach, p)


def equivalence(low: float, high: float, margin: float, enough: bool = True) -> str:
    """Judge a difference by its interval: equivalent, different or undecided in practice.

    `equivalent` if the interval lies within ± `margin`, `different` if it lies outside. Pass `enough`
    False for so few groups that their interval is too narrow to decide.

    >>> equivalence(-0.004, 0.006, 0.01), equivalence(0.012, 0.04, 0.01), equivalence(0.002, 0.03, 0.01)
    ('equivalent', 'different', 'undecided')
    """
    if not enough or not np.isfinite([low, high]).all():
        return "undecided"
    if -margin <= low and high <= margin:
        return "equivalent"
    return "different" if low > margin or high < -margin else "undecided"


def groups_needed(values: np.ndarray, difference: float, alpha: float = 0.05, draws: int = 10000) -> float:
    """Return how many groups would show a mean difference of this size, from the spread of the observed ones.

    `values` are the differences seen, one a group. The answer is the least number with which a two-sided t
    test at `alpha` finds `difference` in four of five cases (power 0.8), and with which the sign-flip test can
    reach `alpha` at all. It rests on a standard deviation that few groups give roughly: read it as "about".
    NaN for less than two groups, infinite where `draws` are too few for `alpha`.

    >>> groups_needed(np.array([0.03, -0.01, 0.02, 0.0]), difference=0.01)
    29.0
    """
    values = np.asarray(values, float)
    if len(values) < 2:
        return math.nan
    number = 2
    while smallest_p(number, draws) > alpha + 1e-12:
        number += 1
        if number > 1000:
            return math.inf
    effect = difference / max(values.std(ddof=1), 1e-12)
    if effect > 100:
        return float(number)
    # the normal distribution's answer is a few groups too low: start there
    number = max(number, math.ceil(((special.ndtri(1 - alpha / 2) + special.ndtri(POWER)) / effect) ** 2))
    while t_test_power(number, effect, alpha) < POWER:
        number += 1
    return float(number)


def t_test_power(number: int, effect: float, alpha: float = 0.05) -> float:
    """Power of the two-sided one-sample t test; `effect` is the mean over the standard deviation."""
    critical, shift = special.stdtrit(number - 1, 1 - alpha / 2), effect * math.sqrt(number)
    return float(
        1 - special.nctdtr(number - 1, shift, critical) + special.nctdtr(number - 1, shift, -critical)
    )
