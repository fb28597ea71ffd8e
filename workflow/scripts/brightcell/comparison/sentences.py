"""Describe in sentences what the tables of the comparison show."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from brightcell.metrics.registry import HEADLINE, METRICS

from .numbers import show, show_interval

# One score of pixels and one of cells say enough in words; the tables hold the others.
IN_WORDS = ("cell_iou", "ap50")


def _interval(low: float, high: float, score: str) -> str:
    return show_interval(low, high, score) or "no interval"


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
    interval = _interval(row["low"], row["high"], score)
    return (
        f"{_on(score)} {row['network']} {verb} {show(row['mean'], score)}{unit} ({interval}), "
        f"{counts}{missing}."
    )


def _use(row: pd.Series, sure: bool) -> str:
    """Say what the difference means in practice, or how many groups would show one that matters."""
    if not row.get("equivalence"):
        return ""
    margin, needed = f"{row['margin']:g}", row["groups_needed"]
    if row["equivalence"] == "equivalent":
        return f"; {'yet ' if sure else ''}practically the same, within {margin}"
    if row["equivalence"] == "different":
        return f"; beyond the margin of {margin}"
    if sure or not np.isfinite(needed):
        return ""
    if needed > row["groups"]:
        return f"; about {needed:.0f} groups would show a difference of {margin}"
    return f"; a difference of {margin} is not ruled out"


def _pair(row: pd.Series, alpha: float) -> str:
    """Say how two networks differ; `row` is one of the differences."""
    score, unit = row["score"], METRICS[row["score"]].unit
    a, b, values = row["network_a"], row["network_b"], row[["difference", "low", "high"]].to_list()
    groups = _count(row["groups"], "group")
    if row["groups_unpaired"]:
        groups += f" ({_count(row['groups_unpaired'], 'group')} without scores of both left out)"
    if row["groups"] == 0:
        return f"{_on(score)} {a} and {b} have no scored frame in common."
    if row["groups"] == 1:
        return f"{_on(score)} {a} and {b} differ by {show(values[0], score)} in the only group: no test."
    sure = values[1] > 0 or values[2] < 0
    if sure and values[0] < 0:
        a, b, values = b, a, [-values[0], -values[2], -values[1]]
    amount = f"{show(values[0], score)}{' ' if unit else ''}{unit}"
    interval, use = _interval(values[1], values[2], score), _use(row, sure)
    if not sure:
        return f"{_on(score)} {a} against {b}, no difference shown: {amount}, {interval}, {groups}{use}."
    amount = f"{amount} ({interval}), {groups}"
    if METRICS[score].better == "lower":
        a, b, way = b, a, "lower"
    else:
        way = "higher"
    p = _p(row["p_holm"])
    if row["p_holm"] <= alpha:
        return f"{_on(score)} {a} is better than {b}: {way} by {amount}, {p}{use}."
    return f"{_on(score)} {a} may be better than {b}: {way} by {amount}, but {p}{use}."


def verdict(
    differences: pd.DataFrame,
    summary: pd.DataFrame,
    scores: Iterable[str] = HEADLINE,
    confidence: float = 0.95,
    leakage: pd.DataFrame | None = None,
) -> list[str]:
    """Say what the tables of `comparison.compare`, `summarise` and `inflation` show for the given scores.

    "Better" needs both: an interval without zero and p_holm of at most 1 - confidence. The last sentences
    tell what leakage does and what the numbers cannot tell.
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
            said += [_pair(row, alpha) for _, row in pairs.iterrows()]
        sentences += [f"Scheme {scheme}: {text}" for text in said] if len(schemes) > 1 else said
    leaky = {"random"}
    if leakage is not None:
        sentences += _leaks(leakage[leakage["score"].isin(scores)])
        leaky |= set(leakage["scheme"])
    sentences += _cautions(summary[summary["score"].isin(scores)], alpha, leaky)
    return sentences


def verdict_by_scheme(
    differences: pd.DataFrame,
    summary: pd.DataFrame,
    confidence: float = 0.95,
    leakage: pd.DataFrame | None = None,
) -> tuple[list[str], list[str], dict[str, list[str]]]:
    """Say it scheme by scheme, as a page has room for: the verdict on the first one, more on it, those on the others.

    Takes the tables of `verdict`. The verdicts speak of the first score of IN_WORDS, `more` of the others too.
    """
    said: dict[str, list[str]] = {}
    more: list[str] = []
    for scheme in dict.fromkeys(summary["scheme"]):
        pairs, means = (table[table["scheme"] == scheme] for table in (differences, summary))
        leaks = None if said or leakage is None or leakage.empty else leakage
        said[scheme] = verdict(pairs, means, IN_WORDS[:1], confidence, leaks)
        every = verdict(pairs, means, IN_WORDS, confidence, leaks)
        more = more or [sentence for sentence in every if sentence not in said[scheme]]
    first = said.pop(next(iter(said)))
    return first, more, said


def _leaks(leakage: pd.DataFrame) -> list[str]:
    """Say by how much neighbours in the training frames raise the scores, for all networks together."""
    said = []
    for (scheme, score), rows in leakage.groupby(["scheme", "score"], sort=False):
        row = rows.iloc[-1]  # the mean over networks comes last
        way = 1 if METRICS[score].better == "higher" else -1
        ends = sorted([way * row["low"], way * row["high"]])
        unit = f" {METRICS[score].unit}" if METRICS[score].unit else ""
        numbers = (
            f"{show(way * row['inflation'], score)}{unit}, {_interval(ends[0], ends[1], score)}, "
            f"{_count(row['groups'], 'group')}"
        )
        whose = row["network"] if len(rows) == 1 else f"the mean of {len(rows) - 1} networks"
        ends_at = f"{show(row['random'], score)} in place of {show(row['grouped'], score)}, {whose}"
        if ends[0] > 0:
            text = f"the scheme {scheme} overrates by {numbers} ({ends_at}): leakage."
        elif ends[1] < 0:
            text = f"the scheme {scheme} underrates by {numbers} ({ends_at}): its folds differ otherwise."
        else:
            text = f"no inflation by the scheme {scheme} shown: {numbers} ({ends_at})."
        said.append(f"{_on(score)} {text}")
    return said


def _cautions(summary: pd.DataFrame, alpha: float, leaky: set[str]) -> list[str]:
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
        if scheme in leaky:
            said.append(
                f"Scheme {scheme} tests on groups that were trained on: expect lower scores on new recordings."
            )
    if len(summary) and summary["seeds"].min() == 1:
        said.append("One seed a network: differences between two trainings of one network are not known.")
    return said
