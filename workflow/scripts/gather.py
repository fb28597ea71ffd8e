"""Join the groups' tables of samples."""

import pandas as pd

from brightcell.files import read_table, write_table
from brightcell.jobs import job


def main(tables, samples) -> None:
    """Write one table of all samples, in the order of the tables given."""
    text = ("sample", "group", "split")
    write_table(pd.concat([read_table(path, text) for path in tables], ignore_index=True), samples)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(snakemake.input, snakemake.output[0])
