"""Write the table of what jobs waited, ran, asked for and used. Runs where Snakemake was started: sacct answers there."""

from pathlib import Path

from brightcell import files
from brightcell.compute import accounting

TEXT = (
    *("rule", "scheme", "network", "fold", "seed", "group"),
    *("host", "image", "fingerprint", "slurm_job", "device"),
)


def main(jobs: str, slurm_logs: Path, dataset: str, table: str) -> str:
    """Write the table; returns in words what SLURM told."""
    rules = accounting.submitted(slurm_logs, dataset)
    asked, missing = accounting.ask(list(rules))
    files.write_table(accounting.account(files.read_table(jobs, TEXT), asked, rules), table)
    return f"{len(asked)} of {len(rules)} SLURM jobs accounted for. {missing}".strip()
