"""Draw the charts of films: courses, conditions, plates, lineage trees; as dictionaries that plotly.js takes."""

import re

import numpy as np
import pandas as pd

from .charts import whiskers
from .styles import Style, escape, in_unit, marker, panel, rows, scatter

MOST_LINES = 60  # single recordings in a chart
MOST_POINTS = 100  # of a line
MOST_LEAVES = 48  # of the trees in a chart
WELL = re.compile(r"(?:(?P<plate>.*)[-_.])?(?P<row>[A-P])(?P<column>0?[1-9]|1\d|2[0-4])")
PLATES = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24))
STEPS = 1.5  # of an axis that is logarithmic from here on: largest over smallest value, as a power of 2


def course_chart(
    courses: dict[str, pd.DataFrame], condition_of: dict[str, str], column: str, styles: dict[str, Style],
    title: str, x: str, x_title: str, growing: bool = False,
) -> dict:  # fmt: skip
    """Draw one thin line per recording and a thick one per condition, their mean at the times that all its recordings have.

    courses : recording → its course.tsv; column, x : of it; growing : the axis is logarithmic where values grow much
    """
    shown = {name: course for name, course in courses.items() if course[column].notna().any()}
    traces = [
        scatter(
            **_thinned(course, x, column),
            mode="lines",
            line={"color": styles[condition_of[name]].colour, "width": 0.9},
            opacity=0.5,
            name=escape(name),
            hovertemplate=f"%{{x:.4~g}}: %{{y:.4~g}}<extra>{escape(name)}</extra>",
        )
        for name, course in (shown.items() if len(shown) <= MOST_LINES else ())
    ]
    for condition, style in styles.items():
        own = [course for name, course in shown.items() if condition_of[name] == condition]
        if not own:
            continue
        together = pd.concat(own).groupby(x)[column].agg(["mean", "size"])
        mean = together.loc[together["size"] == len(own), "mean"].rename(column).reset_index()
        traces.append(
            scatter(
                **_thinned(mean, x, column),
                mode="lines",
                line={"color": style.colour, "width": 2.4, "dash": style.dash},
                name=escape(condition or "mean"),
                hovertemplate=f"%{{x:.4~g}}: %{{y:.4~g}}<extra>{escape(condition)} mean</extra>",
            )
        )
    values = pd.concat([course[column] for course in shown.values()]).dropna()
    steep = growing and values.min() > 0 and values.max() > 2**STEPS * values.min()
    scale = (
        {"type": "log", "dtick": "D2" if values.max() < 20 * values.min() else 1}
        if steep
        else {"rangemode": "tozero"}
    )
    return panel(traces, title, x_title, None, **scale)


