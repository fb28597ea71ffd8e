"""Pass over the frames and masks of a data set, and show on a page what was found."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from brightcell.io import stacks
from brightcell.io.rasterize import shaded

from . import crops, dataset, thumbnails
from .findings import FINDINGS, LEVELS, finding_row

PICTURES = 48  # frames shown on the page
ROWS = 300  # findings listed on the page; the table has all


def check_frames(
    samples: pd.DataFrame, files: list[tuple[Path, Path]]
) -> tuple[list[dict], pd.DataFrame, np.ndarray, np.ndarray, dict[str, np.ndarray], dict[str, dict]]:
    """Look at all frames, one at a time.

    Parameters
    ----------
    samples : pandas.DataFrame
        samples.tsv, a row a frame.
    files : list of (Path, Path)
        The stacks of frames and of labels of each group, in the order of the table.

    Returns
    -------
    rows : list of dict
        Findings, see `findings.finding_row`.
    facts : pandas.DataFrame
        What was measured, a row a sample.
    pictures, masks : (frames, side, side)
        Small, for `dataset.set_findings`; float16 the latter.
    views : dict
        Larger pictures of some frames, by sample, for `crops.crop_findings`.
    figures : dict
        Some frames drawn for the page, by sample.
    """
    known = samples.set_index("sample")
    first = set(samples.groupby("group", sort=False)["sample"].first()[: PICTURES // 2])
    rows, facts, pictures, masks = [], {}, [], []
    compared, views = set(crops.chosen_frames(samples)), {}
    figures: dict[str, dict] = {}
    for sample, image, labels in pages(files):
        seen = dataset.check_frame(image, labels, known.at[sample, "mask_type"])
        rows += [
            finding_row(name, text, sample, known.at[sample, "group"]) for name, text in seen.findings.items()
        ]
        facts[sample] = seen.facts
        pictures.append(seen.picture)
        masks.append(seen.mask.astype(np.float16))
        if sample in compared:
            views[sample] = crops.picture(image)
        wanted = any(FINDINGS[name][0] != "note" for name in seen.findings) or sample in first
        if len(samples) <= PICTURES or (wanted and len(figures) < PICTURES):
            figures[sample] = figure(image, labels, seen)
    return (
        rows,
        pd.DataFrame.from_dict(facts, orient="index"),
        np.stack(pictures),
        np.stack(masks),
        views,
        figures,
    )


def pages(
    files: list[tuple[Path, Path]], names: Iterable[str] | None = None
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (sample, frame, labels) of the samples named, all by default."""
    for frames, labels in files:
        for (sample, image), (_, label) in zip(
            *(stacks.iterate_stack(stacks.check_group(path), names) for path in (frames, labels)), strict=True
        ):
            yield sample, image, label


def figure(image: np.ndarray, labels: np.ndarray, seen: dataset.FrameCheck) -> dict:
    """Draw one frame for the page, small and unreduced: the pictures, their sizes, and the marks of its faults."""
    image, labels = shaded(image, labels < 0), np.maximum(labels, 0)
    picture = thumbnails.thumbnail(image, labels)
    factor = max(picture.shape[:2]) / max(labels.shape)
    rows, columns = part = thumbnails.shown_part(labels.shape, seen.cells)
    jpeg, outlines = thumbnails.large_picture(image, labels, part)
    return {
        "png": thumbnails.data_uri(picture),
        "width": picture.shape[1],
        "height": picture.shape[0],
        "marks": thumbnails.cell_marks(seen.cells, factor),
        "shift": thumbnails.shift_mark(seen.fit, seen.findings, labels.shape, factor),
        "large": {
            "jpeg": jpeg,
            "outlines": outlines,
            "width": columns.stop - columns.start,
            "height": rows.stop - rows.start,
            "marks": thumbnails.cell_marks(seen.cells, 1, (rows.start, columns.start)),
            "part": f"columns {columns.start}–{columns.stop - 1}, rows {rows.start}–{rows.stop - 1} of "
            f"{labels.shape[1]} × {labels.shape[0]} px"
            if (rows.stop - rows.start, columns.stop - columns.start) != labels.shape
            else "",
        },
        "fit": np.nan if seen.fit is None else seen.fit.here,
    }


def shown_figures(
    table: pd.DataFrame, rows: list[dict], files: list[tuple[Path, Path]], drawn: dict[str, dict]
) -> list[dict]:
    """Choose the frames for the page, those with the gravest findings first, and draw those that are not yet.

    A frame is read a second time only where it was found faulty beside others, in a set of many frames.
    """
    about: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: LEVELS.index(row["level"])):
        for sample in filter(None, [row["sample"], *row.get("others", [])]):
            about.setdefault(sample, []).append(row["finding"])
    chosen = list(dict.fromkeys([*about, *drawn]))[:PICTURES]
    missing = {sample for sample in chosen if sample not in drawn}
    known = table.set_index("sample")
    if missing:
        groups = set(known.loc[list(missing), "group"])
        for sample, image, labels in pages(
            [each for each in files if Path(each[0]).parent.name in groups], missing
        ):
            drawn[sample] = figure(
                image, labels, dataset.check_frame(image, labels, known.at[sample, "mask_type"])
            )
    order = [sample for sample in table["sample"] if sample in set(chosen)]
    return [
        drawn[sample]
        | {
            "sample": sample,
            "group": known.at[sample, "group"],
            "cells": int(known.at[sample, "cells"]),
            "findings": [(name, FINDINGS[name][0]) for name in dict.fromkeys(about.get(sample, []))],
        }
        for sample in order
    ]


def breakable(name: str) -> Markup:
    """Let a browser break an identifier behind its separators, and nowhere else.

    >>> breakable("a_b<c")
    Markup('a_<wbr>b&lt;c')
    """
    return Markup("<wbr>").join(re.split(r"(?<=[_.-])", name))


def digest(script: str) -> str:
    """Return the hash by which the page's Content-Security-Policy admits a script."""
    return base64.b64encode(hashlib.sha256(str(script).encode("utf-8")).digest()).decode("ascii")


def render(
    template: Path,
    title: str,
    table: pd.DataFrame,
    groups: pd.DataFrame,
    found: pd.DataFrame,
    figures: list[dict],
) -> str:
    """Fill in the page; everything a user wrote is escaped."""
    environment = Environment(loader=FileSystemLoader(template.parent), autoescape=True, trim_blocks=True)
    environment.filters |= {"breakable": breakable, "digest": digest}
    return environment.get_template(template.name).render(
        dataset=title,
        counts={level: int((found["level"] == level).sum()) for level in LEVELS},
        findings=found.head(ROWS).to_dict("records"),
        findings_in_all=len(found),
        suggested=dataset.suggested_settings(table) if table["cells"].sum() else {},
        groups=groups.to_dict("records"),
        frames=len(table),
        cells=int(table["cells"].sum()),
        figures=figures,
        pictured={each["sample"] for each in figures},
    )
