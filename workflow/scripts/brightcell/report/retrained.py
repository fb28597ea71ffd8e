"""Say on one HTML page whether networks that were trained on are recommended, and what was corrected."""

from pathlib import Path

import pandas as pd

from brightcell.annotation.changes import COUNTS
from brightcell.comparison.numbers import show, show_interval, show_signed
from brightcell.metrics.registry import METRICS

from .html import page_templates


def build(
    judged: pd.DataFrame, said: list[str], changed: pd.DataFrame, margin: float, templates: list[str | Path]
) -> str:
    """Write the page.

    judged, said : of `retraining.judge` and `retraining.sentences`; changed : changes.tsv
    templates : folders of retrained.html.j2 and of the report's page.css and page.js
    """
    rows = [
        row
        | {name: show(row[name], row["score"]) for name in ("before", "after")}
        | {
            "title": METRICS[row["score"]].title,
            "difference": show_signed(row["difference"], row["score"]),
            "interval": show_interval(row["low"], row["high"], row["score"]),
        }
        for row in judged.to_dict("records")
    ]
    return (
        page_templates(templates)
        .get_template("retrained.html.j2")
        .render(
            said=said,
            rows=rows,
            margin=f"{margin:g}",
            crops=[row | {"ap50": f"{row['ap50']:.2f}"} for row in changed.to_dict("records")],
            counts={name: name.replace("_", " ") for name in COUNTS},
        )
    )
