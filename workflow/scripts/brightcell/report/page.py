"""Build the report: tables, charts and pictures in one HTML page that needs no network."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import pandas as pd
import yaml
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from brightcell import published
from brightcell.comparison.averaging import average_frames, average_seeds
from brightcell.comparison.numbers import show, show_signed
from brightcell.contestants import is_fixed, may_have_seen
from brightcell.instances.variants import SCORES as WATERSHED_SCORES
from brightcell.instances.variants import VARIANTS
from brightcell.metrics.registry import HEADLINE, METRICS

from . import charts, figure_tables, table_rows
from .figure_tables import CURVES, ERRORS
from .gallery import KINDS, STEPS_PER_PX, GalleryFrame, draw_frame
from .html import page_templates, plain, share
from .styles import Style, in_unit, network_styles

BASELINE = "threshold baseline"
COSTS = {
    "minutes": "minutes",
    "parameters": "parameters",
    "frames_per_second": "frames/s",
}
THRESHOLDS = {
    "cell_iou": "Cell IoU by threshold",
    "cell_precision": "Cell precision by threshold",
    "cell_recall": "Cell recall by threshold",
}
WATERSHEDS_SHOWN = ("ap50", "seg")  # the scores of the chart; all are in the table
SHAPES = {"eccentricity": "Eccentricity", "solidity": "Solidity"}


@dataclass
class ReportData:
    """What the report shows. Tables have the columns of the workflow's result files; parts may be empty."""

    dataset: str
    summary: pd.DataFrame
    scores: pd.DataFrame
    title: str | None = None
    titles: dict[str, str] = field(default_factory=dict)  # what a reader calls the networks and contestants
    verdict: list[str] = field(default_factory=list)  # of the first scheme
    details: list[str] = field(default_factory=list)  # more of it
    verdicts: dict[str, list[str]] = field(default_factory=dict)  # of the other ones
    whole_run: str = ""  # of a short run: what the whole one will take
    missing: list[str] = field(default_factory=list)  # trainings of the config without scores, in words
    differences: pd.DataFrame = field(default_factory=pd.DataFrame)
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    recipes: list[dict] = field(default_factory=list)
    speeds: pd.DataFrame = field(default_factory=pd.DataFrame)  # of a run: frames, seconds
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    reliability: pd.DataFrame = field(default_factory=pd.DataFrame)
    calibrations: pd.DataFrame = field(default_factory=pd.DataFrame)
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)
    shapes: pd.DataFrame = field(default_factory=pd.DataFrame)  # scheme, network, eccentricity, solidity
    findings: pd.DataFrame = field(default_factory=pd.DataFrame)
    folds: pd.DataFrame = field(default_factory=pd.DataFrame)
    expected: pd.DataFrame = field(default_factory=pd.DataFrame)  # expected.tsv of all networks
    leakage: pd.DataFrame = field(default_factory=pd.DataFrame)
    published: pd.DataFrame = field(default_factory=pd.DataFrame)
    watersheds: pd.DataFrame = field(default_factory=pd.DataFrame)
    samples: pd.DataFrame = field(default_factory=pd.DataFrame)
    jobs: pd.DataFrame = field(default_factory=pd.DataFrame)
    accounting: pd.DataFrame = field(default_factory=pd.DataFrame)  # from `accounting.summarise`
    gallery: list[GalleryFrame] = field(default_factory=list)
    baseline: dict[str, float] | None = None
    config: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)


def named_rows(data: ReportData) -> list[str]:
    """Return the networks and contestants of the config, in its order."""
    return [str(name) for key in ("networks", "contestants") for name in data.config.get(key) or []]


def styles_of(data: ReportData) -> dict[str, Style]:
    """Return the style of each network that was compared; those that are missing keep theirs, so that no other gets it."""
    order = network_order(data)
    every = network_styles(list(dict.fromkeys([*named_rows(data), *order])))
    return {name: every[name] for name in order}


def network_order(data: ReportData) -> list[str]:
    """Return the networks, then the contestants, that were compared, in the order of the config and of the summary."""
    named = named_rows(data)
    compared = data.summary["network"].tolist() or data.scores["network"].tolist()
    return [n for n in dict.fromkeys([*named, *compared]) if n in compared and n != BASELINE]


