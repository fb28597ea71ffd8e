"""Give every frame its role in every fold of every scheme."""

import logging

import pandas as pd

from brightcell.errors import InputError
from brightcell.files import read_table, write_table
from brightcell.folds import assign_folds
from brightcell.jobs import job

logger = logging.getLogger("brightcell")


def main(samples, folds, schemes, number, validation, seed, allow_shared_groups) -> None:
    """Write the folds of all schemes into one table."""
    table = read_table(samples, ("sample", "group", "split"))
    try:
        assigned = pd.concat(
            [
                assign_folds(table, scheme, number, seed, validation, allow_shared_groups)
                for scheme in schemes
            ],
            ignore_index=True,
        )
    except InputError as error:
        raise InputError(f"{samples}: {error}") from None
    write_table(assigned, folds)
    counts = assigned.groupby(["scheme", "fold", "role"], sort=False).size()
    for (scheme, fold, role), frames in counts.items():
        logger.info("%s, fold %d: %d frames to %s", scheme, fold, frames, role)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input[0],
            snakemake.output[0],
            snakemake.params.schemes,
            snakemake.params.number,
            snakemake.params.validation,
            snakemake.params.seed,
            snakemake.params.allow_shared_groups,
        )
