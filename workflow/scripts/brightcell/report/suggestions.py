"""Show the crops that should be drawn next on one HTML page: pictures with the cells predicted, in their order, with reasons."""

from pathlib import Path

import numpy as np
import pandas as pd

from brightcell.annotation.drawing import pieces

from .gallery import STEPS_PER_PX, encode_picture, outline_path
from .html import page_templates

CONTEXT_PX = 256  # side of the picture of the whole frame


def draw(image: np.ndarray, labels: np.ndarray, window: tuple[slice, slice]) -> dict:
    """Draw a crop, with the outlines of its cells, and where it lies in its frame.

    image : (height, width, channels) and labels : int (height, width), of the whole frame
    """
    rows, columns = window
    height, width = labels.shape
    step = max(1, max(height, width) // CONTEXT_PX)
    small = image[::step, ::step]
    return {
        "image": encode_picture(image, window),
        "outlines": outline_path(pieces(labels[window])),
        "width": (columns.stop - columns.start) * STEPS_PER_PX,
        "height": (rows.stop - rows.start) * STEPS_PER_PX,
        "frame_image": encode_picture(small, (slice(None), slice(None))),
        "frame_width": width,
        "frame_height": height,
        "box": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
    }


def minutes(cells: int, seconds_per_cell: float) -> str:
    """Return how long drawing takes, in words.

    >>> minutes(90, 20), minutes(1, 20)
    ('about 30 minutes', 'about 1 minute')
    """
    number = max(1, round(cells * seconds_per_cell / 60))
    return f"about {number} minute{'s' if number != 1 else ''}"


def build(
    chosen: pd.DataFrame, shown: dict[str, dict], seconds_per_cell: float, templates: list[str | Path]
) -> str:
    """Write the page.

    chosen : the rows of crops.tsv; shown : what `draw` returned of each crop
    templates : folders of suggest.html.j2 and of the report's page.css and page.js
    """
    cells = int(chosen["cells"].sum())
    rows = [row | shown[row["crop"]] for row in chosen.to_dict("records")]
    for row in rows:
        row["minutes"] = minutes(row["cells"], seconds_per_cell)
    return (
        page_templates(templates)
        .get_template("suggest.html.j2")
        .render(
            rows=rows,
            cells=cells,
            recordings=chosen["recording"].nunique(),
            minutes=minutes(cells, seconds_per_cell),
        )
    )