def schemes_of(data: ReportData) -> list[str]:
    """Return the schemes in the order of the results."""
    return list(dict.fromkeys([*data.summary["scheme"], *data.scores["scheme"]]))


def with_titles(data: ReportData) -> ReportData:
    """Return the data with the networks' titles in place of their names, wherever the page shows or compares them."""

    def title(name: str) -> str:
        return data.titles.get(name, name)

    config = dict(data.config)
    if "networks" in config:
        config["networks"] = [title(name) for name in config["networks"]]
    if config.get("contestants"):
        config["contestants"] = {title(name): entry for name, entry in config["contestants"].items()}
    tables = {
        each.name: title_table(value, data.titles)
        for each in fields(data)
        if isinstance(value := getattr(data, each.name), pd.DataFrame)
    }
    gallery = [
        replace(
            frame,
            predictions={title(name): labels for name, labels in frame.predictions.items()},
            scores={title(name): score for name, score in frame.scores.items()},
        )
        for frame in data.gallery
    ]
    recipes = [
        recipe | {"network": title(recipe["network"])} if "network" in recipe else recipe
        for recipe in data.recipes
    ]
    return replace(data, config=config, gallery=gallery, recipes=recipes, **tables)


def title_table(table: pd.DataFrame, titles: dict[str, str]) -> pd.DataFrame:
    """Return a table with titles in place of the names of networks."""
    named = [column for column in ("network", "network_a", "network_b") if column in table]
    return table.assign(**{column: table[column].replace(titles) for column in named})


def make_tables(data: ReportData) -> dict[str, pd.DataFrame]:
    """Work out the tables behind the figures; see the functions of `figure_tables` for their columns."""
    scores = data.scores[data.scores["network"] != BASELINE]
    known = [score for score in METRICS if score in scores]
    counts = [name for name in ("truth_cells", "predicted_cells") if name in scores]
    frames = average_seeds(scores, [*known, *counts])
    sized = "pixel_size_um" in data.samples
    sizes = data.samples.set_index("sample")["pixel_size_um"] if sized else pd.Series(dtype=float)
    areas = figure_tables.truth_and_predictions(data.cells, sizes)
    made = {
        "summary": data.summary[data.summary["network"] != BASELINE],
        "differences": data.differences,
        "frames": frames,
        "groups": average_frames(frames, known),
        "group_differences": figure_tables.differences_of_groups(frames, data.differences),
        "errors": figure_tables.count_errors(scores),
        "training": figure_tables.summarise_training(data.recipes, data.speeds),
        "learning_curves": data.history,
        "thresholds": data.curves,
        "watershed": figure_tables.best_by_threshold(data.calibrations),
        "reliability": data.reliability,
        "areas": figure_tables.histogram(areas, "area"),
        **{name: figure_tables.histogram(data.shapes, name) for name in SHAPES if name in data.shapes},
        "time": figure_tables.follow_time(frames, areas, data.samples),
        "leakage": data.leakage,
        "published": data.published,
        "watersheds": data.watersheds,
    }
    order = network_order(data)
    return {name: figure_tables.in_order(table, order) for name, table in made.items()}


def floor_sentence(data: ReportData) -> str:
    """Say what a threshold without learning reaches in the primary score, and which networks do not get beyond it."""
    if not data.baseline:
        return ""
    primary = (data.config.get("comparison") or {}).get("primary", "cell_iou")
    primary = (
        primary
        if primary in data.baseline
        else next((score for score in HEADLINE if score in data.baseline), "")
    )
    if not primary:
        return ""
    metric, floor = METRICS[primary], data.baseline[primary]
    said = f"The floor: local contrast and Otsu's threshold, without any learning, reach {metric.title} {show(floor, primary)}."
    own = data.summary[(data.summary["score"] == primary) & (data.summary["network"] != BASELINE)]
    own = own[own["scheme"] == next(iter(own["scheme"]), "")]
    below = own.loc[own["mean"] <= floor if metric.better == "higher" else own["mean"] >= floor, "network"]
    if len(below):
        contestants = data.config.get("contestants") or {}
        trained = [name for name in below if name not in contestants or not is_fixed(contestants[name])]
        some = f" {', '.join(trained)}" if len(trained) < len(below) else ""
        longer = f"train{some} longer, or " if trained else ""
        said += f" Below it: {', '.join(below)}. Do not use them: {longer}look at the check's page for faults in the masks."
    return said


