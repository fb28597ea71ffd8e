"""Write the table of what jobs waited, ran, asked for and used. Runs where Snakemake was started: sacct answers there."""

from brightcell import files
from brightcell.compute import accounting
from brightcell.jobs import job


def main(jobs: str, table: str) -> str:
    """Write the table; returns in words what SLURM answered."""
    known = files.read_table(jobs)
    rules = accounting.submitted(known)
    asked, missing = accounting.ask(list(rules))
    files.write_table(accounting.account(known, asked, rules), table)
    return f"{len(asked)} of {len(rules)} SLURM jobs accounted for. {missing}".strip()


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        log.info(main(snakemake.input[0], snakemake.output[0]))
