"""Join what the jobs left in their records and benchmarks: what ran where, how long, in which container image."""

from pathlib import Path

import pandas as pd

from brightcell.files import write_table
from brightcell.jobs import job, read_record, record_of

WILDCARDS = {"scheme": "", "network": "", "fold": float("nan"), "seed": float("nan"), "group": ""}
"""A job's wildcards, and what stands for those that it has not."""
WHERE_COLUMNS = ("host", "image", "fingerprint", "python", "brightcell", "slurm_job", "slurm_jobs", "device")
# Columns of Snakemake's benchmark files, by their names here.
MEASURED = {"seconds": "s", "memory_mb": "max_rss", "cpu_percent": "mean_load"}


def read_where(log: Path) -> dict:
    """Read where the job with this log ran; empty strings for what is not told."""
    told = read_record(log)
    found = {name: told.get(name, "") for name in WHERE_COLUMNS}
    return (
        found | {"image": Path(found["image"]).name or environment(told.get("prefix", ""))} if told else found
    )


def environment(prefix: str) -> str:
    """Return what to call the environment of a job that ran in no image.

    >>> environment("/home/me/brightcell/.venv-contestants/forest"), environment("/usr")
    ('.venv-contestants/forest', '.venv')
    """
    parts = Path(prefix).parts
    own = [place for place, part in enumerate(parts) if part.startswith(".venv")]
    return "/".join(parts[own[0] :]) if own else ".venv"


def read_measured(benchmark: Path) -> dict:
    """Read the measurements of a job, of the last attempt; nan for what is not known."""
    if not benchmark.is_file():
        return dict.fromkeys(MEASURED, float("nan"))
    last = pd.read_csv(benchmark, sep="\t", dtype=str).iloc[-1]
    return {name: pd.to_numeric(last.get(column), errors="coerce") for name, column in MEASURED.items()}


def main(jobs: list[dict], table: str) -> None:
    """Write a row a job whose record or benchmark is there."""
    rows = [
        {
            "rule": each["rule"],
            **{name: each["wildcards"].get(name, none) for name, none in WILDCARDS.items()},
            **read_measured(Path(each["benchmark"])),
            **read_where(Path(each["log"])),
        }
        for each in jobs
        if Path(each["benchmark"]).is_file() or record_of(each["log"]).is_file()
    ]
    columns = ["rule", *WILDCARDS, *MEASURED, *WHERE_COLUMNS]
    write_table(pd.DataFrame(rows, columns=columns), table)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(snakemake.params.jobs, snakemake.output[0])
