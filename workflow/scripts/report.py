"""Write the report and the tables behind its figures."""

import logging
from pathlib import Path

from brightcell import files
from brightcell.compute import pace
from brightcell.jobs import job
from brightcell.provenance import PAGES
from brightcell.report import page
from brightcell.report.results import read_results

logger = logging.getLogger("brightcell")


def main(
    inputs,
    page_file: str,
    figures: str,
    config: dict,
    dataset: str,
    whole: dict | None = None,
    pages: Path = PAGES,
) -> None:
    """Read the results, write the page and one table a figure into the folder `figures`.

    whole : of a short run, the `pace.Plan` of the whole one
    """
    data = read_results(inputs, config, dataset)
    if whole:
        steps = pace.step_seconds(
            [recipe for recipe in data.recipes if recipe["network"] in config["networks"]],
            config["training"]["steps_per_epoch"],
        )
        data.whole_run = pace.estimate(pace.Plan(**whole), steps)
        logger.info("the whole run: %s", data.whole_run)
    tables = page.make_tables(data)
    html = page.build(data, tables, pages / "page")
    with files.whole(page_file) as temporary:
        temporary.write_text(html, encoding="utf-8")
    for name, table in tables.items():
        if len(table.columns):
            files.write_table(table, Path(figures) / f"{name}.tsv")
    logger.info("%s: %.1f MB, %d frames shown", page_file, len(html) / 1e6, len(data.gallery))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input,
            snakemake.output.page,
            snakemake.output.figures,
            snakemake.params.config,
            snakemake.params.dataset,
            snakemake.params.whole,
            Path(snakemake.params.pages["folder"]),
        )
