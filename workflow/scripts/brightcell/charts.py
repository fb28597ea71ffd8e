"""Draw the report's charts and overlays: tables and arrays in, plotly figures and pictures out.

A chart leaves its ink, grid and background to the page, which knows whether it is light or dark.
Names from the sample sheet are escaped here, since plotly reads its texts as a kind of HTML.
"""

import base64
from html import escape as escape_html

import imagecodecs
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from skimage import transform

from .images import normalise, outlines, rescale_labels
from .matching import match_cells

# Okabe & Ito's colour-blind safe palette (https://jfly.uni-koeln.de/color/), without black and yellow. There are
# more markers than colours, so that from the seventh network on the pair of them still differs.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross")
# Outlines on the pictures: colours that are no network's, apart in lightness too.
TRUTH, FOUND, MISSED, FALSE = (255, 255, 255), (86, 180, 233), (255, 255, 255), (240, 228, 66)
PICTURE_SIDE_PX = 384
SMALLEST_CELL_PX = 28  # on a picture, across: below it outlines run into one another
ROW_PX = 64


def escape(text: str) -> str:
    """Escape a text for plotly, which reads tags but takes quotes for themselves."""
    return escape_html(str(text), quote=False)


def network_styles(networks: list[str]) -> dict[str, tuple[str, str]]:
    """Give each network its colour and marker, by its place in the list.

    >>> network_styles(["simple", "attention"])
    {'simple': ('#0072B2', 'circle'), 'attention': ('#D55E00', 'square')}
    """
    return {
        name: (PALETTE[index % len(PALETTE)], SYMBOLS[index % len(SYMBOLS)])
        for index, name in enumerate(networks)
    }


def _rows(figure: go.Figure, names: list[str], x_title: str, **x_axis) -> go.Figure:
    """Lay a chart out in named rows: the name stands above its row, so that narrow screens lose no width."""
    figure.update_layout(
        height=ROW_PX * max(1, len(names)) + 70,
        margin={"l": 8, "r": 16, "t": 6, "b": 64 if "<br>" in x_title else 46},
        showlegend=False,
        hovermode="closest",
        xaxis={"title": {"text": x_title, "standoff": 6}, "automargin": True, **x_axis},
        yaxis={"range": [len(names) - 0.5, -0.62], "visible": False, "fixedrange": True},
        annotations=[
            {
                "text": f"<b>{escape(name)}</b>",
                "x": 0,
                "xref": "paper",
                "xanchor": "left",
                "y": row - 0.42,
                "yanchor": "middle",
                "showarrow": False,
            }
            for row, name in enumerate(names)
        ],
    )
    return figure


def differences_chart(differences: pd.DataFrame, title: str, better: str, unit: str = "") -> go.Figure:
    """Forest plot of the paired differences of one score in one scheme, a row a pair of networks.

    `differences` has the columns network_a, network_b, difference (a − b), low, high, groups.
    """
    names = [f"{row.network_a} − {row.network_b}" for row in differences.itertuples()]
    sides = ("second better", "first better") if better == "higher" else ("first better", "second better")
    figure = go.Figure(
        go.Scatter(
            x=differences["difference"].tolist(),
            y=list(range(len(names))),
            error_x={
                "type": "data",
                "symmetric": False,
                "array": (differences["high"] - differences["difference"]).tolist(),
                "arrayminus": (differences["difference"] - differences["low"]).tolist(),
                "thickness": 2.5,
                "width": 7,
            },
            mode="markers",
            marker={"size": 12, "symbol": "diamond"},
            customdata=[
                [escape(name), float(row.low), float(row.high), int(row.groups)]
                for name, row in zip(names, differences.itertuples(), strict=True)
            ],
            hovertemplate=(
                "%{customdata[0]}<br>%{x:.4f} (%{customdata[1]:.4f} to %{customdata[2]:.4f})"
                "<br>groups: %{customdata[3]}<extra></extra>"
            ),
        )
    )
    ends = differences[["difference", "low", "high"]].to_numpy(float).ravel()
    reach = 1.15 * max((abs(end) for end in ends if np.isfinite(end)), default=0.0) or 0.01
    return _rows(
        figure,
        names,
        f"Difference in {escape(title)}{_in(unit)}<br>← {sides[0]}  |  {sides[1]} →",
        zeroline=True,
        zerolinewidth=2,
        range=[-reach, reach],
    )


