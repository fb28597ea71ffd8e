"""Look at every frame and mask; write tables of findings, frames and groups, and a page with pictures."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader

from brightcell.check import dataset as checks
from brightcell.check import thumbnails
from brightcell.check.findings import FINDINGS, LEVELS, finding_row, findings_table
from brightcell.files import read_table, whole, write_table
from brightcell.io import stacks as images
from brightcell.jobs import job

logger = logging.getLogger("brightcell")

PICTURES = 48  # frames shown on the page
ROWS = 300  # findings listed on the page; the table has all


def main(
    samples: Path,
    frames: Iterable[Path],
    labels: Iterable[Path],
    template: Path,
    findings: Path,
    frame_facts: Path,
    group_facts: Path,
    page: Path,
    dataset: str = "",
    ignore: Iterable[str] = (),
    working_pixel_size_um: float | None = None,
) -> None:
    """Write the tables `findings`, `frame_facts` and `group_facts`, and the HTML `page` of the prepared groups.

    `frames` and `labels` are the groups' files, in the order of the table `samples`. One frame is held at a time.
    """
    table = read_table(samples, ("sample", "group", "split"))
    stacks = list(zip(frames, labels, strict=True))
    rows, facts, pictures, masks, figures = look(table, stacks)
    table = table.join(facts, on="sample")
    rows += checks.set_findings(table, pictures, masks, working_pixel_size_um, rows)
    found = findings_table(rows, ignore)
    write_table(found, findings)
    write_table(table.drop(columns=["image_print", "mask_print"]), frame_facts)
    groups = checks.group_table(table)
    write_table(groups, group_facts)
    figures = shown_figures(table, rows, stacks, figures)
    with whole(page) as temporary:
        temporary.write_text(render(template, dataset, table, groups, found, figures), encoding="utf-8")
    counts = found["level"].value_counts()
    logger.info("%s", ", ".join(f"{counts.get(level, 0)} {level}s" for level in LEVELS))


def look(
    table: pd.DataFrame, stacks: list[tuple[Path, Path]]
) -> tuple[list[dict], pd.DataFrame, np.ndarray, np.ndarray, dict[str, dict]]:
    """Pass over all frames once: findings, facts by sample, small pictures and masks, and figures for the page."""
    known = table.set_index("sample")
    first = set(table.groupby("group", sort=False)["sample"].first()[: PICTURES // 2])
    rows, facts, pictures, masks, figures = [], {}, [], [], {}
    for sample, image, labels in pages(stacks):
        seen = checks.check_frame(image, labels, known.at[sample, "mask_type"])
        rows += [
            finding_row(name, text, sample, known.at[sample, "group"]) for name, text in seen.findings.items()
        ]
        facts[sample] = seen.facts
        pictures.append(seen.picture)
        masks.append(seen.mask.astype(np.float16))
        wanted = any(FINDINGS[name][0] != "note" for name in seen.findings) or sample in first
        if len(table) <= PICTURES or (wanted and len(figures) < PICTURES):
            figures[sample] = figure(image, labels, seen)
    return rows, pd.DataFrame.from_dict(facts, orient="index"), np.stack(pictures), np.stack(masks), figures


def pages(
    stacks: list[tuple[Path, Path]], names: Iterable[str] | None = None
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (sample, frame, labels) of the samples named, all by default."""
    for frames, labels in stacks:
        for (sample, image), (_, label) in zip(
            images.iterate_stack(frames, names), images.iterate_stack(labels, names), strict=True
        ):
            yield sample, image, label


def figure(image: np.ndarray, labels: np.ndarray, seen: checks.FrameCheck) -> dict:
    """Draw one frame for the page: the picture, its size, and the marks of its faults."""
    picture = thumbnails.thumbnail(image, labels)
    factor = max(picture.shape[:2]) / max(labels.shape)
    return {
        "png": thumbnails.data_uri(picture),
        "width": picture.shape[1],
        "height": picture.shape[0],
        "marks": thumbnails.cell_marks(seen.cells, factor),
        "shift": thumbnails.shift_mark(seen.fit, seen.findings, labels.shape, factor),
    }


def shown_figures(
    table: pd.DataFrame, rows: list[dict], stacks: list[tuple[Path, Path]], drawn: dict[str, dict]
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
            [each for each in stacks if Path(each[0]).parent.name in groups], missing
        ):
            drawn[sample] = figure(
                image, labels, checks.check_frame(image, labels, known.at[sample, "mask_type"])
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


def render(
    template: Path,
    dataset: str,
    table: pd.DataFrame,
    groups: pd.DataFrame,
    found: pd.DataFrame,
    figures: list[dict],
) -> str:
    """Fill in the page; everything a user wrote is escaped."""
    environment = Environment(loader=FileSystemLoader(template.parent), autoescape=True, trim_blocks=True)
    return environment.get_template(template.name).render(
        dataset=dataset,
        counts={level: int((found["level"] == level).sum()) for level in LEVELS},
        findings=found.head(ROWS).to_dict("records"),
        findings_in_all=len(found),
        suggested=checks.suggested_settings(table) if table["cells"].sum() else {},
        groups=groups.to_dict("records"),
        frames=len(table),
        cells=int(table["cells"].sum()),
        figures=figures,
        pictured={each["sample"] for each in figures},
    )


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input.samples,
            snakemake.input.frames,
            snakemake.input.labels,
            Path(snakemake.input.template),
            Path(snakemake.output.findings),
            Path(snakemake.output.frames),
            Path(snakemake.output.groups),
            Path(snakemake.output.page),
            dataset=snakemake.wildcards.dataset,
            ignore=snakemake.params.ignore,
            working_pixel_size_um=snakemake.params.get("working_pixel_size_um"),
        )
