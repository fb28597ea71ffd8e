"""Tell which network is better, by how much and how sure.

The unit of inference is the group (a time-lapse, a field, an experiment): frames of one group resemble
each other, and seeds are repetitions of one training. Scores are averaged over seeds within a frame,
then over frames within a group; means, intervals and tests are over groups.

References
----------
Intervals: the expanded percentile bootstrap of Hesterberg 2015, doi 10.1080/00031305.2015.1089789. The
plain percentile interval of a mean is too narrow for few groups, by sqrt((n - 1) / n) and for want of
the t distribution; here its percentiles are moved outwards by both. No bootstrap reaches beyond the
groups seen: with two or three the interval is their range, which holds the true mean in about half and
three quarters of all cases, whatever the confidence asked for. Several comparisons: Holm 1979.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import special

from .metrics import HEADLINE, METRICS

EXACT_GROUPS = 16
BLOCK = 100_000
COUNTS = ["groups", "frames", "seeds", "frames_missing"]
SUMMARY_COLUMNS = ["scheme", "score", "network", "mean", "low", "high", *COUNTS]
PAIR = ["scheme", "score", "network_a", "network_b", "difference", "low", "high"]
DIFFERENCE_COLUMNS = [*PAIR, "p", "p_holm", "smallest_p", "groups", "groups_unpaired"]


def _blocks(draws: int) -> list[tuple[int, int]]:
    """Cut the draws into blocks (number, length) that fit into memory."""
    return [(start, min(BLOCK, draws - start)) for start in range(0, draws, BLOCK)]


@lru_cache(maxsize=2)
def _resamples(size: int, draws: int, seed: int, block: int) -> np.ndarray:
    """How often each of `size` groups is drawn: (draws, size), whole numbers that sum to `size`."""
    rng = np.random.default_rng([seed, block])
    return rng.multinomial(size, np.full(size, 1 / size), draws).astype(float)


@lru_cache(maxsize=2)
def _random_signs(size: int, draws: int, seed: int, block: int) -> np.ndarray:
    """Random signs of `size` groups: (draws, size), 1 or -1."""
    return 1.0 - 2.0 * np.random.default_rng([seed, block]).integers(0, 2, (draws, size))


@lru_cache(maxsize=2)
def _all_signs(size: int) -> np.ndarray:
    """All patterns of signs of `size` groups: (2^size, size), 1 or -1."""
    return 1.0 - 2.0 * (np.arange(2**size)[:, None] >> np.arange(size) & 1)


def bootstrap_interval(
    values: np.ndarray, draws: int = 10000, confidence: float = 0.95, seed: int = 1
) -> tuple[float, float]:
    """Interval of the mean of `values`, one a group, by resampling groups; NaN for less than two.

    Expanded percentiles: the tail probability is that of a t distribution with n - 1 degrees of freedom
    for a mean with the standard error sqrt(n / (n - 1)) times the bootstrap's.

    >>> bootstrap_interval(np.array([0.5, 0.5, 0.5]))
    (0.5, 0.5)
    """
    values = np.asarray(values, float)
    size = len(values)
    if size < 2:
        return float("nan"), float("nan")
    tail = special.ndtr(np.sqrt(size / (size - 1)) * special.stdtrit(size - 1, (1 - confidence) / 2))
    means = np.concatenate(
        [_resamples(size, length, seed, block) @ values / size for block, length in _blocks(draws)]
    )
    low, high = np.clip(np.quantile(means, [tail, 1 - tail]), values.min(), values.max())
    return float(low), float(high)


def sign_flip_test(differences: np.ndarray, draws: int = 10000, seed: int = 1) -> tuple[float, float]:
    """Two-sided p that differences, one a group, centre on zero, and the smallest p that could come out.

    Under the null hypothesis a difference is as likely as its negative. Exact over all sign patterns up to
    16 groups; beyond by `draws` random ones, with the observed one counted among them.

    >>> sign_flip_test(np.array([0.1, 0.2, 0.3, 0.1]))
    (0.125, 0.125)
    """
    differences = np.asarray(differences, float)
    size = len(differences)
    if size == 0:
        return float("nan"), float("nan")
    # the tolerance keeps patterns of equal sums equal in spite of rounding
    observed = abs(differences.sum()) - 1e-12 * np.abs(differences).sum()

    def extreme(signs: np.ndarray) -> int:
        return int((np.abs(signs @ differences) >= observed).sum())

    if size <= EXACT_GROUPS:
        return extreme(_all_signs(size)) / 2**size, 2 / 2**size
    found = sum(extreme(_random_signs(size, length, seed, block)) for block, length in _blocks(draws))
    return (found + 1) / (draws + 1), 1 / (draws + 1)


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


def _frame_means(scores: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Average seeds, and folds where a frame is tested in several; one row a network and frame."""
    keys = ["scheme", "network", "group", "sample"]
    return scores.groupby(keys, sort=False, as_index=False)[metrics].mean()


