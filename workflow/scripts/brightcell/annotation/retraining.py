"""Train networks on with corrected crops, and judge whether they are still as good where they were good before."""

import math

import pandas as pd

from brightcell.comparison import compare, summarise
from brightcell.comparison.numbers import show, show_interval, show_signed
from brightcell.config.networks import RETRAINED
from brightcell.errors import counted
from brightcell.metrics.registry import METRICS

ALSO = "ap50"  # decides beside the score that decides in the report, where masks tell single cells apart
COLUMNS = (
    *("network", "score", "before", "after", "difference", "low", "high"),
    *("groups", "seeds", "groups_needed_low", "decides", "not_worse"),
)


def judge(scores: pd.DataFrame, pairs: dict[str, str], options: dict) -> pd.DataFrame:
    """Compare networks with those that they started from, on the same held-out groups.

    Parameters
    ----------
    scores : of the frames, all networks' (`summarise`)
    pairs : retrained network → the one before
    options : the config's `comparison`

    Returns
    -------
    pandas.DataFrame
        COLUMNS, a row a network and score: before and after are means over groups, difference is after - before with its
        interval; decides: whether the score counts; not_worse: whether the interval lies above -margin.
    """
    drawn = {name: options[name] for name in ("draws", "confidence")}
    metrics = [
        name for name in dict.fromkeys((options["primary"], ALSO, "mean_ap", "cell_iou")) if name in scores
    ]
    rows = []
    for after, before in pairs.items():
        own = pd.concat([scores[scores["network"] == name] for name in (after, before)])
        means = summarise(own, metrics, **drawn).set_index(["score", "network"])["mean"]
        differences = compare(own, metrics, **drawn, margin=options["margin"], same_trainings=True)
        for row in differences.to_dict("records"):
            score = row["score"]
            rows.append(
                row
                | {"network": before, "before": means[score, before], "after": means[score, after]}
                | {"decides": score in (options["primary"], ALSO)}
                | {"not_worse": bool(row["low"] > -options["margin"])}
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def recommended(judged: pd.DataFrame) -> list[str]:
    """Return the networks whose retrained ones are not worse in any score that decides; judged : of `judge`"""
    decisive = judged[judged["decides"]]
    good = decisive.groupby("network", sort=False)["not_worse"].all()
    return good.index[good].tolist()


def sentences(judged: pd.DataFrame, margin: float) -> list[str]:
    """Say of each network whether the retrained one is recommended, and why; judged : of `judge`"""
    good, said = recommended(judged), []
    for network, own in judged[judged["decides"]].groupby("network", sort=False):
        worst = own.loc[own["low"].fillna(-math.inf).idxmin()].to_dict()
        title = METRICS[worst["score"]].title
        change = f"{title} {show(worst['before'], worst['score'])} before, {show(worst['after'], worst['score'])} after"
        span = show_interval(worst["low"], worst["high"], worst["score"])
        span = f"the difference is {show_signed(worst['difference'], worst['score'])}" + (
            f" ({span})" if span else ", and there are too few groups for an interval"
        )
        groups = counted(worst["groups"], "held-out group")
        if network in good:
            said.append(
                f"Use {network}{RETRAINED}: it is not worse than {network} by more than {margin:g} on {groups}. {change}; {span}."
            )
        else:
            how = "is" if worst["high"] < 0 else "may be"
            said.append(f"Keep {network}: {network}{RETRAINED} {how} worse on {groups}. {change}; {span}.")
    return said
