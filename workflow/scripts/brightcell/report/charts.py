"""Draw the report's charts: tables in, plotly's figures out, as the dictionaries that plotly.js takes."""

import math

import numpy as np
import pandas as pd

from .figure_tables import TRUTH
from .styles import Style, escape, faint, in_unit, marker, panel, rows, scatter


def whiskers(table: pd.DataFrame, middle: str, **look: object) -> dict:
    """Return the error bars of points from the columns low and high; `middle` is the column of the points."""
    return {
        "type": "data",
        "symmetric": False,
        "array": (table["high"] - table[middle]).tolist(),
        "arrayminus": (table[middle] - table["low"]).tolist(),
        **look,
    }


def differences_chart(
    differences: pd.DataFrame, groups: pd.DataFrame, title: str, better: str, unit: str = ""
) -> dict:
    """Forest plot of the paired differences of one score in one scheme, a row a pair of networks.

    `differences` has the columns network_a, network_b, difference (a − b), low, high, groups; `groups` has
    network_a, network_b, group, difference: a ring a group, below the mean.
    """
    pairs = list(zip(differences["network_a"], differences["network_b"], strict=True))
    names = [f"{a} − {b}" for a, b in pairs]
    sides = {
        "higher": "<br>← second better  |  first better →",
        "lower": "<br>← first better  |  second better →",
    }.get(better, "")
    place = {pair: row for row, pair in enumerate(pairs)}
    own = groups[[pair in place for pair in zip(groups["network_a"], groups["network_b"], strict=True)]]
    own_pairs = list(zip(own["network_a"], own["network_b"], strict=True))
    traces = [
        scatter(
            x=own["difference"].tolist(),
            y=[place[pair] + 0.16 for pair in own_pairs],
            mode="markers",
            marker={"size": 8, "symbol": "circle-open", "opacity": 0.7},
            customdata=[
                [escape(f"{a} − {b}"), escape(group)]
                for (a, b), group in zip(own_pairs, own["group"], strict=True)
            ],
            hovertemplate="group <b>%{customdata[1]}</b><br>%{customdata[0]}<br>%{x:.4f}<extra></extra>",
        ),
        scatter(
            x=differences["difference"].tolist(),
            y=list(range(len(names))),
            error_x=whiskers(differences, "difference", thickness=2.5, width=7),
            mode="markers",
            marker={"size": 12, "symbol": "diamond"},
            customdata=[
                [escape(name), float(row.low), float(row.high), int(row.groups)]
                for name, row in zip(names, differences.itertuples(), strict=True)
            ],
            hovertemplate=(
                "%{customdata[0]}<br>mean %{x:.4f} (%{customdata[1]:.4f} to %{customdata[2]:.4f})"
                "<br>groups: %{customdata[3]}<extra></extra>"
            ),
        ),
    ]
    ends = np.concatenate(
        [differences[["difference", "low", "high"]].to_numpy(float).ravel(), own["difference"]]
    )
    shown = [0.0, *ends[np.isfinite(ends)]]
    margin = 0.06 * (max(shown) - min(shown)) or 0.01
    return rows(
        traces,
        names,
        f"Difference in {in_unit(title, unit)}{sides}",
        zeroline=True,
        zerolinewidth=2,
        range=[min(shown) - margin, max(shown) + margin],
    )


def frames_chart(
    frames: pd.DataFrame, score: str, title: str, styles: dict[str, Style], unit: str = ""
) -> dict:
    """Scores of the test frames in one scheme: a row a network, a point a frame, a box from five frames on.

    `frames` has the columns network, sample, group and the score. A frame keeps its height within the
    row, sorted by group, so that its points stand below one another.
    """
    frames = frames.sort_values(["group", "sample"], kind="stable")
    order = {name: index for index, name in enumerate(dict.fromkeys(frames["sample"]))}
    networks = [name for name in styles if name in set(frames["network"])]
    traces = []
    for row, network in enumerate(networks):
        chosen = frames[frames["network"] == network]
        values = chosen[score].to_numpy(float)
        known = values[np.isfinite(values)]
        style = styles[network]
        if len(chosen) >= 5:
            quarters = np.percentile(known, [0, 25, 50, 75, 100]).tolist() if len(known) else [math.nan] * 5
            traces.append(
                {
                    "type": "box",
                    **{
                        name: [value]
                        for name, value in zip(
                            ("lowerfence", "q1", "median", "q3", "upperfence"), quarters, strict=True
                        )
                    },
                    "y": [row + 0.06],
                    "orientation": "h",
                    "width": 0.56,
                    "line": {"color": style.colour, "width": 1.5},
                    "fillcolor": "rgba(127,127,127,0.12)",
                    "hoverinfo": "skip",
                    "name": escape(network),
                }
            )
        places = chosen["sample"].map(order).to_numpy(float) / max(1, len(order) - 1)
        traces.append(
            scatter(
                x=values.tolist(),
                y=(row - 0.16 + 0.44 * places).tolist(),
                mode="markers",
                marker=marker(style, opacity=0.8),
                name=escape(network),
                customdata=[
                    [escape(sample), escape(group)]
                    for sample, group in zip(chosen["sample"], chosen["group"], strict=True)
                ],
                hovertemplate=(
                    "<b>%{customdata[0]}</b><br>group %{customdata[1]}<br>%{x:.4f}"
                    f"<extra>{escape(network)}</extra>"
                ),
            )
        )
    return rows(traces, networks, f"{in_unit(title, unit)}, test frames")


