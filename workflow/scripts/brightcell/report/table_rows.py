"""Convert the report's tables to the rows and cells that its templates show."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from brightcell.comparison.numbers import show, show_interval, show_signed
from brightcell.metrics.registry import HEADLINE, METRICS

# The score by which networks are set apart in the first table, and groups in the table of groups.
LEADING = "cell_iou"


def records(table: pd.DataFrame) -> list[dict]:
    """Return the rows of a table as dictionaries, with None for missing values."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def best_of(values: pd.Series, better: str) -> float:
    """Choose the best of some values: the highest, the lowest or the nearest to zero."""
    values = values.dropna()
    if better == "higher":
        return values.max()
    return values.min() if better == "lower" else values.loc[values.abs().idxmin()]


def summary_rows(summary: pd.DataFrame, scores: list[str], apart: Collection[str] = ()) -> list[dict]:
    """One row a network: a cell for each of the scores, with the best mean of each marked.

    Those apart may have seen the test frames: they are never the best. A cell has value, text, interval, best, and the reason of a missing value: `instances` or `none`.
    """
    rows = []
    for network in dict.fromkeys(summary["network"]):
        own = summary[summary["network"] == network].set_index("score")
        cells = {}
        for score in scores:
            value = own.loc[score] if score in own.index else {"mean": np.nan, "low": np.nan, "high": np.nan}
            reason = "instances" if METRICS[score].needs_instances else "none"
            cells[score] = {
                "value": value["mean"],
                "text": show(value["mean"], score),
                "interval": show_interval(value["low"], value["high"], score),
                "reason": "" if np.isfinite(value["mean"]) else reason,
                "best": False,
            }
        rows.append({"network": network, "cells": cells})
    for score in scores:
        judged = [row for row in rows if row["network"] not in apart]
        values = pd.Series([row["cells"][score]["value"] for row in judged], dtype=float)
        if len(rows) > 1 and values.notna().any():
            best = best_of(values, METRICS[score].better)
            for row in judged:
                row["cells"][score]["best"] = bool(row["cells"][score]["value"] == best)
    return rows


def expected_rows(expected: pd.DataFrame, scores: list[str]) -> list[dict]:
    """One row a network of expected.tsv: cells as in `summary_rows`, none marked as the best; groups, seeds, leaky."""
    if expected.empty:
        return []
    rows = summary_rows(expected, scores)
    for row in rows:
        row["cells"] = {score: cell | {"best": False} for score, cell in row["cells"].items()}
        own = expected[expected["network"] == row["network"]].iloc[0]
        row |= own[["groups", "seeds", "leaky"]].to_dict()
    return rows


def differences_to_best(pairs: pd.DataFrame, rows: list[dict]) -> dict[str, dict[str, str]]:
    """Write the difference in LEADING of each network to the one with the best mean: text and interval."""
    best = next((row["network"] for row in rows if row["cells"][LEADING]["best"]), None)
    if best is None or pairs.empty:
        return {}
    found = {best: {"text": "best", "interval": ""}}
    for pair in pairs[pairs["score"] == LEADING].to_dict("records"):
        values = [pair["difference"], pair["low"], pair["high"]]
        if pair["network_a"] == best:
            values = [-values[0], -values[2], -values[1]]
        elif pair["network_b"] != best:
            continue
        other = pair["network_b"] if pair["network_a"] == best else pair["network_a"]
        interval = show_interval(values[1], values[2], LEADING)
        found[other] = {"text": show_signed(values[0], LEADING), "interval": interval}
    return found


def fold_rows(folds: pd.DataFrame) -> tuple[list, list[dict]]:
    """Groups × folds of one scheme; a cell lists (role, samples) in the order train, validate, test."""
    if folds.empty:
        return [], []
    numbers = sorted(folds["fold"].unique())
    counts = folds.groupby(["group", "fold", "role"])["sample"].nunique().to_dict()
    rows = []
    for group, samples in folds.groupby("group", sort=False)["sample"].nunique().items():
        cells = [
            [
                (role, counts[group, fold, role])
                for role in ("train", "validate", "test")
                if (group, fold, role) in counts
            ]
            for fold in numbers
        ]
        rows.append({"group": group, "samples": samples, "cells": cells})
    return numbers, rows


def group_rows(groups: pd.DataFrame) -> list[dict]:
    """LEADING of each group by network, the hardest group first."""
    if LEADING not in groups or groups.empty:
        return []
    wide = groups.pivot(index="group", columns="network", values=LEADING)
    wide = wide.loc[wide.mean(axis=1).sort_values(kind="stable").index]
    return [{"group": group, "values": values.to_dict()} for group, values in wide.iterrows()]


def run_rows(recipes: list[dict]) -> list[dict]:
    """Return what the table of runs shows of each recipe; None if an older recipe lacks it."""
    return [
        {name: recipe.get(name) for name in ("scheme", "network", "fold", "seed", "device", "precision")}
        | {"minutes": recipe["train_seconds"] / 60, "epochs": recipe.get("epochs_run")}
        | {"host": (recipe.get("machine") or {}).get("host")}
        for recipe in recipes
        if "train_seconds" in recipe
    ]


def watershed_rows(watersheds: pd.DataFrame) -> list[dict]:
    """One row a network and variant of the watershed, then one a difference: a cell for each score."""
    rows = []
    if len(watersheds):
        for (network, minus, variant), own in watersheds.groupby(["network", "minus", "variant"], sort=False):
            cells = {row["score"]: row for row in records(own)}
            rows.append({"network": network, "variant": variant, "minus": minus, "cells": cells})
    order = list(dict.fromkeys(row["network"] for row in rows))
    return sorted(rows, key=lambda row: order.index(row["network"]))


def scheme_view(
    own: dict[str, pd.DataFrame], folds: pd.DataFrame, scheme: str, number: int, apart: Collection[str] = ()
) -> dict:
    """Collect what the page shows of one scheme; `own` are the report's tables of that scheme alone."""
    summary, pairs, expected = own["summary"], own["differences"], own["expected"]
    scored = [score for score in METRICS if score in set(summary["score"])]
    rows = summary_rows(summary, list(dict.fromkeys([LEADING, *HEADLINE, *scored])), apart)
    numbers, roles = fold_rows(folds)
    expected_scores = list(dict.fromkeys(expected["score"])) if len(expected) else []
    return {
        "scheme": scheme,
        "number": number,
        "rows": rows,
        "scored": scored,
        "expected": expected_rows(expected, expected_scores),
        "expected_scores": expected_scores,
        "networks": [row["network"] for row in rows],
        "to_best": differences_to_best(pairs, rows),
        "missing": {cell["reason"] for row in rows for score in HEADLINE for cell in [row["cells"][score]]},
        "group_count": int(summary["groups"].max()) if len(summary) else 0,
        "seeds": int(summary["seeds"].max()) if len(summary) else 0,
        "pairs": [
            (score, records(pairs[pairs["score"] == score]))
            for score in HEADLINE
            if len(pairs) and pairs.loc[pairs["score"] == score, "difference"].notna().any()
        ],
        "groups": group_rows(own["groups"]),
        "errors": records(own["errors"]),
        "watersheds": watershed_rows(own["watersheds"]),
        "training": {row["network"]: row for row in records(own["training"])},
        "folds": numbers,
        "fold_rows": roles,
    }
