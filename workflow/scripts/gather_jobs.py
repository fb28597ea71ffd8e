"""Join what the jobs left in their logs and benchmarks: what ran where, how long, in which container image."""

import json
from pathlib import Path

import pandas as pd

from brightcell.files import write_table
from brightcell.jobs import WHERE, job

WILDCARDS = ("scheme", "network", "fold", "seed", "group")
WHERE_COLUMNS = ("host", "image", "fingerprint", "python", "brightcell", "slurm_job", "device")
# Columns of Snakemake's benchmark files, by their names here.
MEASURED = {"seconds": "s", "memory_mb": "max_rss", "cpu_percent": "mean_load"}


def read_where(log: Path) -> dict:
    """Read where a job ran off its log, and on which device if it chose one; empty strings for what is not told."""
    found = dict.fromkeys(WHERE_COLUMNS, "")
    if log.is_file():
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if f"{WHERE}{{" in line:
                told = json.loads(line.split(WHERE, 1)[1])
                found |= {name: told[name] for name in told.keys() & found.keys()}
                found["image"] = Path(found["image"]).name or ".venv"
    return found


def read_measured(benchmark: Path) -> dict:
    """Read the measurements of a job, of the last attempt; nan for what is not known."""
    if not benchmark.is_file():
        return dict.fromkeys(MEASURED, float("nan"))
    last = pd.read_csv(benchmark, sep="\t", dtype=str).iloc[-1]
    return {name: pd.to_numeric(last.get(column), errors="coerce") for name, column in MEASURED.items()}


def main(jobs: list[dict], table: str) -> None:
    """Write a row a job whose log or benchmark is there."""
    rows = [
        {
            "rule": each["rule"],
            **{name: each["wildcards"].get(name, "") for name in WILDCARDS},
            **read_measured(Path(each["benchmark"])),
            **read_where(Path(each["log"])),
        }
        for each in jobs
        if Path(each["benchmark"]).is_file() or Path(each["log"]).is_file()
    ]
    columns = ["rule", *WILDCARDS, *MEASURED, *WHERE_COLUMNS]
    write_table(pd.DataFrame(rows, columns=columns), table)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(snakemake.params.jobs, snakemake.output[0])
