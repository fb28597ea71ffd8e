"""The style of charts: a network's colour, marker and line, and the layouts that charts share.

A chart leaves its ink, grid and background to the page, which knows whether it is light or dark.
Names from the sample sheet are escaped here, since plotly reads its texts as a kind of HTML.
"""

from html import escape as escape_html
from typing import NamedTuple

# Okabe & Ito's colour-blind safe palette (https://jfly.uni-koeln.de/color/), without black and yellow. There are
# more markers than colours, so that from the seventh network on the pair of them still differs.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
# The same markers and lines for the page's legends: paths in a square of 14, and patterns of strokes.
MARKS = {
    "circle": "M2 7a5 5 0 1 1 10 0a5 5 0 1 1 -10 0z",
    "square": "M2.5 2.5h9v9h-9z",
    "diamond": "M7 1l6 6l-6 6l-6 -6z",
    "triangle-up": "M7 1.5l6 10.5h-12z",
    "x": "M4 1l3 3l3 -3l3 3l-3 3l3 3l-3 3l-3 -3l-3 3l-3 -3l3 -3l-3 -3z",
    "star": "M7 0l1.7 4.9h5.1l-4.1 3.1l1.5 5l-4.2 -3l-4.2 3l1.5 -5l-4.1 -3.1h5.1z",
    "cross": "M5 1h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
}
STROKES = {"solid": "none", "dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3", "longdash": "12 4"}
ROW_PX = 64


class Style(NamedTuple):
    """The style of a network in every chart and table."""

    colour: str
    symbol: str
    dash: str

    @property
    def mark(self) -> str:
        """The marker as a path of SVG."""
        return MARKS[self.symbol]

    @property
    def dashes(self) -> str:
        """The line's pattern, for SVG."""
        return STROKES[self.dash]


def network_styles(networks: list[str]) -> dict[str, Style]:
    """Return each network's colour, marker and line, by its position in the list.

    >>> network_styles(["simple", "attention"])["attention"]
    Style(colour='#D55E00', symbol='square', dash='dash')
    """
    return {
        name: Style(*(kinds[index % len(kinds)] for kinds in (PALETTE, SYMBOLS, DASHES)))
        for index, name in enumerate(networks)
    }


def escape(text: str) -> str:
    """Escape a text for plotly, which reads tags but takes quotes for themselves."""
    return escape_html(str(text), quote=False)


def in_unit(title: str, unit: str) -> str:
    """Write a title with its unit."""
    return f"{escape(title)}, {escape(unit)}" if unit else escape(title)


def scatter(**settings: object) -> dict:
    """Return a trace of points or lines."""
    return {"type": "scatter", **settings}


def rows(traces: list[dict], names: list[str], x_title: str, **x_axis: object) -> dict:
    """Lay a chart out in named rows: the name stands above its row, so that narrow screens lose no width."""
    layout = {
        "height": ROW_PX * max(1, len(names)) + 70,
        "margin": {"l": 8, "r": 16, "t": 6, "b": 64 if "<br>" in x_title else 46},
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": {"title": {"text": x_title, "standoff": 6}, "automargin": True, **x_axis},
        "yaxis": {"range": [len(names) - 0.5, -0.62], "visible": False, "fixedrange": True},
        "annotations": [
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
    }
    return {"data": traces, "layout": layout}


def panel(traces: list[dict], title: str, x_title: str, x_axis: dict | None = None, **y_axis: object) -> dict:
    """Lay a chart out as one of several small ones, with its title above."""
    layout = {
        "height": 290,
        "margin": {"l": 8, "r": 12, "t": 34, "b": 44},
        "showlegend": False,
        "hovermode": "closest",
        "title": {"text": f"<b>{escape(title)}</b>", "x": 0.02, "font": {"size": 14}},
        "xaxis": {
            "title": {"text": escape(x_title), "standoff": 6},
            "automargin": True,
            "nticks": 7,
            **(x_axis or {}),
        },
        "yaxis": {"automargin": True, "nticks": 6, **y_axis},
    }
    return {"data": traces, "layout": layout}


def marker(style: Style, size: int = 8, opacity: float = 1) -> dict:
    return {"color": style.colour, "symbol": style.symbol, "size": size, "opacity": opacity}


def faint(colour: str) -> str:
    """Make a colour (#rrggbb) transparent, for an area."""
    if not colour:
        return "rgba(127,127,127,0.15)"
    return f"rgba({','.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))},0.15)"