def frames_chart(
    frames: pd.DataFrame,
    score: str,
    title: str,
    styles: dict[str, tuple[str, str]],
    unit: str = "",
) -> go.Figure:
    """Scores of the test frames in one scheme: a row a network, a point a frame, a box from five frames on.

    `frames` has the columns network, sample, group and the score. A frame keeps its height within the
    row, sorted by group, so that its points stand below one another.
    """
    frames = frames.sort_values(["group", "sample"], kind="stable")
    order = {name: index for index, name in enumerate(dict.fromkeys(frames["sample"]))}
    networks = [name for name in styles if name in set(frames["network"])]
    figure = go.Figure()
    for row, network in enumerate(networks):
        chosen = frames[(frames["network"] == network) & frames[score].notna()]
        colour, symbol = styles[network]
        if len(chosen) >= 5:
            figure.add_trace(
                go.Box(
                    x=chosen[score].tolist(),
                    y0=row + 0.06,
                    orientation="h",
                    width=0.56,
                    line={"color": colour, "width": 1.5},
                    fillcolor="rgba(127,127,127,0.12)",
                    boxpoints=False,
                    hoverinfo="skip",
                    name=escape(network),
                )
            )
        places = chosen["sample"].map(order).to_numpy(float) / max(1, len(order) - 1)
        figure.add_trace(
            go.Scatter(
                x=chosen[score].tolist(),
                y=(row - 0.16 + 0.44 * places).tolist(),
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 8, "opacity": 0.8},
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
    return _rows(figure, networks, f"{escape(title)}{_in(unit)}, test frames")


def curves_chart(
    history: pd.DataFrame, column: str, title: str, styles: dict[str, tuple[str, str]]
) -> go.Figure:
    """Learning curves of one scheme: a thin line a run (network, fold, seed) over the epochs.

    The axis is logarithmic where all values are positive and the largest is 20 times the smallest.
    """
    figure = go.Figure()
    for (network, fold, seed), run in history.groupby(["network", "fold", "seed"], sort=False):
        figure.add_trace(
            go.Scatter(
                x=run["epoch"].tolist(),
                y=run[column].tolist(),
                # a run of one epoch is a point: a line alone would not show it
                mode="lines+markers" if len(run) < 3 else "lines",
                line={"color": styles[network][0], "width": 1.4},
                opacity=0.75,
                name=escape(network),
                hovertemplate=(
                    f"epoch %{{x}}: %{{y:.4f}}<extra>{escape(network)}, fold {int(fold)}, seed {int(seed)}</extra>"
                ),
            )
        )
    values = history[column].dropna()
    steep = len(values) and values.min() > 0 and values.max() > 20 * values.min()
    figure.update_layout(
        height=280,
        margin={"l": 8, "r": 10, "t": 34, "b": 40},
        showlegend=False,
        hovermode="closest",
        title={"text": f"<b>{escape(title)}</b>", "x": 0.02, "font": {"size": 14}},
        xaxis={"title": {"text": "Epoch"}, "automargin": True},
        yaxis={"type": "log" if steep else "linear", "automargin": True, "nticks": 6},
    )
    return figure


def _in(unit: str) -> str:
    return f", {escape(unit)}" if unit else ""


def wrong_window(truth: np.ndarray, predictions: list[np.ndarray]) -> tuple[slice, slice]:
    """Choose the part of a frame to show: the whole of it, or where the networks err most.

    A part is a square, chosen where the median cell of `truth` (labels) would be less than
    SMALLEST_CELL_PX across on a picture of the whole frame.
    """
    height, width = truth.shape
    areas = np.unique(truth[truth > 0], return_counts=True)[1]
    across = 2 * np.sqrt(np.median(areas) / np.pi) if areas.size else np.inf
    side = int(PICTURE_SIDE_PX * max(1.0, across / SMALLEST_CELL_PX))
    side = min(side, min(height, width)) if side < max(height, width) else max(height, width)
    if side >= max(height, width):
        return slice(0, height), slice(0, width)
    wrong = np.zeros(truth.shape, np.float32)
    for predicted in predictions:
        wrong += (predicted > 0) != (truth > 0)
    sums = np.pad(wrong, ((1, 0), (1, 0))).astype(np.float64).cumsum(0).cumsum(1)
    within = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = np.unravel_index(int(within.argmax()), within.shape)
    return slice(int(top), int(top) + side), slice(int(left), int(left) + side)


def overlay(
    image: np.ndarray,
    truth: np.ndarray | None = None,
    predicted: np.ndarray | None = None,
    instances: bool = True,
    window: tuple[slice, slice] = (slice(None), slice(None)),
) -> np.ndarray:
    """Paint outlines onto the window of a frame; uint8 (height, width, 3), at most PICTURE_SIDE_PX a side.

    `image` is (height, width[, channels]), truth and predicted are labels (height, width). The truth
    alone gives its outlines. With a prediction, cells found with IoU ≥ 0.5 are outlined, false and
    missed ones filled as well; without instance truth the fill marks the false and missed pixels.
    """
    grey = normalise(np.atleast_3d(image))[window]
    grey = grey if grey.shape[-1] == 3 else grey.mean(-1, keepdims=True).repeat(3, -1)
    factor = min(1.0, PICTURE_SIDE_PX / max(grey.shape[:2]))
    # brighter than black and darker than white, so that every outline shows
    picture = 20 + 205 * np.clip(grey, 0, 1)
    if factor < 1:
        size = [max(1, round(side * factor)) for side in grey.shape[:2]]
        picture = transform.resize(picture, (*size, 3), order=1, anti_aliasing=True)
    if truth is not None and predicted is None:
        picture[outlines(rescale_labels(truth[window], factor))] = TRUTH
    elif truth is not None:
        cells = match_cells(truth, predicted)
        met = cells.partners & (cells.iou >= 0.5)
        missed = np.delete(cells.truth_ids, cells.row[met])
        false = np.delete(cells.predicted_ids, cells.column[met])
        truth, predicted = (rescale_labels(labels[window], factor) for labels in (truth, predicted))
        if instances:
            missed_at, false_at = np.isin(truth, missed), np.isin(predicted, false)
        else:
            missed_at, false_at = (truth > 0) & (predicted == 0), (predicted > 0) & (truth == 0)
        for at, colour in ((missed_at, MISSED), (false_at, FALSE)):
            picture[at] = 0.65 * picture[at] + 0.35 * np.array(colour, float)
        picture[outlines(predicted)] = FOUND
        if instances:
            picture[outlines(np.where(missed_at, truth, 0))] = MISSED
            picture[outlines(np.where(false_at, predicted, 0))] = FALSE
    return picture.round().astype(np.uint8)


def data_uri(picture: np.ndarray) -> str:
    """Encode a uint8 picture (height, width, 3) as a JPEG for an `<img src>`."""
    encoded = imagecodecs.jpeg8_encode(np.ascontiguousarray(picture), level=86, subsampling="444")
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")
