"""Look at every frame and mask, and write a table and a page of findings."""

import base64
import io
import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader
from PIL import Image

from brightcell import checks, images
from brightcell.files import read_table, whole, write_table
from brightcell.jobs import job

logger = logging.getLogger("brightcell")

PICTURES = 48  # frames shown on the page: those with findings, and the first of each group


def main(
    samples: Path,
    frames: Iterable[Path],
    labels: Iterable[Path],
    template: Path,
    findings: Path,
    page: Path,
    dataset: str = "",
    ignore: Iterable[str] = (),
    working_pixel_size_um: float | None = None,
) -> None:
    """Write the table `findings` and the HTML `page` of the prepared groups.

    `frames` and `labels` are the groups' files, in the order of the table `samples`. One frame is held at a time.
    """
    table = read_table(samples, ("sample", "group", "split"))
    rows, prints, pictures = look(table, zip(frames, labels, strict=True))
    rows += checks.repeat_findings(table.join(prints, on="sample"))
    rows += checks.table_findings(table, working_pixel_size_um)
    found = checks.findings_table(rows, ignore)
    write_table(found, findings)
    with whole(page) as temporary:
        temporary.write_text(render(template, dataset, table, found, pictures), encoding="utf-8")
    counts = found["level"].value_counts()
    logger.info("%s", ", ".join(f"{counts.get(level, 0)} {level}s" for level in checks.LEVELS))


def look(
    table: pd.DataFrame, stacks: Iterable[tuple[Path, Path]]
) -> tuple[list[dict], pd.DataFrame, list[dict]]:
    """Pass over all frames once: findings, fingerprints by sample, and pictures for the page."""
    facts = table.set_index("sample")
    first = set(table.groupby("group", sort=False)["sample"].first()[: PICTURES // 2])
    rows, prints, pictures = [], {}, []
    for frames, labels in stacks:
        for (sample, image), (_, label) in zip(
            images.iterate_stack(frames), images.iterate_stack(labels), strict=True
        ):
            fact = facts.loc[sample]
            found = checks.frame_findings(image, label, fact["mask_type"])
            rows += checks.sample_rows(found, sample, fact["group"])
            prints[sample] = {
                "image_print": "" if "blank" in found else checks.fingerprint(image),
                "mask_print": "" if found.keys() & {"empty_mask", "full_mask"} else checks.fingerprint(label),
            }
            wanted = len(table) <= PICTURES or sample in first or found
            if wanted and len(pictures) < PICTURES:
                pictures.append(
                    {
                        "sample": sample,
                        "group": fact["group"],
                        "cells": int(fact["cells"]),
                        "findings": list(found),
                        "png": data_uri(checks.thumbnail(image, label)),
                    }
                )
    return rows, pd.DataFrame.from_dict(prints, orient="index"), pictures


def data_uri(picture: np.ndarray) -> str:
    """Return a picture as a PNG of 64 colours within a text."""
    file = io.BytesIO()
    Image.fromarray(picture).quantize(64, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def render(
    template: Path, dataset: str, table: pd.DataFrame, found: pd.DataFrame, pictures: list[dict]
) -> str:
    """Fill in the page; everything a user wrote is escaped."""
    environment = Environment(loader=FileSystemLoader(template.parent), autoescape=True, trim_blocks=True)
    groups = table.groupby("group", sort=False).agg(
        frames=("sample", "size"),
        cells=("cells", "sum"),
        mask_type=("mask_type", "first"),
        channels=("channels", "first"),
        heights=("height", lambda sides: "–".join(map(str, sorted({sides.min(), sides.max()})))),
        widths=("width", lambda sides: "–".join(map(str, sorted({sides.min(), sides.max()})))),
        pixel_size_um=("pixel_size_um", "first"),
    )
    return environment.get_template(template.name).render(
        dataset=dataset,
        counts={level: int((found["level"] == level).sum()) for level in checks.LEVELS},
        findings=found.to_dict("records"),
        groups=groups.reset_index().to_dict("records"),
        frames=len(table),
        cells=int(table["cells"].sum()),
        pictures=pictures,
    )


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input.samples,
            snakemake.input.frames,
            snakemake.input.labels,
            Path(snakemake.input.template),
            Path(snakemake.output.findings),
            Path(snakemake.output.page),
            dataset=snakemake.wildcards.dataset,
            ignore=snakemake.params.ignore,
            working_pixel_size_um=snakemake.params.get("working_pixel_size_um"),
        )
