"""Say what the tables of the comparison show: which network to use, how sure that is, and what would settle it.

One score is the primary one, named before the run (`comparison.primary`); it alone carries a verdict. "Is better" is said
where all of this holds: at least `FEWEST_GROUPS` groups, trainings of at least two seeds (of those that are trained here), an interval without zero whose p
is at most 1 - confidence after Holm's correction for the pairs, the median difference on the same side, and more than half
of the groups won.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from brightcell.contestants import is_fixed, may_have_seen
from brightcell.metrics.registry import HEADLINE, METRICS

from .differences import ALL_NETWORKS, FEWEST_GROUPS
from .numbers import show, show_interval

# One score of pixels and one of cells say enough in words; the tables hold the others.
IN_WORDS = ("cell_iou", "ap50")
FEWEST_DF = 2  # of a network's trainings: two seeds in two folds, or three in one

Names = Callable[[str], str]


def judge(row: pd.Series, confidence: float = 0.95) -> str:
    """Judge a row of `differences.compare`.

    Returns
    -------
    str
        nothing: no group that both scored; few groups: fewer than `FEWEST_GROUPS`; one seed: the trainings' luck is not
        known; better: network_a or network_b is better, by the sign of the difference; maybe: the interval alone leaves out
        zero; same: practically equivalent; open: none of these.
    """
    if not row["groups"]:
        return "nothing"
    if row["groups"] < FEWEST_GROUPS:
        return "few groups"
    if row["trainings_df"] < FEWEST_DF:
        return "one seed"
    side = np.sign(row["difference"])
    typical = side * row["median_difference"] > 0 and side * (row["won"] - 0.5) > 0
    clear = row["low"] > 0 or row["high"] < 0
    if clear and typical and row["p_holm"] <= 1 - confidence + 1e-12:
        return "better"
    if row["equivalence"] == "equivalent":
        return "same"
    return "maybe" if clear else "open"


def verdict(
    differences: pd.DataFrame,
    summary: pd.DataFrame,
    scores: Iterable[str] = HEADLINE,
    confidence: float = 0.95,
    leakage: pd.DataFrame | None = None,
    primary: str | None = None,
    titles: Mapping[str, str] | None = None,
    left_out: Iterable[str] = (),
    contestants: Mapping[str, dict] | None = None,
) -> list[str]:
    """Say what the tables of `comparison.compare`, `summarise` and `inflation` show for the given scores.

    Parameters
    ----------
    primary
        The score that carries the verdict; by default the first of `scores` that there is. The others are described.
    titles
        What to call the networks; by default by their names.
    left_out
        Trainings without scores, in words.
    contestants
        The config's `contestants`: which rows are no networks, and what is known of them.

    The first sentence says which network to use. The last ones tell what leakage does and what the numbers cannot tell.
    """
    present = [score for score in scores if (summary["score"] == score).any()]
    if primary in present:
        present = [primary, *(score for score in present if score != primary)]
    known = dict(titles or {})
    unknown = [name for name, entry in (contestants or {}).items() if may_have_seen(entry)]

    def names(network: str) -> str:
        return known.get(network, network)

    schemes = list(summary["scheme"].unique())
    leaky = {"random"} | (set() if leakage is None else set(leakage["scheme"]))
    sentences = []
    for scheme in schemes:
        said: list[str] = []
        for score in present:
            means, pairs = (
                table[(table["scheme"] == scheme) & (table["score"] == score)]
                for table in (summary, differences)
            )
            if not len(means):
                continue
            leading = score == present[0]
            held_out = means[~means["network"].isin(unknown)]
            if leading and len(held_out) > 1 and scheme not in leaky:
                said.append(_answer(held_out, pairs, score, confidence, names))
                said += _sides(held_out, score, names, contestants or {})
            if leading and not len(held_out):
                said.append(
                    "No verdict: whether the models behind these labels were trained on the test frames is not known."
                )
            said.append(_best(held_out if len(held_out) else means, score, names, contestants or {}))
            for _, row in pairs.iterrows():
                seen = [name for name in (row["network_a"], row["network_b"]) if name in unknown]
                if seen:
                    said.append(
                        _described(
                            row, names, f"no verdict, because {_list(seen, names)} may know the frames"
                        )
                    )
                else:
                    said.append(_pair(row, confidence, names) if leading else _described(row, names))
        sentences += [f"Scheme {scheme}: {text}" for text in said] if len(schemes) > 1 else said
    if leakage is not None:
        sentences += _leaks(leakage[leakage["score"].isin(present[:1])], confidence)
    sentences += _cautions(summary[summary["score"].isin(present)], leaky, contestants or {}, unknown, names)
    if primary and present and primary != present[0]:
        sentences.append(
            f"comparison.primary is {primary}, which has no values here: {present[0]} takes its place."
        )
    return sentences + _missing(left_out)


def verdict_by_scheme(
    differences: pd.DataFrame,
    summary: pd.DataFrame,
    confidence: float = 0.95,
    leakage: pd.DataFrame | None = None,
    primary: str | None = None,
    titles: Mapping[str, str] | None = None,
    left_out: Iterable[str] = (),
    contestants: Mapping[str, dict] | None = None,
) -> tuple[list[str], list[str], dict[str, list[str]]]:
    """Say it scheme by scheme, as a page has room for: the verdict on the first one, more on it, those on the others.

    Takes the tables of `verdict`. The verdicts speak of the primary score, `more` of those of IN_WORDS too.
    """
    said: dict[str, list[str]] = {}
    more: list[str] = []
    first = primary or IN_WORDS[0]
    for scheme in dict.fromkeys(summary["scheme"]):
        pairs, means = (table[table["scheme"] == scheme] for table in (differences, summary))
        leaks = None if said or leakage is None or leakage.empty else leakage
        common = (confidence, leaks, first, titles, [] if said else left_out, contestants)
        said[scheme] = verdict(pairs, means, [first], *common)
        every = verdict(pairs, means, dict.fromkeys((first, *IN_WORDS)), *common)
        more = more or [sentence for sentence in every if sentence not in said[scheme]]
    leading = said.pop(next(iter(said)))
    return leading, more, said


def _answer(means: pd.DataFrame, pairs: pd.DataFrame, score: str, confidence: float, names: Names) -> str:
    """Answer which network to use, and whether that is sure; the rows are those of one scheme and score.

    A row without the scores of some frames cannot lead: the frames that it lacks may be the hard ones.
    """
    best = _leader(means, score)["network"]
    others = [network for network in means["network"] if network != best]
    found, clear = {}, set()
    for _, row in pairs.iterrows():
        if best in (row["network_a"], row["network_b"]):
            other = row["network_b"] if row["network_a"] == best else row["network_a"]
            ahead = row["difference"] > 0 if row["network_a"] == best else row["difference"] < 0
            right = ahead if METRICS[score].better == "higher" else not ahead
            found[other] = judge(row, confidence) if right else "open"
            if found[other] in ("one seed", "maybe") and (row["low"] > 0 or row["high"] < 0):
                clear.add(other)
    beaten = [network for network in others if found.get(network) == "better"]
    same = [network for network in others if found.get(network) == "same"]
    rest = [network for network in others if network not in (*beaten, *same)]
    title = _name(score)
    if not rest and not same:
        return f"Use {names(best)}: on {title} it is better than {_list(beaten, names)}."
    if not rest and not beaten:
        margin = pairs["margin"].iloc[0]
        return f"Use whichever is cheapest: on {title} {_list([best, *same], names)} are practically the same, within {margin:g}."
    if not rest:
        return (
            f"Use {names(best)}, or the cheapest of {_list([best, *same], names)}: on {title} it is better than "
            f"{_list(beaten, names)}, and practically the same as {_list(same, names)}, within {pairs['margin'].iloc[0]:g}."
        )
    unit = f" {METRICS[score].unit}" if METRICS[score].unit else ""
    ahead_of, alike = (
        [network for network in rest if (network in clear) == is_clear] for is_clear in (True, False)
    )
    reached = f"it has the best {title}"
    if beaten:
        reached += f" and is better than {_list(beaten, names)}"
    if same:
        reached += f" and is practically the same as {_list(same, names)}"
    if ahead_of:
        reached += f" and is ahead of {_list(ahead_of, names)}, which more seeds or groups must confirm"
    if alike:
        near = means.loc[means["network"].isin([best, *alike]), "mean"]
        reached += f", but this study cannot tell it from {_list(alike, names)}; their means lie within "
        reached += show(near.max() - near.min(), score) + unit
    lacking = [row.network for row in means.itertuples() if row.frames < means["frames"].max()]
    less = f". Scores of some frames are missing of {_list(lacking, names)}" if lacking else ""
    return f"Use {names(best)} for now: {reached}{less}."


def _sides(means: pd.DataFrame, score: str, names: Names, contestants: Mapping[str, dict]) -> list[str]:
    """Name the best of the networks and the best of the other tools, where there are both."""
    parts = []
    for own, what in (
        (means[~means["network"].isin(contestants)], "network"),
        (means[means["network"].isin(contestants)], "other tool"),
    ):
        if own.empty:
            return []
        best = _leader(own, score)
        reached = f"{names(best['network'])} ({show(best['mean'], score)})"
        parts.append(
            f"the best of the {len(own)} {what}s is {reached}"
            if len(own) > 1
            else f"the only {what} is {reached}"
        )
    return [f"{_on(score)} {parts[0]}; {parts[1]}."]


def _leader(means: pd.DataFrame, score: str) -> pd.Series:
    """Return the row with the best mean, of those that have scores of most frames."""
    means = means[means["frames"] == means["frames"].max()]
    higher = METRICS[score].better == "higher"
    return means.loc[means["mean"].idxmax() if higher else means["mean"].idxmin()]


def _list(networks: Iterable[str], names: Names) -> str:
    called = [names(network) for network in networks]
    return " and ".join([", ".join(called[:-1]), called[-1]] if len(called) > 1 else called)


def _interval(low: float, high: float, score: str) -> str:
    return show_interval(low, high, score) or "no interval"


def _count(number: float, thing: str) -> str:
    return f"{number:.0f} {thing}{'' if number == 1 else 's'}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _name(score: str) -> str:
    title = METRICS[score].title
    return title[0].lower() + title[1:] if title[1].islower() else title


def _on(score: str) -> str:
    return f"On {_name(score)}"


def _best(means: pd.DataFrame, score: str, names: Names, contestants: Mapping[str, dict]) -> str:
    """Say which network has the best mean; the rows are those of the summary for one scheme and score."""
    row = _leader(means, score)
    unit = f" {METRICS[score].unit}" if METRICS[score].unit else ""
    verb = "has the best mean:" if len(means) > 1 else "reaches"
    untrained = row["network"] in contestants and is_fixed(contestants[row["network"]])
    counted = ("group", "frame") if untrained else ("group", "frame", "seed")
    counts = ", ".join(_count(row[f"{thing}s"], thing) for thing in counted)
    counts += ", not trained here" if untrained else ""
    missing = f", {_count(row['frames_missing'], 'frame')} without a score" if row["frames_missing"] else ""
    interval = _interval(row["low"], row["high"], score)
    return f"{_on(score)} {names(row['network'])} {verb} {show(row['mean'], score)}{unit} ({interval}), {counts}{missing}."


def _turned(row: pd.Series) -> tuple[str, str, str, float, list[float], float]:
    """Return the row so that the better network comes first: networks, way, amount, interval, share of groups won."""
    higher = METRICS[row["score"]].better == "higher"
    way = 1 if higher else -1
    turned = way * row["difference"] < 0
    sign = -way if turned else way
    a, b = (row["network_b"], row["network_a"]) if turned else (row["network_a"], row["network_b"])
    ends = [row["low"], row["high"]] if sign > 0 else [-row["high"], -row["low"]]
    won = row["won"] if turned != higher else 1 - row["won"]
    return a, b, "higher" if higher else "lower", sign * row["difference"], ends, won


def _pair(row: pd.Series, confidence: float, names: Names) -> str:
    """Say how two networks differ in the primary score."""
    score, judged = row["score"], judge(row, confidence)
    a, b, way, amount, ends, won = _turned(row)
    one, other = names(a), names(b)
    if judged == "nothing":
        return f"{_on(score)} {one} and {other} have no scored frame in common."
    unit = f" {METRICS[score].unit}" if METRICS[score].unit else ""
    by = f"{show(amount, score)}{unit}"
    groups = int(row["groups"])
    in_groups = f"in {won * groups:g} of {_count(groups, 'group')}"
    unpaired = row["groups_unpaired"]
    left = f"; {_count(unpaired, 'group')} without scores of both left out" if unpaired else ""
    if groups == 1:
        return f"{_on(score)} {one} and {other} differ by {by} in the only group: no test{left}."
    if judged == "few groups":
        return (
            f"{_on(score)} {one} is ahead of {other} {in_groups}, by {by} on average: too few groups for a test, which takes "
            f"{FEWEST_GROUPS}{left}."
        )
    trainings = _count(row["seeds"], "seed") if row["seeds"] > 0 else "neither trained here"
    sizes = f"{in_groups}, {trainings}"
    interval = _interval(ends[0], ends[1], score)
    if judged == "one seed":
        return (
            f"{_on(score)} {one} is ahead of {other} by {by} ({interval}), {in_groups}; but with {_count(row['seeds'], 'seed')} "
            f"in {_count(row['folds'], 'fold')} that may be the luck of a training: three seeds would tell{left}."
        )
    if judged == "better":
        margin = f"; beyond the margin of {row['margin']:g}" if row["equivalence"] == "different" else ""
        same = (
            f"; yet practically the same, within {row['margin']:g}"
            if row["equivalence"] == "equivalent"
            else ""
        )
        return f"{_on(score)} {one} is better than {other}: {way} by {by} ({interval}), {sizes}, {_p(row['p_holm'])}{margin}{same}{left}."
    if judged == "maybe":
        return (
            f"{_on(score)} {one} may be better than {other}: {way} by {by} ({interval}), {sizes}, but {_p(row['p_holm'])}"
            f"{_carried(row)}{_settle(row)}{left}."
        )
    if judged == "same":
        return f"{_on(score)} {one} and {other} are practically the same, within {row['margin']:g}: {by}, {interval}, {sizes}{left}."
    return f"{_on(score)} no difference between {one} and {other} is shown: {by}, {interval}, {sizes}{_carried(row)}{_settle(row)}{left}."


def _described(row: pd.Series, names: Names, why: str = "secondary, no verdict") -> str:
    """Say how two networks differ in a score, without a verdict and why."""
    score = row["score"]
    a, b, way, amount, ends, won = _turned(row)
    if not row["groups"]:
        return f"{_on(score)} {names(a)} and {names(b)} have no scored frame in common."
    unit = f" {METRICS[score].unit}" if METRICS[score].unit else ""
    interval = f" ({shown})" if (shown := show_interval(ends[0], ends[1], score)) else ""
    return (
        f"{_on(score)} ({why}) {names(a)} is {way} than {names(b)} by {show(amount, score)}{unit}{interval}, in "
        f"{won * row['groups']:g} of {_count(row['groups'], 'group')}."
    )


def _carried(row: pd.Series) -> str:
    return (
        f"; group {row['carried_by']} alone carries the difference, or hides it" if row["carried_by"] else ""
    )


def _settle(row: pd.Series) -> str:
    """Say what the doubt is made of, and how many groups or seeds would show a difference that matters."""
    parts = {part: row[f"part_{part}"] for part in ("groups", "trainings", "folds")}
    known = [f"{share:.0%} {part}" for part, share in parts.items() if np.isfinite(share)]
    text = f"; of the doubt {', '.join(known)}" if len(known) > 1 else ""
    if not np.isfinite(row["margin"]):
        return text
    helps = []
    for unit in ("groups", "seeds"):
        low, high, now = (row[key] for key in (f"{unit}_needed_low", f"{unit}_needed_high", unit))
        if math.isfinite(high) and high > now:
            helps.append(f"{low:.0f} to {high:.0f} {unit} (now {now:.0f})")
    if helps:
        return f"{text}; a difference of {row['margin']:g} would show with {' or with '.join(helps)}"
    if all(row[f"{unit}_needed_high"] == math.inf for unit in ("groups", "seeds")):
        return f"{text}; to show a difference of {row['margin']:g} takes more groups and more seeds"
    return text


def _leaks(leakage: pd.DataFrame, confidence: float) -> list[str]:
    """Say by how much neighbours in the training frames raise the primary score, for all networks together."""
    said = []
    for (scheme, score), rows in leakage.groupby(["scheme", "score"], sort=False):
        row = rows.iloc[-1]  # the mean over networks comes last
        way = 1 if METRICS[score].better == "higher" else -1
        ends = sorted([way * row["low"], way * row["high"]])
        unit = f" {METRICS[score].unit}" if METRICS[score].unit else ""
        whose = row["network"] if row["network"] != ALL_NETWORKS else f"mean of {len(rows) - 1} networks"
        numbers = (
            f"{show(way * row['inflation'], score)}{unit} ({_interval(ends[0], ends[1], score)}): {show(row['random'], score)} in "
            f"place of {show(row['grouped'], score)}, {whose}, {_count(row['groups'], 'group')}"
        )
        tested = row["groups"] >= FEWEST_GROUPS and row["p"] <= 1 - confidence + 1e-12
        if tested and ends[0] > 0:
            text = f"the scheme {scheme} overrates by {numbers}, {_p(row['p'])}: leakage."
        elif tested and ends[1] < 0:
            text = f"the scheme {scheme} underrates by {numbers}, {_p(row['p'])}: its folds differ otherwise."
        else:
            few = "" if row["groups"] >= FEWEST_GROUPS else f"; a test takes {FEWEST_GROUPS} groups"
            lucky = "; one seed does not tell it from the luck of trainings" if math.isnan(row["p"]) else ""
            text = f"the scheme {scheme} changes the score by {numbers}: leakage is not shown{few}{lucky}."
        said.append(f"{_on(score)} {text}")
    return said


def _cautions(
    summary: pd.DataFrame,
    leaky: set[str],
    contestants: Mapping[str, dict],
    unknown: Sequence[str],
    names: Names,
) -> list[str]:
    said = []
    for name in dict.fromkeys(summary["network"]):
        entry = contestants.get(name)
        if entry and name in unknown:
            what = "The labels" if entry["labels"] else "The weights"
            said.append(
                f"{what} of {names(name)} were given: whether their model was trained on these frames is not known. Its scores "
                "may be too high, so the verdict leaves it out."
            )
    pixels = [score for score in dict.fromkeys(summary["score"]) if not METRICS[score].needs_instances]
    present = [name for name in dict.fromkeys(summary["network"]) if name in contestants]
    if pixels and present:
        said.append(
            f"{_on(pixels[0])} the networks have an advantage: their pixels come from probabilities, at a threshold chosen for "
            f"cell IoU, those of {_list(present, names)} from labels. ap50 or seg as comparison.primary treat all in the same way."
        )
    for scheme, rows in summary.groupby("scheme", sort=False):
        groups = int(rows["groups"].min())
        if groups == 1:
            said.append(f"Scheme {scheme} has scores of one group only: no interval, no test.")
        elif groups < FEWEST_GROUPS:
            said.append(
                f"Scheme {scheme} rests on {groups} groups: other groups may turn out otherwise. A verdict takes "
                f"{FEWEST_GROUPS}."
            )
        if scheme in leaky:
            said.append(
                f"Scheme {scheme} tests on groups that were trained on: expect lower scores on new recordings."
            )
    trained = summary[
        ~summary["network"].isin(name for name, entry in contestants.items() if is_fixed(entry))
    ]
    if len(trained) and trained["seeds"].min() == 1:
        said.append(
            "One seed a network: how much two trainings of the same network differ is not known. Use three."
        )
    return said


def _missing(left_out: Iterable[str]) -> list[str]:
    runs = list(left_out)
    return (
        [
            f"Trainings without scores are left out, and what they would have scored is not known: {' '.join(runs)}"
        ]
        if runs
        else []
    )