def area_unit(data: ReportData) -> str:
    """Return the unit of the areas in the tables: that of `figure_tables.truth_and_predictions`."""
    tested = (
        data.samples[data.samples["sample"].isin(data.scores["sample"])]
        if len(data.samples)
        else data.samples
    )
    known = "pixel_size_um" in tested and len(tested) and tested["pixel_size_um"].notna().all()
    return "µm²" if known else "px"


def calibrated_score(data: ReportData) -> str:
    """Return the score by which the watershed's settings were chosen."""
    score = (data.config.get("watershed") or {}).get("score")
    return METRICS[score].title if score in METRICS else "Score"


def of_scheme(table: pd.DataFrame, scheme: str) -> pd.DataFrame:
    """Choose the rows of a scheme, where a table has schemes."""
    return table[table["scheme"] == scheme] if "scheme" in table else table


def chart_figures(data: ReportData, made: dict[str, pd.DataFrame]) -> dict[str, dict]:
    """Draw every chart: name of its place on the page → its figures by choice, as `html.share` writes them."""
    styles = styles_of(data)
    drawn: dict[str, dict[str, object]] = {}
    for number, scheme in enumerate(schemes_of(data), start=1):
        own = {name: of_scheme(table, scheme) for name, table in made.items()}
        for place, figures in {
            **_score_figures(own, styles),
            **_learning_figures(own, styles, calibrated_score(data)),
            **_cell_figures(own, styles, area_unit(data)),
        }.items():
            if figures:
                drawn[f"{place}-{number}"] = share(
                    {choice: plain(figure) for choice, figure in figures.items()}
                )
    return drawn


def _score_figures(own: dict[str, pd.DataFrame], styles: dict) -> dict[str, dict]:
    """Draw the charts that follow the chosen score: differences, frames, costs."""
    drawn: dict[str, dict[str, dict]] = {
        place: {} for place in ("differences", "frames", *(f"cost-{cost}" for cost in COSTS))
    }
    frames, training = own["frames"], own["training"]
    for score, entry in METRICS.items():
        if score not in frames or not frames[score].notna().any():
            continue
        drawn["frames"][score] = charts.frames_chart(frames, score, entry.title, styles, entry.unit)
        pairs, groups = (
            table[table["score"] == score] if len(table) else table
            for table in (own["differences"], own["group_differences"])
        )
        if len(pairs) and pairs["difference"].notna().any():
            drawn["differences"][score] = charts.differences_chart(
                pairs, groups, entry.title, entry.better, entry.unit
            )
        means = own["summary"][own["summary"]["score"] == score]
        rows = means.merge(training, on="network") if len(training) else means[:0]
        for cost, title in COSTS.items():
            if cost in rows and rows[cost].notna().any():
                drawn[f"cost-{cost}"][score] = charts.cost_chart(
                    rows, cost, title, in_unit(entry.title, entry.unit), styles
                )
    return drawn


def _learning_figures(own: dict[str, pd.DataFrame], styles: dict, calibrated: str) -> dict[str, dict]:
    """Draw learning curves, threshold curves, the watershed's calibration, reliability."""
    drawn = {}
    history, curves = own["learning_curves"], own["thresholds"]
    for column, title in CURVES.items():
        if column in history and history[column].notna().any():
            means = figure_tables.in_order(figure_tables.over_runs(history, ["epoch"], column), list(styles))
            runs = history.rename(columns={column: "mean"})
            drawn[f"curves-{column}"] = {
                "": charts.lines_chart(means, "epoch", styles, title, "epoch", runs=runs, counted=True)
            }
    for column, title in THRESHOLDS.items():
        if column in curves and len(curves):
            drawn[f"thresholds-{column}"] = {
                "": charts.lines_chart(
                    curves, "threshold", styles, title, "threshold on the probability", column
                )
            }
    if len(own["watershed"]):
        drawn["watershed"] = {
            "": charts.lines_chart(
                own["watershed"], "threshold", styles, f"{calibrated}, validation frames",
                "threshold on the probability",
            )
        }  # fmt: skip
    if len(own["reliability"]):
        drawn["reliability"] = {
            "": charts.lines_chart(
                own["reliability"].dropna(subset=["probability", "cell_share"]), "probability", styles,
                "Reliability: share that is cell", "predicted probability of cell", "cell_share", diagonal=True,
            )
        }  # fmt: skip
    return drawn