def cost_chart(costs: pd.DataFrame, cost: str, x_title: str, y_title: str, styles: dict[str, Style]) -> dict:
    """Draw a score (`mean`, `low`, `high`) against a cost, both columns of `costs`: a point a network."""
    traces = []
    for row in costs.to_dict("records"):
        whole = np.isfinite([row["low"], row["high"]]).all()
        traces.append(
            scatter(
                x=[row[cost]],
                y=[row["mean"]],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [row["high"] - row["mean"] if whole else 0],
                    "arrayminus": [row["mean"] - row["low"] if whole else 0],
                },
                mode="markers",
                marker=marker(styles[row["network"]], 12),
                name=escape(row["network"]),
                hovertemplate=f"%{{y:.4f}}<br>{escape(x_title)}: %{{x:,.4~g}}<extra>{escape(row['network'])}</extra>",
            )
        )
    least, most = costs[cost].min(), costs[cost].max()
    margin = max(0.08 * (most - least), 0.04 * most)
    return panel(traces, f"{y_title} by {x_title}", x_title, {"range": [least - margin, most + margin]})


def lines_chart(
    means: pd.DataFrame,
    x: str,
    styles: dict[str, Style],
    title: str,
    x_title: str,
    y: str = "mean",
    runs: pd.DataFrame | None = None,
    diagonal: bool = False,
    counted: bool = False,
) -> dict:
    """Draw a line a network, a band from `low` to `high` where the table has them, and a thin line a run.

    `means` has the columns network, x and y; its rows of the network TRUTH are drawn in ink. `runs` has the
    columns network, fold, seed, x and y; with them the axis is logarithmic where all values are positive
    and the largest is 20 times the smallest.
    `diagonal` adds a line of equal x and y; `counted` has ticks at whole numbers of x alone.
    """
    traces = []
    if diagonal:
        ends = [0, max(1.0, means[x].max(), means[y].max())]
        traces.append(
            scatter(x=ends, y=ends, mode="lines", line={"width": 1, "dash": "dot"}, hoverinfo="skip")
        )
    for (network, fold, seed), run in (
        () if runs is None else runs.groupby(["network", "fold", "seed"], sort=False)
    ):
        traces.append(
            scatter(
                x=run[x].tolist(),
                y=run[y].tolist(),
                mode="lines",
                line={"color": styles[network].colour, "width": 0.9},
                opacity=0.45,
                name=escape(network),
                hovertemplate=f"%{{x}}: %{{y:.4f}}<extra>{escape(network)}, fold {int(fold)}, seed {int(seed)}</extra>",
            )
        )
    for network, part in means.groupby("network", sort=False):
        ink = network == TRUTH
        style = Style("", "circle", "solid") if ink else styles[network]
        colour = {} if ink else {"color": style.colour}
        if {"low", "high"} <= set(part) and (part["high"] > part["low"]).any():
            traces.append(
                scatter(
                    x=[*part[x], *part[x][::-1]],
                    y=[*part["high"], *part["low"][::-1]],
                    mode="lines",
                    line={"width": 0, **colour},
                    fill="toself",
                    fillcolor=faint(style.colour),
                    hoverinfo="skip",
                    name=escape(network),
                )
            )
        traces.append(
            scatter(
                x=part[x].tolist(),
                y=part[y].tolist(),
                # few points are marked: a single one would not show as a line
                mode="lines+markers" if len(part) <= 20 else "lines",
                line={"width": 2, "dash": style.dash, **colour},
                marker={"symbol": style.symbol, "size": 6},
                name=escape(network),
                hovertemplate=f"%{{x:.4~g}}: %{{y:.4~g}}<extra>{escape(network)}</extra>",
            )
        )
    values = pd.Series(dtype=float) if runs is None else runs[y].dropna()
    steep = len(values) and values.min() > 0 and values.max() > 20 * values.min()
    span = means[x].max() - means[x].min() if len(means) else 0
    ticks = {"dtick": max(1, math.ceil(span / 6)), "tickformat": "d"} if counted else {}
    return panel(traces, title, x_title, ticks, type="log" if steep else "linear")


