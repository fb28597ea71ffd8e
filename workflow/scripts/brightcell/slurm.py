"""Ask SLURM about the jobs that Snakemake submitted from a folder."""

import getpass
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError

# Number, state, time so far, name (the run of Snakemake), folder, comment (the rule or group).
QUEUE = "%i|%T|%M|%j|%Z|%k"
RUN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


@dataclass(frozen=True)
class Job:
    """A job in the queue: number, state, time so far, id of the Snakemake run that submitted it, and what it runs."""

    number: str
    state: str
    elapsed: str
    run: str
    what: str


def ask(*command: str, timeout: float = 60) -> str:
    """Return what a SLURM command prints; raise InputError where it is missing, fails or does not answer."""
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
        raise InputError(f"{name}: SLURM refused to answer: {said}")
    return done.stdout


def parse_queue(printed: str, folder: Path) -> list[Job]:
    """Choose from what `squeue` prints in the format QUEUE the jobs that Snakemake submitted from a folder.

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
    """List the queued and running jobs of a folder, of the user who asks."""
    user = getpass.getuser()
    return parse_queue(ask("squeue", "--noheader", "--user", user, "--format", QUEUE), folder.resolve())