def _present(scores: pd.DataFrame, metrics: Iterable[str]) -> list[str]:
    return [name for name in metrics if name in scores and scores[name].notna().any()]


def summarise(
    scores: pd.DataFrame,
    metrics: Iterable[str] = tuple(METRICS),
    draws: int = 10000,
    confidence: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """Give the mean over groups, with its interval, of every scheme, score and network.

    `scores` has a row a scheme, network, fold, seed and sample, and the column group. NaN scores are left
    out and counted in frames_missing; `frames` are those that remain. A score without any value is
    left out.
    """
    metrics = _present(scores, metrics)
    means = _frame_means(scores, metrics)
    rows = []
    for scheme, of_scheme in means.groupby("scheme", sort=False):
        for name in metrics:
            for network, frames in of_scheme.groupby("network", sort=False):
                valid = frames.dropna(subset=name)
                values = valid.groupby("group")[name].mean().to_numpy()
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
) -> pd.DataFrame:
    """Compare every two networks of a scheme, score by score, paired by frame and then by group.

    Takes the table of `summarise`. `difference` is network_a - network_b, averaged over the frames that
    have a score of both, then over groups; `low` to `high` is its bootstrap interval, `p` comes from
    `sign_flip_test`, `p_holm` from `holm` over the pairs of the same scheme and score. `groups_unpaired`
    counts the groups that have no frame with a score of both; they are left out.
    """
    metrics = _present(scores, metrics)
    means = _frame_means(scores, metrics)
    blocks = []
    for scheme, of_scheme in means.groupby("scheme", sort=False):
        networks = list(of_scheme["network"].unique())
        for name in metrics:
            wide = of_scheme.pivot(index=["group", "sample"], columns="network", values=name)
            if not wide.notna().any(axis=None):
                continue
            rows = []
            for a, b in combinations(networks, 2):
                by_group = (wide[a] - wide[b]).groupby(level="group").mean()
                values = by_group.dropna().to_numpy()
                mean = values.mean() if len(values) else float("nan")
                interval = bootstrap_interval(values, draws, confidence, seed)
                p, smallest = sign_flip_test(values, draws, seed)
                counts = (len(values), len(by_group) - len(values))
                rows.append((scheme, name, a, b, mean, *interval, p, float("nan"), smallest, *counts))
            block = pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)
            block["p_holm"] = holm(block["p"].to_numpy())
            blocks.append(block)
    blocks = [block for block in blocks if len(block)]
    return pd.concat(blocks, ignore_index=True) if blocks else pd.DataFrame(columns=DIFFERENCE_COLUMNS)


def _number(value: float, score: str) -> str:
    digits = 2 if METRICS[score].unit else 3
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")  # + 0.0: no "−0.000"


def _range(low: float, high: float, score: str) -> str:
    return "no interval" if np.isnan(low) else f"{_number(low, score)} to {_number(high, score)}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _on(score: str) -> str:
    title = METRICS[score].title
    return f"On {title[0].lower() + title[1:] if title[1].islower() else title}"


def _best(rows: pd.DataFrame, score: str) -> str:
    """Say which network has the best mean; `rows` are those of the summary for one scheme and score."""
    higher = METRICS[score].better == "higher"
    row = rows.loc[rows["mean"].idxmax() if higher else rows["mean"].idxmin()]
    unit = f" {METRICS[score].unit}" if METRICS[score].unit else ""
    verb = "has the best mean:" if len(rows) > 1 else "reaches"
    counts = ", ".join(_count(row[f"{thing}s"], thing) for thing in ("group", "frame", "seed"))
    missing = f", {_count(row['frames_missing'], 'frame')} without a score" if row["frames_missing"] else ""
    interval = _range(row["low"], row["high"], score)
    return (
        f"{_on(score)} {row['network']} {verb} {_number(row['mean'], score)}{unit} ({interval}), "
        f"{counts}{missing}."
    )


