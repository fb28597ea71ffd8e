"""Give every frame its role in every fold of every scheme."""

import logging

from brightcell.files import read_table, write_table
from brightcell.folds import assign_schemes
from brightcell.jobs import job

logger = logging.getLogger("brightcell")


def main(samples, folds, options) -> None:
    """Write the folds of all schemes into one table."""
    assigned = assign_schemes(read_table(samples), options, samples)
    write_table(assigned, folds)
    counts = assigned.groupby(["scheme", "fold", "role"], sort=False).size()
    for (scheme, fold, role), frames in counts.items():
        logger.info("%s, fold %d: %d frames to %s", scheme, fold, frames, role)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(snakemake.input[0], snakemake.output[0], snakemake.params.folds)
