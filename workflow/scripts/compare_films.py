"""Put the films of a data set side by side: tables of recordings, conditions and their differences, and a page."""

import logging
from pathlib import Path

from brightcell import files
from brightcell.jobs import job
from brightcell.provenance import PAGES
from brightcell.recordings import conditions
from brightcell.report import films

logger = logging.getLogger("brightcell")


def main(inputs, dataset: str, confidence: float, out, pages: Path = PAGES) -> None:
    """Read measures and courses, one file per recording, and lineages of those that are followed; write `out`."""
    recordings = files.read_tables(inputs.measures)
    repeated = conditions.replicates(recordings)
    summary = conditions.summarise(repeated, confidence)
    differences = conditions.compare(repeated, confidence)
    courses = {Path(path).parent.name: files.read_table(path) for path in inputs.courses}
    lineages = {Path(path).parent.name: files.read_table(path) for path in inputs.lineages}
    tables = films.Tables(recordings, repeated, summary, differences, courses, lineages)
    html = films.build(dataset, tables, [pages / "films", pages / "page"], confidence)
    for table, path in (
        (recordings, out.recordings),
        (summary, out.conditions),
        (differences, out.differences),
    ):
        files.write_table(table, path)
    with files.whole(out.page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    logger.info("%s: %.1f MB, %d recordings", out.page, len(html) / 1e6, len(courses))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input,
            snakemake.params.dataset,
            snakemake.params.confidence,
            snakemake.output,
            Path(snakemake.params.pages["folder"]),
        )
