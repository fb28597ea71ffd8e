"""Join the scores of all trainings; compare the networks."""

import logging

import pandas as pd

from brightcell import stats
from brightcell.files import read_table, write_table
from brightcell.jobs import job

logger = logging.getLogger("brightcell")


def main(tables, scores, summary, differences, draws, confidence, seed) -> None:
    """Write all scores, the mean of every network, and the differences between every two."""
    text = ("scheme", "network", "sample", "group")
    joined = pd.concat([read_table(path, text) for path in tables], ignore_index=True)
    settings = {"draws": draws, "confidence": confidence, "seed": seed}
    means, pairs = stats.summarise(joined, **settings), stats.compare(joined, **settings)
    write_table(joined, scores)
    write_table(means, summary)
    write_table(pairs, differences)
    for sentence in stats.verdict(pairs, means, confidence=confidence):
        logger.info(sentence)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input,
            snakemake.output.scores,
            snakemake.output.summary,
            snakemake.output.differences,
            snakemake.params.draws,
            snakemake.params.confidence,
            snakemake.params.seed,
        )