def _pair(row: pd.Series, pairs: int, alpha: float) -> str:
    """Say how two networks differ; `row` is one of the differences, `pairs` how many Holm counted."""
    score, unit = row["score"], METRICS[row["score"]].unit
    a, b, values = row["network_a"], row["network_b"], row[["difference", "low", "high"]].to_list()
    groups = _count(row["groups"], "group")
    if row["groups_unpaired"]:
        groups += f" ({_count(row['groups_unpaired'], 'group')} without scores of both left out)"
    if row["groups"] == 0:
        return f"{_on(score)} {a} and {b} have no scored frame in common."
    if row["groups"] == 1:
        return f"{_on(score)} {a} and {b} differ by {_number(values[0], score)} in the only group: no test."
    sure = values[1] > 0 or values[2] < 0
    if sure and values[0] < 0:
        a, b, values = b, a, [-values[0], -values[2], -values[1]]
    amount = (
        f"{_number(values[0], score)}{' ' if unit else ''}{unit} ({_range(*values[1:], score)}), {groups}"
    )
    if not sure:
        return f"{_on(score)} {a} and {b} show no difference: {amount}."
    if METRICS[score].better == "lower":
        a, b, way = b, a, "lower"
    else:
        way = "higher"
    p = _p(row["p_holm"])
    if row["p_holm"] <= alpha:
        return f"{_on(score)} {a} is better than {b}: {way} by {amount}, {p}."
    least = min(1, pairs * row["smallest_p"])
    bound = f", and {groups} cannot give less than {least:.3f}" if least > alpha else ""
    return f"{_on(score)} {a} may be better than {b}: {way} by {amount}, but {p}{bound}."


def verdict(
    differences: pd.DataFrame,
    summary: pd.DataFrame,
    scores: Iterable[str] = HEADLINE,
    confidence: float = 0.95,
) -> list[str]:
    """Say in sentences what the tables of `compare` and `summarise` show for the given scores.

    "Better" needs both: an interval without zero and p_holm of at most 1 - confidence. The last sentences
    tell what the numbers cannot tell.
    """
    scores = [score for score in scores if (summary["score"] == score).any()]
    schemes = list(summary["scheme"].unique())
    sentences, alpha = [], 1 - confidence + 1e-12
    for scheme in schemes:
        said = []
        for score in scores:
            means = summary[(summary["scheme"] == scheme) & (summary["score"] == score)]
            pairs = differences[(differences["scheme"] == scheme) & (differences["score"] == score)]
            if len(means):
                said.append(_best(means, score))
            said += [_pair(row, pairs["p"].notna().sum(), alpha) for _, row in pairs.iterrows()]
        sentences += [f"Scheme {scheme}: {text}" for text in said] if len(schemes) > 1 else said
    sentences += _cautions(summary[summary["score"].isin(scores)], alpha)
    return sentences


def _cautions(summary: pd.DataFrame, alpha: float) -> list[str]:
    said = []
    for scheme, rows in summary.groupby("scheme", sort=False):
        groups = int(rows["groups"].min())
        if groups == 1:
            said.append(f"Scheme {scheme} has scores of one group only: no interval, no test.")
        else:
            networks = rows["network"].nunique()
            smallest = min(
                1, networks * (networks - 1) / 2**groups
            )  # of Holm's first pair: pairs × 2 / 2**groups
            if smallest > alpha:
                said.append(
                    f"Scheme {scheme} rests on {groups} groups: no p below {smallest:.3f} can come out, and "
                    "the intervals are rather too narrow."
                )
        if scheme == "random":
            said.append(
                "Scheme random tests on groups that were trained on: expect lower scores on new recordings."
            )
    if len(summary) and summary["seeds"].min() == 1:
        said.append("One seed a network: differences between two trainings of one network are not known.")
    return said
