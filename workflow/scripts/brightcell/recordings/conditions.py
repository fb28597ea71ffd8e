"""Compare conditions: wells, or recordings where wells are not named, are what is repeated.

Fields of one well share their medium, their seeding and their place on the plate. They are averaged first: more fields do
not make more experiments.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from brightcell.comparison import chance
from brightcell.comparison.significance import holm

from .films import MEASURES

KEYS = ["measure", "unit"]
DERIVED = ("doubling",)  # of `growth`: its mean is that of the rate, turned over
SIGNED = ("growth", "area_growth")  # all others are zero or more
WHOLE = ("cycle",)  # seen where it is short: there is no mean over some of the recordings
ALIKE = 1e-9  # values that differ by less than this share are equal


def replicates(recordings: pd.DataFrame) -> pd.DataFrame:
    """Average the recordings of each well.

    recordings : recording, condition, well ("": none), measure, value, unit; one row per recording and measure
    Returns condition, replicate (the well, or the recording), measure, unit, value, recordings (that have a value).
    """
    named = recordings.assign(
        replicate=recordings["well"].where(recordings["well"] != "", recordings["recording"])
    )
    known = np.isfinite(named["value"])
    partly = ~known.groupby([named["condition"], named["measure"]]).transform("all")
    known = named[known & ~(partly & named["measure"].isin(WHOLE))]
    return known.groupby(["condition", "replicate", *KEYS], sort=False, as_index=False).agg(
        value=("value", "mean"), recordings=("value", "size")
    )


def summarise(repeated: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Return the mean of each measure and condition, with its t interval over replicates.

    repeated : of `replicates`
    Returns condition, measure, unit, mean, low, high, replicates, recordings; with one replicate low and high are nan. The
    mean doubling time is the one of the mean growth, and there is none where the interval of the growth reaches zero.
    """
    rows = []
    for (condition, measure, unit), own in repeated.groupby(["condition", *KEYS], sort=False):
        mean = float(own["value"].mean())
        low, high, *_ = chance.interval(mean, chance.of_groups(own["value"].to_numpy()), confidence)
        low = low if measure in SIGNED else max(low, 0.0) if np.isfinite(low) else low
        rows.append(
            {
                "condition": condition, "measure": measure, "unit": unit, "mean": mean, "low": low, "high": high,
                "replicates": len(own), "recordings": int(own["recordings"].sum()),
            }
        )  # fmt: skip
    columns = ["condition", *KEYS, "mean", "low", "high", "replicates", "recordings"]
    table = pd.DataFrame(rows, columns=columns)
    table = pd.concat([table[~table["measure"].isin(DERIVED)], _doublings(table)])
    order = [list(MEASURES).index(name) for name in table["measure"]]
    place = [list(dict.fromkeys(repeated["condition"])).index(name) for name in table["condition"]]
    return table.iloc[np.lexsort((order, place))].reset_index(drop=True)


def _doublings(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the doubling time, out of those of the growth."""
    own = table[table["measure"] == "growth"].copy()
    per = np.where(own["unit"] == MEASURES["growth"].unit, 24.0, 100.0)
    mean, low, high = (own[name].to_numpy(float) for name in ("mean", "low", "high"))
    seen = (mean > 0) & ~(low <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        own["mean"] = np.where(seen, per / mean, np.nan)
        own["low"] = np.where(high > 0, per / high, np.where(np.isnan(high), np.nan, np.inf))
        own["high"] = np.where(np.isnan(low), np.nan, np.where(low > 0, per / low, np.inf))
    known, unknown = MEASURES["doubling"].unit, MEASURES["doubling"].unit_unscaled
    return own.assign(
        measure="doubling", unit=np.where(own["unit"] == MEASURES["growth"].unit, known, unknown)
    )


def compare(repeated: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Return the differences between conditions, by Welch's t test over replicates.

    Returns condition_a, condition_b, measure, unit, difference (a − b of the means), low, high, p, p_holm (for the number of
    pairs), replicates_a, replicates_b. Without two replicates in both there is no interval and no p.
    """
    rows = []
    for (measure, unit), own in repeated.groupby(KEYS, sort=False):
        if measure in DERIVED:
            continue
        values = {name: each["value"].to_numpy() for name, each in own.groupby("condition", sort=False)}
        pairs = []
        for one, other in combinations(values, 2):
            a, b = values[one], values[other]
            low = high = p = np.nan
            if min(len(a), len(b)) > 1 and np.ptp(a) + np.ptp(b) > ALIKE * np.abs([*a, *b]).max():
                test = stats.ttest_ind(a, b, equal_var=False)
                low, high = test.confidence_interval(confidence)
                p = test.pvalue
            pairs.append(
                {
                    "condition_a": one, "condition_b": other, "measure": measure, "unit": unit,
                    "difference": a.mean() - b.mean(), "low": low, "high": high, "p": p,
                    "replicates_a": len(a), "replicates_b": len(b),
                }
            )  # fmt: skip
        corrected = holm(np.array([pair["p"] for pair in pairs]))
        rows += [pair | {"p_holm": value} for pair, value in zip(pairs, corrected, strict=True)]
    columns = ["condition_a", "condition_b", *KEYS, "difference", "low", "high", "p", "p_holm"]
    return pd.DataFrame(rows, columns=[*columns, "replicates_a", "replicates_b"])
