"""Show what films of living cells say, on one HTML page that needs no network."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from brightcell.recordings.films import ENDS, FEWEST_STEPS, MEASURES, WINDOW

from . import film_charts
from .html import page_templates, plain, share
from .styles import Style, network_styles

MOST_TREES = 24  # recordings whose trees are on the page
MOST_PLATES = 4
MOST_ROWS = 400  # of a table
COURSES = {"cells": "Cells", "confluence": "Confluence, %", "area": "Area of a cell", "speed": "Speed"}
COMPARED = [name for name in MEASURES if name != "doubling"]
ENDS_NEVER = "never"


class Tables(NamedTuple):
    """What the page shows: of `films.measure` and `conditions`; of courses and lineages one table per recording."""

    recordings: pd.DataFrame
    repeated: pd.DataFrame
    summary: pd.DataFrame
    differences: pd.DataFrame
    courses: dict[str, pd.DataFrame]
    lineages: dict[str, pd.DataFrame]


def show(value: float, measure: str) -> str:
    """Write a value of a measure without its unit.

    >>> show(1.2345, "growth"), show(18.25, "doubling"), show(float("nan"), "area"), show(float("inf"), "doubling")
    ('1.23', '18.2', '–', 'never')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return ENDS_NEVER
    return f"{round(value, MEASURES[measure].decimals) + 0.0:.{MEASURES[measure].decimals}f}".replace(
        "-", "−"
    )


def show_interval(low: float, high: float, measure: str) -> str:
    """Write an interval; nothing where it is unknown."""
    return "" if math.isnan(low) or math.isnan(high) else f"{show(low, measure)} to {show(high, measure)}"


def titles(table: pd.DataFrame) -> dict[str, str]:
    """Return the measures of a table in their order, each with its title and unit."""
    units = dict(zip(table["measure"], table["unit"], strict=True))
    return {
        name: f"{entry.title}{f', {units[name]}' * bool(units[name])}"
        for name, entry in MEASURES.items()
        if name in units
    }


def cells_of(own: pd.DataFrame, measures: dict[str, str], middle: str) -> dict[str, dict]:
    """Return what a row of a table shows of each measure: text, interval, and why there is none."""
    known = {row["measure"]: row for row in own.to_dict("records")}
    return {
        name: {
            "text": show(known[name][middle], name) if name in known else "–",
            "interval": show_interval(known[name]["low"], known[name]["high"], name) if name in known else "",
            "why": known[name].get("why", "") if name in known else "",
        }
        for name in measures
    }


def sentences(tables: Tables, kind: str) -> list[str]:
    """Say how fast cells grow, and whether conditions differ in that; kind : of replicates, a word."""
    own = tables.summary[tables.summary["measure"] == "doubling"].set_index("condition")
    said = []
    for condition, row in own.head(12).iterrows():
        name = f"{condition}: cells" if condition else "Cells"
        number = f"{row['replicates']} {kind}{'s' * (row['replicates'] != 1)}"
        if math.isnan(row["mean"]):
            least = (
                f"; if they double at all, in {show(row['low'], 'doubling')} {row['unit']} or more"
                * math.isfinite(row["low"])
            )
            said.append(f"{name} show no growth that can be told from none{least} ({number}).")
            continue
        interval = show_interval(row["low"], row["high"], "doubling")
        said.append(
            f"{name} double in {show(row['mean'], 'doubling')} {row['unit']}{f' ({interval})' * bool(interval)}; {number}."
        )
    if own.empty:
        growth = tables.recordings[tables.recordings["measure"] == "growth"]
        why = next((text for text in growth["why"] if text), "")
        said.append(f"Growth cannot be seen{f': {why}' * bool(why)}.")
    return said


def comparisons(tables: Tables, confidence: float) -> list[str]:
    """Say which conditions grow differently."""
    own = tables.differences[tables.differences["measure"] == "growth"]
    tested = own[own["p_holm"].notna()]
    said = []
    for row in tested[tested["p_holm"] < 1 - confidence].head(12).itertuples():
        words = "faster" if row.difference > 0 else "slower"
        size = abs(row.difference)
        low, high = sorted(abs(end) for end in (row.low, row.high))
        said.append(
            f"{row.condition_a} grows {words} than {row.condition_b}, by {show(size, 'growth')} "
            f"({show_interval(low, high, 'growth')}) {row.unit}; p = {row.p_holm:.2g}, corrected for {len(tested)} "
            f"pair{'s' * (len(tested) != 1)}."
        )
    if len(tested) and not said:
        said.append("No difference in growth between the conditions can be told from chance.")
    if len(own) and tested.empty:
        said.append("Whether conditions differ cannot be said: that takes two wells or recordings of each.")
    return said


