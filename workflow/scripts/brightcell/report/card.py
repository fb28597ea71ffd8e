"""Describe a trained network on a page that a person can read: what it was trained on, how good it is, and its limits."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from brightcell.comparison.numbers import show, show_interval
from brightcell.errors import counted
from brightcell.metrics.registry import METRICS

MOST_GROUPS = 40  # that are named
FEW_GROUPS = 5  # scores over fewer say little about others


def write_card(
    recipes: list[dict], expected: pd.DataFrame, samples: pd.DataFrame, folds: pd.DataFrame
) -> str:
    """Write the card of a network's trainings, as Markdown.

    recipes : recipe.json of each training; expected, samples, folds : expected.tsv, samples.tsv and folds.tsv
    """
    first = recipes[0]
    own = folds[folds["scheme"] == first["scheme"]]
    used = samples[samples["sample"].isin(own["sample"])]
    numbers = {name: len({recipe[name] for recipe in recipes}) for name in ("fold", "seed")}
    many = ", ".join(counted(count, name) for name, count in numbers.items())
    lines = [
        f"# {first['network']}, trained on {first['dataset']}",
        "",
        f"A U-Net that finds living cells in transmitted light: for each pixel the probability that it is cell"
        f"{', and the distance to the edge of its cell' if first['outputs'] == 2 else ''}. "
        f"{counted(len(recipes), 'training')} ({many}) segment together.",
        "",
        "## Trained on",
        "",
        *_table(("what", "value"), _trained_on(recipes, used)),
        "",
        "Groups: " + _named(list(dict.fromkeys(used["group"]))) + ".",
        "",
        "## How good",
        "",
        *_scores(expected, own),
        "",
        "## Limits",
        "",
        *(f"- {line}" for line in limits(recipes, expected, used)),
        "",
        "## Use",
        "",
        "With brightcell, name the folder of this file:",
        "",
        "```yaml",
        "segment:",
        "  images: new/*.tif",
        "  models: path/to/this/folder",
        *(
            [f"images: {{channels: {list(first['chosen_channels'])}}}"] if first.get("chosen_channels") else []
        ),
        "```",
        "",
        f"In other programs: give frames as float32 (batch, height, width, {first['channels']}), with the percentiles "
        f"{first['percentiles'][0]:g} and {first['percentiles'][1]:g} of each channel of a frame mapped to 0 and 1, height and "
        f"width multiples of {2 ** (first['levels'] - 1)}. The cells are then separated by a watershed, whose settings are in "
        "`calibration.json`.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _trained_on(recipes: list[dict], samples: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the facts about the training data and the trainings."""
    first, pixel = recipes[0], recipes[0].get("working_pixel_size_um")
    rows = [
        ("groups, frames", f"{samples['group'].nunique():,}, {len(samples):,}"),
        (
            "cells",
            f"{int(samples['cells'].sum()):,}"
            if (samples["mask_type"] == "instances").all()
            else "not numbered",
        ),
        ("pixel size", f"{pixel:.4g} µm" if pixel else "unknown"),
        ("channels", str(first["channels"])),
    ]
    if areas := joint_range(recipes, "cell_area_px"):
        sizes = [2 * math.sqrt(area / math.pi) for area in areas]
        px = " / ".join(f"{size:.3g}" for size in sizes)
        um = f" px = {' / '.join(f'{size * pixel:.3g}' for size in sizes)} µm" if pixel else " px"
        rows.append(("diameter of cells, 5 / 50 / 95 %", px + um))
    names = {"intensity_mean": "brightness", "contrast": "contrast", "sharpness": "sharpness"}
    for name, title in names.items():
        if known := joint_range(recipes, name):
            rows.append((f"{title} of frames, 5 / 50 / 95 %", " / ".join(f"{value:.3g}" for value in known)))
    epochs = sorted({recipe["epochs_run"] for recipe in recipes if "epochs_run" in recipe})
    rows += [
        ("network", f"{first['network']}, {first['filters']} filters, {first['levels']} levels, {first['parameters']:,} parameters"),
        ("epochs", f"{epochs[0]} to {epochs[-1]}" if len(epochs) > 1 else "".join(map(str, epochs)) or "–"),
        ("steps for raw data", ", ".join(_steps(first.get("preprocess") or {})) or "none"),
        ("brightcell", str((first.get("versions") or {}).get("brightcell", "–"))),
    ]  # fmt: skip
    return rows


