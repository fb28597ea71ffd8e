"""Tests of differences: several at once, by the signs of groups, and practical equivalence.

References
----------
Several tests: Holm 1979, Scand J Stat 6:65. Equivalence by the interval: Schuirmann 1987, doi 10.1007/BF01068419.
"""

import numpy as np

EXACT_GROUPS = 16


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


def sign_flip_test(differences: np.ndarray, draws: int = 10000, seed: int = 1) -> float:
    """Return the two-sided p that differences, one a group, centre on zero.

    Under the null hypothesis a difference is as likely as its negative. Exact over all sign patterns up to
    16 groups; beyond by `draws` random ones, with the observed one counted among them. NaN without a group.

    >>> sign_flip_test(np.array([0.1, 0.2, 0.3, 0.1]))
    0.125
    """
    differences = np.asarray(differences, float)
    size = len(differences)
    if size == 0:
        return float("nan")
    # the tolerance keeps patterns of equal sums equal in spite of rounding
    observed = abs(differences.sum()) - 1e-12 * np.abs(differences).sum()
    if size <= EXACT_GROUPS:
        signs = 1.0 - 2.0 * (np.arange(2**size)[:, None] >> np.arange(size) & 1)
        return float((np.abs(signs @ differences) >= observed).mean())
    signs = 1.0 - 2.0 * np.random.default_rng(seed).integers(0, 2, (draws, size), dtype=np.int8)
    return (int((np.abs(signs @ differences) >= observed).sum()) + 1) / (draws + 1)


def equivalence(low: float, high: float, margin: float, enough: bool = True) -> str:
    """Judge a difference by its interval: equivalent, different or undecided in practice.

    `equivalent` if the interval lies within ± `margin`, `different` if it lies outside. Pass `enough`
    False for so few groups or seeds that their interval is too narrow to decide.

    >>> equivalence(-0.004, 0.006, 0.01), equivalence(0.012, 0.04, 0.01), equivalence(0.002, 0.03, 0.01)
    ('equivalent', 'different', 'undecided')
    """
    if not enough or not np.isfinite([low, high]).all():
        return "undecided"
    if -margin <= low and high <= margin:
        return "equivalent"
    return "different" if low > margin or high < -margin else "undecided"