def build(dataset: str, tables: Tables, templates: list[str | Path], confidence: float = 0.95) -> str:
    """Write the page; templates : folders of films.html.j2 and of the report's page.css, page.js and charts.js."""
    facts = tables.recordings.drop_duplicates("recording").set_index("recording")
    condition_of = facts["condition"].to_dict()
    styles = network_styles(list(dict.fromkeys(condition_of.values())))
    by_well = bool((facts["well"] != "").any())
    measures = titles(tables.recordings)
    plates = film_charts.plates_of(facts["well"])
    charts, trees = draw(tables, condition_of, styles, plates)
    environment = page_templates(templates)
    return environment.get_template("films.html.j2").render(
        dataset=dataset,
        frames=sum(map(len, tables.courses.values())),
        conditions=list(styles),
        styles=styles,
        recordings=[
            {"name": name, "condition": row["condition"], "well": row["well"]}
            | {"cells": cells_of(tables.recordings[tables.recordings["recording"] == name], measures, "value")}
            for name, row in facts.head(MOST_ROWS).iterrows()
        ],
        recordings_in_all=len(facts),
        by_well=by_well,
        measures=measures,
        explained=MEASURES,
        summary=[
            {
                "name": condition,
                "replicates": int(own["replicates"].max()),
                "cells": cells_of(own, measures, "mean"),
            }
            for condition, own in tables.summary.groupby("condition", sort=False)
        ],
        differences=[
            row
            | {
                "title": measures[row["measure"]],
                "text": show(row["difference"], row["measure"]),
                "interval": show_interval(row["low"], row["high"], row["measure"]),
                "p": "–" if math.isnan(row["p_holm"]) else f"{row['p_holm']:.2g}",
            }
            for row in tables.differences.head(MOST_ROWS).to_dict("records")
        ],
        differences_in_all=len(tables.differences),
        said=[*sentences(tables, "well" if by_well else "recording"), *comparisons(tables, confidence)],
        refused=refusals(tables.recordings),
        charts=charts,
        choices=[name for name in measures if name in charts.get("measure", {"choices": {}})["choices"]],
        plates=[name for name in plates if f"plate-{name}" in charts],
        trees=trees,
        confidence=confidence,
        limits={"ends": ENDS, "window": WINDOW, "steps": FEWEST_STEPS},
        followed=bool(tables.lineages),
        plotly=Markup(get_plotlyjs().replace("</script", "<\\/script")),
    )  # fmt: skip


def refusals(recordings: pd.DataFrame) -> list[dict]:
    """Return what could not be seen, and why: one row per measure and reason, with the number of recordings."""
    own = recordings[recordings["why"] != ""]
    counted = own.groupby(["measure", "why"], sort=False)["recording"].agg(["size", "first"]).reset_index()
    return [
        row | {"title": MEASURES[row["measure"]].title} for row in counted.head(MOST_ROWS).to_dict("records")
    ]


def draw(
    tables: Tables, condition_of: dict[str, str], styles: dict[str, Style], plates: dict[str, list[str]]
) -> tuple[dict[str, dict], list[str]]:
    """Draw every chart: name of its place → figures by choice; and name the recordings whose trees are drawn."""
    timed = all(course["time_h"].notna().all() for course in tables.courses.values())
    x, x_title = ("time_h", "time, h") if timed else ("frame", "frame")
    drawn: dict[str, dict[str, dict]] = {}
    for name, title in COURSES.items():
        columns = {"area": ("area_um2", "area_px"), "speed": ("speed_um_h", "speed_px")}.get(
            name, (name, name)
        )
        known = [
            column
            for column in columns
            if any(each[column].notna().any() for each in tables.courses.values())
        ]
        if known:
            unit = {"area_um2": ", µm²", "area_px": ", px", "speed_um_h": ", µm/h", "speed_px": ", px/frame"}
            drawn[f"course-{name}"] = {
                "": film_charts.course_chart(
                    tables.courses, condition_of, known[0], styles, title + unit.get(known[0], ""), x, x_title,
                    growing=name == "cells",
                )
            }  # fmt: skip
    for name, title in titles(tables.recordings).items():
        own = tables.repeated[tables.repeated["measure"] == name]
        if own.empty:
            continue
        summary = tables.summary[tables.summary["measure"] == name]
        drawn.setdefault("measure", {})[name] = film_charts.conditions_chart(own, summary, styles, title, "")
        for plate, wells in list(plates.items())[:MOST_PLATES]:
            if own["replicate"].isin(wells).any():
                figure = film_charts.plate_chart(own, wells, title, "")
                drawn.setdefault(f"plate-{plate}", {})[name] = figure
    branched = {name: table for name, table in tables.lineages.items() if (table["parent"] != 0).any()}
    trees = sorted(branched, key=lambda name: -int((branched[name]["parent"] != 0).sum()))[:MOST_TREES]
    for name in (name for name in tables.lineages if name in trees):
        lives = branched[name][branched[name]["life_frames"] > 0]
        hours = float(np.median(lives["life_h"] / lives["life_frames"])) if len(lives) else math.nan
        per_frame = hours if math.isfinite(hours) else 1.0
        figure = film_charts.trees_chart(branched[name], per_frame, name, x_title)
        drawn.setdefault("tree", {})[name] = figure
    shared = {
        place: share({choice: plain(figure) for choice, figure in figures.items()})
        for place, figures in drawn.items()
    }
    return shared, list(drawn.get("tree", {}))
