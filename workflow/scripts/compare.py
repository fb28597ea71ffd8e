"""Join the scores of all trainings; compare the networks, the protocols and the schemes."""

import logging

from brightcell import published
from brightcell.comparison import compare, inflation, summarise, verdict
from brightcell.comparison.curves import average_curves, average_reliability
from brightcell.comparison.watersheds import compare_watersheds
from brightcell.contestants import is_fixed, may_have_seen
from brightcell.files import read_table, read_tables, write_table
from brightcell.folds import leaky_schemes, missing_trainings
from brightcell.jobs import job

logger = logging.getLogger("brightcell")


def main(inputs, outputs, order, options, trainings, contestants: dict) -> None:
    """Write all scores and the tables of the comparison.

    order : samples as the sheet has them; options, contestants : the config's `comparison` and `contestants`; trainings :
    all that the config asks for
    """
    fixed = [name for name, entry in contestants.items() if is_fixed(entry)]
    apart = [name for name, entry in contestants.items() if may_have_seen(entry)]
    scores, curves, reliability, watersheds = (
        read_tables(paths) for paths in (inputs.frames, inputs.curves, inputs.reliability, inputs.watersheds)
    )
    folds = read_table(inputs.folds)
    drawn = {name: options[name] for name in ("draws", "confidence")}
    summary = summarise(scores, **drawn)
    differences = compare(scores, **drawn, margin=options["margin"], fixed=fixed, apart=apart)
    leakage = inflation(scores[~scores["network"].isin([*fixed, *apart])], leaky_schemes(folds), **drawn)
    tables = {
        "scores": scores,
        "summary": summary,
        "differences": differences,
        "leakage": leakage,
        "published": published.compare_protocols(curves, order),
        "curves": average_curves(curves),
        "reliability": average_reliability(reliability),
        "watersheds": compare_watersheds(watersheds, **drawn),
    }
    for name, table in tables.items():
        write_table(table, getattr(outputs, name))
    said = verdict(
        differences,
        summary,
        confidence=options["confidence"],
        leakage=leakage,
        primary=options["primary"],
        left_out=missing_trainings(trainings, scores),
        contestants=contestants,
    )
    for sentence in said:
        logger.info(sentence)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input,
            snakemake.output,
            snakemake.params.order,
            snakemake.params.options,
            snakemake.params.trainings,
            snakemake.params.contestants,
        )
