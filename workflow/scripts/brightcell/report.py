"""Build the report: tables, charts and pictures in one HTML page that needs no network."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from . import charts
from .metrics import HEADLINE, METRICS

BASELINE = "threshold baseline"
RUN = ("scheme", "network", "fold", "seed")
CURVES = {
    "loss": "Loss, training frames",
    "val_loss": "Loss, validation frames",
    "val_cell_iou": "Cell IoU, validation frames",
}
ERRORS = {"fn50": "missed", "fp50": "false", "splits": "split", "merges": "merged"}


@dataclass
class GalleryFrame:
    """One test frame to show: `image` (height, width[, channels]), truth and predictions as labels."""

    rank: str  # "worst", "median" or "best"
    scheme: str
    sample: str
    group: str
    image: np.ndarray
    truth: np.ndarray
    predictions: dict[str, np.ndarray]
    scores: dict[str, float]
    run: str = ""
    instances: bool = True


@dataclass
class ReportData:
    """What the report shows. Tables have the columns of the workflow's result files; parts may be empty."""

    dataset: str
    summary: pd.DataFrame
    scores: pd.DataFrame
    title: str | None = None
    verdict: list[str] = field(default_factory=list)
    differences: pd.DataFrame = field(default_factory=pd.DataFrame)
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    recipes: list[dict] = field(default_factory=list)
    findings: pd.DataFrame = field(default_factory=pd.DataFrame)
    folds: pd.DataFrame = field(default_factory=pd.DataFrame)
    samples: pd.DataFrame = field(default_factory=pd.DataFrame)
    gallery: list[GalleryFrame] = field(default_factory=list)
    baseline: dict[str, float] | None = None
    config: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)


def choose_frames(scores: pd.DataFrame, number: int) -> list[tuple[str, str]]:
    """Choose (rank, sample) of the worst, median and best test frames by mean cell IoU, a third each.

    >>> table = pd.DataFrame({"sample": list("abcde"), "cell_iou": [0.5, 0.9, 0.7, 0.6, 0.8]})
    >>> choose_frames(table, 3)
    [('worst', 'a'), ('median', 'c'), ('best', 'b')]
    """
    names = scores.groupby("sample")["cell_iou"].mean().dropna().sort_values(kind="stable").index.tolist()
    if len(names) <= number:
        last = len(names) - 1
        return [
            ("worst" if index == 0 else "best" if index == last else "median", name)
            for index, name in enumerate(names)
        ]
    low, high = (number + 2) // 3, (number + 1) // 3
    middle = number - low - high
    start = (len(names) - middle) // 2
    start = min(max(start, low), len(names) - high - middle)
    ranked = (names[:low], names[start : start + middle], names[len(names) - high :])
    return [
        (rank, name) for rank, part in zip(("worst", "median", "best"), ranked, strict=True) for name in part
    ]


def tables(data: ReportData) -> dict[str, pd.DataFrame]:
    """Work out the tables behind the figures: summary, differences, frames, groups, errors, curves, training.

    In `frames` the seeds of a network are averaged; `groups` averages its frames.
    """
    scores = data.scores[data.scores["network"] != BASELINE]
    known = [score for score in METRICS if score in scores.columns]
    order = network_order(data)
    keys = ["scheme", "network"]
    frames = scores.groupby([*keys, "sample", "group"], sort=False, as_index=False)[known].mean()
    groups = frames.groupby([*keys, "group"], sort=False, as_index=False)[known].mean()
    summed = [column for column in ("truth_cells", *ERRORS) if column in scores.columns]
    errors = scores.dropna(subset=summed).groupby(keys, sort=False, as_index=False)[summed].sum()
    if "truth_cells" in summed:
        for column in summed[1:]:
            errors[f"{ERRORS[column]}_per_100_cells"] = (
                100 * errors.pop(column) / errors["truth_cells"].where(errors["truth_cells"] > 0)
            )
    else:
        errors = errors[:0]
    summary = data.summary[data.summary["network"] != BASELINE]
    return {
        "summary": summary,
        "differences": data.differences,
        "frames": _in_order(frames, order),
        "groups": _in_order(groups, order),
        "errors": _in_order(errors, order),
        "learning_curves": data.history,
        "training": _in_order(_training(data.recipes), order),
    }


def network_order(data: ReportData) -> list[str]:
    """Name the networks in the order of the config, then of the summary; it fixes their colours."""
    named = [str(name) for name in data.config.get("networks") or []]
    compared = data.summary["network"].tolist() or data.scores["network"].tolist()
    return [n for n in dict.fromkeys([*(n for n in named if n in compared), *compared]) if n != BASELINE]


