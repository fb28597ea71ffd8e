"""Join the groups' tables of samples, and list the groups' stacks."""

from brightcell.files import read_tables, write_table
from brightcell.io.stacks import list_groups
from brightcell.jobs import job


def main(tables, samples) -> None:
    """Write one table of all samples, in the order of the tables given."""
    write_table(read_tables(tables), samples)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(snakemake.input.tables, snakemake.output.samples)
        list_groups(snakemake.input.frames, snakemake.input.truth, snakemake.output.prepared)
