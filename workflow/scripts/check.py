"""Look at every frame and mask; write tables of findings, frames and groups, and a page with pictures."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from brightcell.check.dataset import group_table, set_findings
from brightcell.check.findings import findings_table, summary
from brightcell.check.page import check_frames, render, shown_figures
from brightcell.files import read_table, whole, write_table
from brightcell.io.stacks import listed_groups
from brightcell.jobs import job

logger = logging.getLogger("brightcell")


def main(
    samples: Path,
    frames: Iterable[Path],
    truth: Iterable[Path],
    template: Path,
    out,
    dataset: str,
    ignore: Iterable[str],
    working_pixel_size_um: float | None,
    cell_diameter_um: Sequence[float],
) -> None:
    """Write the tables `out.findings`, `out.frames` and `out.groups`, and the HTML page `out.page`.

    frames, truth : the groups' stacks, in the order of the table `samples`
    ignore, working_pixel_size_um, cell_diameter_um : keys of the config, of `check` and `images`
    """
    table = read_table(samples)
    stacks = list(zip(frames, truth, strict=True))
    rows, facts, pictures, masks, views, figures = check_frames(table, stacks)
    table = table.join(facts, on="sample")
    rows += set_findings(table, pictures, masks, working_pixel_size_um, rows, cell_diameter_um, views)
    found = findings_table(rows, ignore)
    write_table(found, out.findings)
    write_table(table.drop(columns=["image_print", "mask_print"]), out.frames)
    groups = group_table(table)
    write_table(groups, out.groups)
    figures = shown_figures(table, rows, stacks, figures)
    with whole(out.page) as temporary:
        html = render(template, dataset, table, groups, found, figures)
        temporary.write_text(html, encoding="utf-8")
    logger.info("%s", "\n".join(summary(found, shown=len(found))))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input.samples,
            listed_groups(snakemake.input.prepared, "frames"),
            listed_groups(snakemake.input.prepared, "truth"),
            Path(snakemake.params.pages["folder"]) / "check.html.j2",
            snakemake.output,
            snakemake.params.dataset,
            snakemake.params.ignore,
            snakemake.params.working_pixel_size_um,
            snakemake.params.cell_diameter_um,
        )
