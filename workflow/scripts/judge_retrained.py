"""Compare networks that were trained on with corrected crops with those before, and say which ones to use."""

import logging
from pathlib import Path

from brightcell import files
from brightcell.annotation import retraining
from brightcell.jobs import job
from brightcell.report import retrained

logger = logging.getLogger("brightcell")


def main(inputs, outputs, pairs: dict[str, str], options: dict, pages: Path) -> None:
    """Write the table and the page that `outputs` names.

    pairs : retrained network → the one before; options : the config's `comparison`
    """
    scores = files.read_tables(inputs.frames)
    judged = retraining.judge(scores, pairs, options)
    said = retraining.sentences(judged, options["margin"])
    files.write_table(judged, outputs.differences)
    changed = files.read_table(inputs.changes)
    html = retrained.build(judged, said, changed, options["margin"], [pages / "retrained", pages / "page"])
    with files.whole(outputs.page) as path:
        path.write_text(html, encoding="utf-8")
    for sentence in said:
        logger.info(sentence)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input,
            snakemake.output,
            snakemake.params.pairs,
            snakemake.params.options,
            Path(snakemake.params.pages["folder"]),
        )