def _in_order(table: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    if table.empty:
        return table
    rank = table["network"].map({name: index for index, name in enumerate(order)})
    return table.iloc[np.lexsort([rank.fillna(len(order)).to_numpy()])].reset_index(drop=True)


def _training(recipes: list[dict]) -> pd.DataFrame:
    """One row a scheme and network: runs, parameters, minutes a run and in all, epochs, device, precision."""
    rows = []
    runs = pd.DataFrame(recipes)
    for (scheme, network), part in runs.groupby(["scheme", "network"], sort=False) if len(runs) else ():
        minutes = part["train_seconds"] / 60
        rows.append(
            {
                "scheme": scheme,
                "network": network,
                "runs": len(part),
                "parameters": int(part["parameters"].iloc[0]),
                "trainable_parameters": int(part["trainable_parameters"].iloc[0]),
                "minutes": minutes.mean(),
                "minutes_least": minutes.min(),
                "minutes_most": minutes.max(),
                "hours_in_all": minutes.sum() / 60,
                "epochs_run": part["epochs_run"].mean(),
                "best_epoch": part["best_epoch"].mean(),
                "device": ", ".join(dict.fromkeys(part["device"].astype(str))),
                "precision": ", ".join(dict.fromkeys(part["precision"].astype(str))),
            }
        )
    return pd.DataFrame(rows)


def show(value: float, score: str = "") -> str:
    """Write a value as a reader wants it: three decimals, one for pixels and counts, – for none.

    >>> show(0.81234), show(float("nan")), show(-0.02)
    ('0.812', '–', '−0.020')
    """
    if value is None or not np.isfinite(value):
        return "–"
    unit = METRICS[score].unit if score in METRICS else ""
    return f"{value:.1f}".replace("-", "−") if unit else f"{value:.3f}".replace("-", "−")


def _figure(figure) -> dict:
    content = json.loads(figure.to_json())
    content["layout"].pop("template", None)
    return content


def chart_figures(data: ReportData) -> dict[str, dict[str, dict]]:
    """Draw every chart: name of its place on the page → score (or "") → figure as plotly's JSON."""
    made = tables(data)
    styles = charts.network_styles(network_order(data))
    drawn: dict[str, dict[str, dict]] = {}
    for number, scheme in enumerate(_schemes(data), start=1):
        frames = made["frames"][made["frames"]["scheme"] == scheme]
        for score in METRICS:
            entry = METRICS[score]
            if score in frames.columns and frames[score].notna().any():
                chart = charts.frames_chart(frames, score, entry.title, styles, entry.unit)
                drawn.setdefault(f"frames-{number}", {})[score] = _figure(chart)
            pairs = _pairs(data, scheme, score)
            if len(pairs) and pairs["difference"].notna().any():
                chart = charts.differences_chart(pairs, entry.title, entry.better, entry.unit)
                drawn.setdefault(f"differences-{number}", {})[score] = _figure(chart)
        history = data.history[data.history["scheme"] == scheme] if len(data.history) else data.history
        for column, title in CURVES.items():
            if column in history.columns and history[column].notna().any():
                chart = charts.curves_chart(history, column, title, styles)
                drawn[f"curves-{number}-{column}"] = {"": _figure(chart)}
    return drawn


def _schemes(data: ReportData) -> list[str]:
    return list(dict.fromkeys([*data.summary["scheme"], *data.scores["scheme"]]))


def _pairs(data: ReportData, scheme: str, score: str) -> pd.DataFrame:
    table = data.differences
    return table[(table["scheme"] == scheme) & (table["score"] == score)] if len(table) else table


def _score_cell(data: ReportData, scheme: str, network: str, score: str) -> dict:
    """Give the text, the interval and the reason of a missing value for one cell of the summary tables."""
    table = data.summary
    row = table[(table["scheme"] == scheme) & (table["network"] == network) & (table["score"] == score)]
    value = row.iloc[0] if len(row) else {"mean": np.nan, "low": np.nan, "high": np.nan}
    missing = not np.isfinite(value["mean"])
    ends = [value["low"], value["high"]]
    return {
        "value": value["mean"],
        "text": show(value["mean"], score),
        "interval": " to ".join(show(end, score) for end in ends) if np.isfinite(ends).all() else "",
        "reason": ("instances" if METRICS[score].needs_instances else "none") if missing else "",
        "best": False,
    }


def _summary(data: ReportData, scheme: str, scores: list[str]) -> list[dict]:
    """One row a network: its cells of the scores named; the best mean of each score is marked."""
    rows = [
        {"network": network, "cells": {score: _score_cell(data, scheme, network, score) for score in scores}}
        for network in network_order(data)
        if network in set(data.summary.loc[data.summary["scheme"] == scheme, "network"])
    ]
    for score in scores:
        values = [row["cells"][score]["value"] for row in rows]
        if len(rows) > 1 and np.isfinite(values).any():
            best = np.nanmax(values) if METRICS[score].better == "higher" else np.nanmin(values)
            for row, value in zip(rows, values, strict=True):
                row["cells"][score]["best"] = bool(value == best)
    return rows


def _fold_rows(folds: pd.DataFrame, scheme: str) -> tuple[list, list[dict]]:
    """Groups × folds of one scheme; a cell lists (role, samples) in the order train, validate, test."""
    part = folds[folds["scheme"] == scheme] if len(folds) else folds
    if part.empty:
        return [], []
    numbers = sorted(part["fold"].unique())
    counts = part.groupby(["group", "fold", "role"])["sample"].nunique()
    rows = []
    for group, samples in part.groupby("group", sort=False):
        cells = [
            [
                (role, int(counts[group, fold, role]))
                for role in ("train", "validate", "test")
                if (group, fold, role) in counts
            ]
            for fold in numbers
        ]
        rows.append({"group": group, "samples": samples["sample"].nunique(), "cells": cells})
    return numbers, rows


def _pictures(frame: GalleryFrame, order: list[str]) -> dict:
    """Encode the row of pictures of one gallery frame, with their captions and alternative texts."""
    names = [name for name in order if name in frame.predictions]
    window = charts.wrong_window(frame.truth, [frame.predictions[name] for name in names])
    side = (window[0].stop - window[0].start, window[1].stop - window[1].start)
    pictures = [
        ("image", "", "the frame", charts.overlay(frame.image, window=window)),
        ("truth", "", "outlines of the truth", charts.overlay(frame.image, frame.truth, window=window)),
    ]
    for name in names:
        picture = charts.overlay(frame.image, frame.truth, frame.predictions[name], frame.instances, window)
        score = f"cell IoU {show(frame.scores.get(name, np.nan), 'cell_iou')}"
        pictures.append((name, score, f"outlines by {name}, {score}", picture))
    return {
        "frame": frame,
        "part": None if side == frame.truth.shape else (*side, *frame.truth.shape),
        "pictures": [
            {
                "title": title,
                "note": note,
                "alt": f"{frame.sample}: {alt}",
                "src": charts.data_uri(picture),
                "height": picture.shape[0],
                "width": picture.shape[1],
            }
            for title, note, alt, picture in pictures
        ],
    }


def _digest(script: str) -> str:
    """Give the hash by which the page's Content-Security-Policy admits a script."""
    return base64.b64encode(hashlib.sha256(str(script).encode("utf-8")).digest()).decode("ascii")


def _json(content: object) -> Markup:
    """Write JSON for a <script> element, from which no text can break out."""
    return Markup(json.dumps(content, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e"))


def _scheme_view(data: ReportData, made: dict[str, pd.DataFrame], scheme: str, number: int) -> dict:
    """Collect what the page shows of one scheme."""

    def part(name: str) -> pd.DataFrame:
        table = made[name]
        return table[table["scheme"] == scheme] if len(table) else table

    scored = [score for score in METRICS if score in set(part("summary")["score"])]
    groups = part("groups")
    group_rows = []
    if "cell_iou" in groups.columns and len(groups):
        wide = groups.pivot(index="group", columns="network", values="cell_iou")
        wide = wide.loc[wide.mean(axis=1).sort_values(kind="stable").index]
        group_rows = [{"group": group, "values": values.to_dict()} for group, values in wide.iterrows()]
    cells = _summary(data, scheme, list(dict.fromkeys([*HEADLINE, *scored])))
    pairs = part("differences")
    numbers, fold_rows = _fold_rows(data.folds, scheme)
    return {
        "scheme": scheme,
        "number": number,
        "rows": cells,
        "scored": scored,
        "networks": [row["network"] for row in cells],
        "missing": {cell["reason"] for row in cells for score in HEADLINE for cell in [row["cells"][score]]},
        "group_count": int(part("summary")["groups"].max()) if len(part("summary")) else 0,
        "pairs": [
            (score, pairs[pairs["score"] == score].to_dict("records"))
            for score in HEADLINE
            if len(pairs) and pairs.loc[pairs["score"] == score, "difference"].notna().any()
        ],
        "groups": group_rows,
        "errors": part("errors").to_dict("records"),
        "training": {row["network"]: row for row in part("training").to_dict("records")},
        "folds": numbers,
        "fold_rows": fold_rows,
    }


def build(data: ReportData, templates: str | Path) -> str:
    """Write the report as one HTML page, with plotly.js, styles and pictures inside.

    `templates` is the folder of report.html.j2, report.css and report.js.
    """
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"show": show, "digest": _digest, "json": _json}
    made = tables(data)
    order = network_order(data)
    drawn = chart_figures(data)
    config = yaml.safe_dump(data.config, sort_keys=False, allow_unicode=True) if data.config else ""
    return environment.get_template("report.html.j2").render(
        data=data,
        plotly=Markup(get_plotlyjs().replace("</script", "<\\/script")),
        charts=drawn,
        choices=[score for score in METRICS if any(score in figures for figures in drawn.values())],
        curves=CURVES,
        errors=list(ERRORS.values()),
        metrics=METRICS,
        headline=HEADLINE,
        networks=order,
        styles=charts.network_styles(order),
        schemes=[
            _scheme_view(data, made, scheme, number) for number, scheme in enumerate(_schemes(data), start=1)
        ],
        gallery=[_pictures(frame, order) for frame in data.gallery],
        findings=data.findings.astype(object).where(data.findings.notna(), "–").to_dict("records"),
        config=config,
        confidence=float((data.config.get("comparison") or {}).get("confidence", 0.95)),
    )
