"""Ask SLURM about the jobs that Snakemake submitted from a folder, and whether it would accept others."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from brightcell.errors import InputError

# Number, state, time so far, name (the id of the Snakemake run), folder, comment (the rule or group).
QUEUE = "%i|%T|%M|%j|%Z|%k"
# Options of sbatch for the resources of a job.
OPTIONS = {
    "slurm_partition": "partition",
    "slurm_account": "account",
    "qos": "qos",
    "constraint": "constraint",
    "gres": "gres",
    "gpu": "gpus",
    "_cores": "cpus-per-task",  # Snakemake's name for the threads of a job
    "mem_mb": "mem",
    "runtime": "time",
}
RUN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


@dataclass(frozen=True)
class Job:
    """A job in the queue: number, state, time so far, id of the Snakemake run that submitted it, rule or group."""

    number: str
    state: str
    elapsed: str
    run: str
    what: str


def ask(*command: str, timeout: float = 60) -> str:
    """Return the output of a SLURM command; raise InputError if it is missing, fails or does not answer."""
    name = command[0]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except FileNotFoundError:
        raise InputError(
            f"{name}: no such command here, so this machine knows no SLURM. Run it on the cluster's login node."
        ) from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{name}: SLURM did not answer within {timeout:.0f} s. Try again later.") from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise InputError(f"{name}: SLURM refused: {said}")
    return done.stdout


def parse_queue(printed: str, folder: Path) -> list[Job]:
    """Return the jobs that Snakemake submitted from a folder, from the output of `squeue` in the format QUEUE.

    >>> run = "f81d4fae-7dec-41d0-8765-00a0c91e6bf6"
    >>> parse_queue(f"7|RUNNING|1:02|{run}|/home/me/study|rule_model_train_predict", Path("/home/me/study"))[0].what
    'model_train_predict'
    """
    found = []
    for line in printed.splitlines():
        fields = line.strip().split("|", 5)
        if len(fields) < 5:
            continue
        number, state, elapsed, run, place = fields[:5]
        comment = fields[5] if len(fields) > 5 else ""
        if RUN.search(run) and Path(place) == folder:
            found.append(Job(number, state, elapsed, run, comment.removeprefix("rule_").strip() or "?"))
    return found


def jobs_of(folder: Path) -> list[Job]:
    """Return the queued and running jobs of a folder, of the current user."""
    return parse_queue(ask("squeue", "--noheader", "--me", "--format", QUEUE), folder.resolve())


def options(resources: Mapping[str, object]) -> tuple[str, ...]:
    """Return the options of sbatch for the resources of a job.

    >>> options({"slurm_partition": "gpu", "gpu": 1, "gpu_model": "a100", "mem_mb": 8000})
    ('--partition=gpu', '--gpus=a100:1', '--mem=8000')
    """
    asked = {name: resources.get(name) for name in OPTIONS}
    if asked["gpu"] and resources.get("gpu_model"):
        asked["gpu"] = f"{resources.get('gpu_model')}:{asked['gpu']}"
    known = {name: value for name, value in asked.items() if value and str(value) != "<TBD>"}
    return tuple(f"--{OPTIONS[name]}={value}" for name, value in known.items())


def check_request(rule: str, asked: tuple[str, ...]) -> None:
    """Raise InputError, in SLURM's words, if SLURM would refuse a job with these options."""
    try:
        ask("sbatch", "--test-only", *asked, "--wrap=true")
    except InputError as error:
        raise InputError(
            f"the jobs of rule {rule} cannot be submitted. {error} Asked for: {' '.join(asked)}. Correct "
            "slurm/profile.yaml, as docs/slurm.md says; to submit them all the same: `guards: {requests: false}` in the config."
        ) from None