def shares_chart(shares: pd.DataFrame, styles: dict[str, Style], title: str, x_title: str) -> dict:
    """Draw histograms over one another: the truth as an area, each network as a line of steps.

    `shares` has the columns network, low, high (of a bin) and share, as `figure_tables.histogram` gives them.
    """
    traces = []
    for network, part in shares.groupby("network", sort=False):
        truth = network == TRUTH
        line = (
            {"width": 1}
            if truth
            else {"width": 2, "dash": styles[network].dash, "color": styles[network].colour}
        )
        traces.append(
            scatter(
                x=[*part["low"], part["high"].iloc[-1]],
                y=[*part["share"], part["share"].iloc[-1]],
                mode="lines",
                line={"shape": "hv", **line},
                name=escape(network),
                hovertemplate=f"from %{{x:.4~g}}: %{{y:.3~g}} %<extra>{escape(network)}</extra>",
                **({"fill": "tozeroy", "fillcolor": "rgba(127,127,127,0.25)"} if truth else {}),
            )
        )
    return panel(traces, title, x_title, rangemode="tozero")


def watersheds_chart(
    means: pd.DataFrame, styles: dict[str, Style], title: str, names: dict[str, str]
) -> dict:
    """Draw one score of each watershed with its interval: a row a watershed, a point a network.

    `means` has the columns network, variant, mean, low, high; `names` the rows' titles, by variant, in their order.
    """
    networks = [name for name in styles if name in set(means["network"])]
    shown = [variant for variant in names if variant in set(means["variant"])]
    traces = []
    for place, network in enumerate(networks):
        own = means[means["network"] == network].set_index("variant").reindex(shown)
        shift = 0.4 * ((place + 1) / (len(networks) + 1) - 0.5)
        traces.append(
            scatter(
                x=own["mean"].tolist(),
                y=[row + 0.1 + shift for row in range(len(shown))],
                error_x=whiskers(own, "mean", thickness=1.5, width=4, color=styles[network].colour),
                mode="markers",
                marker=marker(styles[network], 9),
                name=escape(network),
                customdata=[
                    [escape(names[variant]), float(row.low), float(row.high)]
                    for variant, row in zip(shown, own.itertuples(), strict=True)
                ],
                hovertemplate=(
                    "%{customdata[0]}<br>%{x:.4f} (%{customdata[1]:.4f} to %{customdata[2]:.4f})"
                    f"<extra>{escape(network)}</extra>"
                ),
            )
        )
    return rows(traces, [names[variant] for variant in shown], escape(title))


def counts_chart(frames: pd.DataFrame, styles: dict[str, Style]) -> dict:
    """Draw the cells found in each frame against those in its truth.

    `frames` has the columns network, sample, truth_cells, predicted_cells.
    """
    top = float(max(frames["truth_cells"].max(), frames["predicted_cells"].max(), 1))
    traces = [
        scatter(x=[0, top], y=[0, top], mode="lines", line={"width": 1, "dash": "dot"}, hoverinfo="skip")
    ]
    for network in (name for name in styles if name in set(frames["network"])):
        own = frames[frames["network"] == network]
        traces.append(
            scatter(
                x=own["truth_cells"].tolist(),
                y=own["predicted_cells"].tolist(),
                mode="markers",
                marker=marker(styles[network], 7, 0.75),
                name=escape(network),
                customdata=[escape(sample) for sample in own["sample"]],
                hovertemplate=(
                    "<b>%{customdata}</b><br>%{y:.4~g} found of %{x:.4~g}"
                    f"<extra>{escape(network)}</extra>"
                ),
            )
        )
    return panel(traces, "Cells in a frame, found against true", "true cells", rangemode="tozero")