def _steps(preprocess: dict) -> list[str]:
    """Return the keys of the config's `preprocess` that were set, with their values."""
    return [f"{name} {value}" for name, value in preprocess.items() if value not in (None, False, [], "none")]


def joint_range(recipes: list[dict], name: str) -> list[float]:
    """Return the percentiles 5, 50 and 95 of a measure of the training data: the widest, and the median of the medians.

    >>> joint_range([{"training_data": {"a": [1, 2, 3]}}, {"training_data": {"a": [0, 4, 5]}}], "a")
    [0.0, 3.0, 5.0]
    """
    known = [
        recipe["training_data"][name] for recipe in recipes if name in (recipe.get("training_data") or {})
    ]
    if not known:
        return []
    lows, middles, highs = zip(*known, strict=True)
    return [float(min(lows)), float(np.median(middles)), float(max(highs))]


def _scores(expected: pd.DataFrame, folds: pd.DataFrame) -> list[str]:
    """Return the lines on scores: on which groups, how many of them, and the table."""
    if expected.empty:
        return ["Not known."]
    first = expected.iloc[0]
    tested = folds[folds["role"] == "test"].groupby("fold", sort=True)["group"].unique()
    return [
        f"Means over {counted(int(first['groups']), 'group')} ({first['frames']} frames), each scored by "
        f"{counted(int(first['seeds']), 'averaged training')}"
        + (" of the fold that tests it:" if first["leaky"] else " that had not seen it:"),
        "",
        *_table(
            ("score", "mean", "interval", "meaning"),
            [
                (METRICS[row["score"]].title, show(row["mean"], row["score"]),
                 show_interval(row["low"], row["high"], row["score"]) or "–", METRICS[row["score"]].description)
                for row in expected.to_dict("records")
            ],
        ),
        "",
        *(f"- fold {fold} tests {_named(list(groups))}" for fold, groups in tested.items()),
    ]  # fmt: skip


def limits(recipes: list[dict], expected: pd.DataFrame, samples: pd.DataFrame) -> list[str]:
    """Say of what these trainings are not known to be good."""
    first = recipes[0]
    said = [
        "The scores hold for frames like those of the training: the same cells, microscope and settings. For others they are "
        "not known, and may be much worse.",
    ]
    if len(expected) and expected["groups"].iloc[0] < FEW_GROUPS:
        number = counted(int(expected["groups"].iloc[0]), "group")
        said.append(f"{number} cannot show how much new ones differ.")
    if len(expected) and expected["leaky"].any():
        said.append(
            f"In the scheme {first['scheme']} the trainings had seen other frames of the groups that they are scored on: on new "
            "groups expect less."
        )
    if not first.get("working_pixel_size_um"):
        said.append(
            "The pixel size of the training is unknown: recordings are not brought to it. Cells of another size in pixels will be "
            "missed or cut."
        )
    elif areas := joint_range(recipes, "cell_area_px"):
        sizes = [2 * math.sqrt(area / math.pi) * first["working_pixel_size_um"] for area in areas]
        said.append(
            f"Cells of less than {sizes[0]:.3g} µm or more than {sizes[2]:.3g} µm across were rare in the training."
        )
    if not (samples["mask_type"] == "instances").all():
        said.append(
            "The masks of the training do not tell touching cells apart: how well these are separated is not known."
        )
    return [*said, "It finds where cells are. It does not know whether they are alive, or of which kind."]


def _named(groups: list[str]) -> str:
    more = f" and {len(groups) - MOST_GROUPS} more" if len(groups) > MOST_GROUPS else ""
    return ", ".join(groups[:MOST_GROUPS]) + more


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table."""
    return ["| " + " | ".join(cells) + " |" for cells in (titles, tuple("---" for _ in titles), *rows)]