def _cell_figures(own: dict[str, pd.DataFrame], styles: dict, unit: str) -> dict[str, dict]:
    """Draw counts, areas and shapes of cells, and their course over time."""
    drawn: dict[str, dict] = {}
    counted = own["frames"]
    if {"truth_cells", "predicted_cells"} <= set(counted) and counted["truth_cells"].notna().any():
        drawn["counts"] = {"": charts.counts_chart(counted.dropna(subset="truth_cells"), styles)}
    watersheds = own["watersheds"]
    for score in WATERSHEDS_SHOWN if len(watersheds) else ():
        means = watersheds[(watersheds["minus"] == "") & (watersheds["score"] == score)]
        drawn[f"watersheds-{score}"] = {
            "": charts.watersheds_chart(means, styles, METRICS[score].title, VARIANTS)
        }
    for name, title, x_title in (
        ("areas", "Area of a cell", f"area, {unit}"),
        *((name, title, name) for name, title in SHAPES.items()),
    ):
        shares = own.get(name)
        if shares is not None and len(shares):
            drawn[f"cells-{name}"] = {
                "": charts.shares_chart(shares, styles, f"{title}, % of cells", x_title)
            }
    for column, title in (("cells", "Cells in a frame"), ("area", f"Mean area of a cell, {unit}")):
        drawn[f"time-{column}"] = {
            group: charts.lines_chart(part, "frame", styles, title, "frame", column, counted=True)
            for group, part in own["time"].dropna(subset=column).groupby("group", sort=False)
        }
    return drawn


def build(data: ReportData, made: dict[str, pd.DataFrame], templates: str | Path) -> str:
    """Write the report as one HTML page, with plotly.js, styles and pictures inside.

    `made` are the tables of `make_tables`, `templates` is the folder of page.html.j2 and its parts.
    """
    environment = page_templates(templates)
    environment.filters |= {"show": show, "signed": show_signed}
    config = yaml.safe_dump(data.config, sort_keys=False, allow_unicode=True) if data.config else ""
    made = {name: title_table(table, data.titles) for name, table in made.items()}
    data = with_titles(data)
    order = network_order(data)
    contestants = data.config.get("contestants") or {}
    unknown = [name for name in order if name in contestants and may_have_seen(contestants[name])]
    drawn = chart_figures(data, made)
    shown = made | {"expected": figure_tables.in_order(data.expected, order)}
    scored = {score for place in drawn.values() for score in place["choices"]}
    return environment.get_template("page.html.j2").render(
        data=data,
        plotly=Markup(get_plotlyjs().replace("</script", "<\\/script")),
        charts=drawn,
        choices=[score for score in METRICS if score in scored],
        timed=list(dict.fromkeys(made["time"]["group"])) if len(made["time"]) else [],
        curves=CURVES,
        costs=COSTS,
        thresholds=THRESHOLDS,
        shapes=SHAPES,
        errors=list(ERRORS.values()),
        metrics=METRICS,
        headline=HEADLINE,
        contestants=[name for name in order if name in contestants],
        unknown=unknown,
        networks=order,
        styles=styles_of(data),
        schemes=[
            table_rows.scheme_view(
                {name: of_scheme(table, scheme) for name, table in shown.items()},
                of_scheme(data.folds, scheme), scheme, number, unknown,
            )
            for number, scheme in enumerate(schemes_of(data), start=1)
        ],
        leakage=table_rows.records(data.leakage),
        published=table_rows.records(made["published"]),
        explanation=published.EXPLANATION,
        watershed_scores=WATERSHED_SCORES,
        watersheds_shown=WATERSHEDS_SHOWN,
        gallery={
            "steps": STEPS_PER_PX,
            "kinds": list(KINDS),
            "networks": order,
            "frames": [draw_frame(frame, order) for frame in data.gallery],
        },
        kinds=KINDS,
        findings=table_rows.records(data.findings),
        jobs=table_rows.records(data.jobs),
        accounting=table_rows.records(data.accounting),
        runs=table_rows.run_rows(data.recipes),
        config=config,
        floor=floor_sentence(data),
        confidence=float((data.config.get("comparison") or {}).get("confidence", 0.95)),
    )  # fmt: skip