def _thinned(course: pd.DataFrame, x: str, y: str) -> dict[str, list]:
    """Return the points of a line; many are averaged in runs of equal length."""
    course = course[[x, y]].dropna()
    if len(course) > MOST_POINTS:
        course = course.groupby(np.arange(len(course)) * MOST_POINTS // len(course)).mean()
    return {"x": course[x].tolist(), "y": course[y].tolist()}


def conditions_chart(
    repeated: pd.DataFrame, summary: pd.DataFrame, styles: dict[str, Style], title: str, unit: str
) -> dict:
    """Draw a measure of each condition: one ring per replicate, the mean with its interval; one row per condition.

    repeated : condition, replicate, value; summary : condition, mean, low, high; of this measure alone
    """
    names = [name for name in styles if name in set(summary["condition"])]
    traces = []
    for row, condition in enumerate(names):
        own, mean = (table[table["condition"] == condition] for table in (repeated, summary))
        look = marker(styles[condition], 8, 0.75)
        traces += [
            scatter(
                x=own["value"].tolist(),
                y=(row + 0.02 + 0.3 * np.arange(len(own)) / max(1, len(own) - 1)).tolist(),
                mode="markers",
                marker=look | {"symbol": f"{look['symbol']}-open"},
                customdata=[escape(name) for name in own["replicate"]],
                hovertemplate="<b>%{customdata}</b><br>%{x:.4~g}<extra></extra>",
            ),
            scatter(
                x=mean["mean"].tolist(),
                y=[row - 0.14] * len(mean),
                error_x=whiskers(mean, "mean", thickness=2.5, width=7, color=styles[condition].colour),
                mode="markers",
                marker=marker(styles[condition], 12),
                hovertemplate=f"mean %{{x:.4~g}}<extra>{escape(condition)}</extra>",
            ),
        ]
    return rows(traces, [name or "all recordings" for name in names], in_unit(title, unit))


def plates_of(wells: pd.Series) -> dict[str, list[str]]:
    """Return the wells of each plate, by the names that have a place on one.

    >>> plates_of(pd.Series(["A1", "p2_B03", "B3", "left"]))
    {'': ['A1', 'B3'], 'p2': ['p2_B03']}
    """
    found: dict[str, list[str]] = {}
    for well in dict.fromkeys(wells):
        if place := WELL.fullmatch(well):
            found.setdefault(place["plate"] or "", []).append(well)
    return found


def plate_chart(repeated: pd.DataFrame, wells: list[str], title: str, unit: str) -> dict:
    """Draw the wells of a plate, coloured by a measure; repeated : condition, replicate, value of this measure."""
    places = {well: WELL.fullmatch(well) for well in wells}
    at = {
        well: (ord(place["row"]) - ord("A"), int(place["column"]) - 1)
        for well, place in places.items()
        if place
    }
    low, columns = (max(place[axis] for place in at.values()) + 1 for axis in (0, 1))
    height, width = next(size for size in PLATES if size[0] >= low and size[1] >= columns)
    values = np.full((height, width), np.nan)
    words = np.full((height, width), "", object)
    for row in repeated.itertuples():
        if row.replicate in at:
            values[at[row.replicate]] = row.value
            words[at[row.replicate]] = escape(f"{row.replicate} {row.condition}")
    trace = {
        "type": "heatmap",
        "z": values.tolist(),
        "x": [str(number + 1) for number in range(width)],
        "y": [chr(ord("A") + number) for number in range(height)],
        "text": words.tolist(),
        "hovertemplate": "<b>%{text}</b><br>%{z:.4~g}<extra></extra>",
        "hoverongaps": False,
        "colorscale": "Cividis",
        "xgap": 2,
        "ygap": 2,
        "colorbar": {"thickness": 12, "outlinewidth": 0, "nticks": 6},
    }
    figure = panel(
        [trace],
        in_unit(title, unit),
        "",
        {"type": "category", "side": "bottom", "showgrid": False, "nticks": 24},
    )
    figure["layout"]["yaxis"] = {
        "type": "category",
        "autorange": "reversed",
        "automargin": True,
        "showgrid": False,
    }
    figure["layout"]["height"] = 100 + 26 * max(height, 6)
    return figure


def trees_chart(lineages: pd.DataFrame, per_frame: float, title: str, x_title: str) -> dict:
    """Draw the lineage trees of a recording, those with most cells first, as far as they have room.

    lineages : lineages.tsv; per_frame : of the x axis
    """
    sizes = lineages.groupby("family").size().sort_values(ascending=False, kind="stable")
    mothers = set(lineages["parent"])
    leaves = (
        lineages[~lineages["track"].isin(mothers)].groupby("family").size().reindex(sizes.index).fillna(1)
    )
    shown = sizes.index[(leaves.cumsum() <= MOST_LEAVES) & (sizes > 1)]
    own = lineages[lineages["family"].isin(shown)].set_index("track")
    start = float(lineages["first_frame"].min())
    daughters = own[own["parent"] != 0].groupby("parent").groups
    heights: dict[int, float] = {}
    level = 0.0
    for root in shown:
        stack = [(root, False)]
        while stack:
            track, visited = stack.pop()
            below = list(daughters.get(track, []))
            if visited:
                heights[track] = float(np.mean([heights[each] for each in below]))
            elif below:
                stack += [(track, True), *((each, False) for each in reversed(below))]
            else:
                heights[track] = level
                level += 1
        level += 0.7
    x, y, words = [], [], []
    lost: dict[str, list] = {"x": [], "y": []}
    for track, height in heights.items():
        row = own.loc[track]
        begin, end = ((row["first_frame"] + more - start) * per_frame for more in (0, row["life_frames"]))
        x += [begin, end, None]
        y += [height, height, None]
        words += [f"track {track}", f"track {track}", None]
        below = [heights[each] for each in daughters.get(track, [])]
        if below:
            x += [end, end, None]
            y += [min(below), max(below), None]
            words += [None] * 3
        elif row["ends"] == "lost":
            lost["x"].append(end)
            lost["y"].append(height)
    traces = [
        scatter(
            x=x,
            y=y,
            text=words,
            mode="lines",
            line={"width": 1.6},
            hovertemplate="%{text}<br>%{x:.4~g}<extra></extra>",
        ),
        scatter(
            **lost, mode="markers", marker={"symbol": "x", "size": 6}, hovertemplate="lost<extra></extra>"
        ),
    ]
    figure = panel(traces, title, x_title, None, visible=False, range=[level, -1])
    figure["layout"]["height"] = int(120 + 11 * max(level, 12))
    return figure
