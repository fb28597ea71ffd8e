"""Ask SLURM about the jobs that Snakemake submitted from a folder, and whether it would accept others."""

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

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
# What takes the place of an option of sbatch that the plugin forbids in `slurm_extra`.
INSTEAD = {
    "account": "slurm_account",
    "partition": "slurm_partition",
    "time": "runtime, in minutes",
    "mem": "mem_mb",
    "mem-per-cpu": "mem_mb_per_cpu",
    "cpus-per-task": "set-threads, a block of the profile",
    "cpus-per-gpu": "cpus_per_gpu",
    "constraint": "constraint",
    "qos": "qos",
    "nodes": "nodes",
    "ntasks": "tasks",
    "ntasks-per-gpu": "tasks_per_gpu",
    "clusters": "clusters",
    "gres": "gres",
    "gpus": "gpu, with gpu_model beside it",
}
SHORT = {"A": "account", "p": "partition", "t": "time", "c": "cpus-per-task", "C": "constraint"}
SHORT |= {"N": "nodes", "n": "ntasks", "J": "job-name", "o": "output", "e": "error", "D": "workdir"}
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


def allocated(cores: int) -> int:
    """Return how many of these cores the SLURM job has in which this process runs; all of them outside of one.

    >>> allocated(1)
    1
    """
    if not os.environ.get("SLURM_JOB_ID"):
        return cores
    on_node = os.environ.get("SLURM_CPUS_ON_NODE", "")
    return min(cores, len(os.sched_getaffinity(0)), *([int(on_node)] if on_node.isdigit() else []))


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


def check_submission(rule: str, job: Any, validation: ModuleType, submit_string: ModuleType) -> None:
    """Raise InputError for a job of Snakemake's that its SLURM plugin, of which these are modules, could not submit.

    The plugin submits in a thread of its own. What goes wrong there is not told, and the run waits for ever.
    """
    extra = job.resources.get("slurm_extra")
    for pattern in validation.get_forbidden_slurm_options() if isinstance(extra, str) else ():
        if found := re.search(pattern, extra):
            word = found[0].strip(" =")
            name = SHORT.get(word.lstrip("-"), word.lstrip("-"))
            instead = (
                f"as a resource of its own, `{INSTEAD[name]}`"
                if name in INSTEAD
                else "nowhere: Snakemake's plugin sets it itself"
            )
            raise InputError(
                f"slurm_extra of rule {rule}: found {extra!r}; Snakemake's SLURM plugin submits no job with {word} there. "
                f"{word} belongs {instead}. Take it out of slurm_extra in default-resources or set-resources of the "
                "profile (slurm/profile.yaml) or the command line."
            )
    unset = dict.fromkeys(("run_uuid", "slurm_logfile", "comment_str", "account", "partition", "workdir"), "")
    try:
        validation.validate_slurm_extra(job)
        shlex.split(submit_string.get_submit_command(job, unset))
    except Exception as error:  # whatever it is, the plugin would raise it where nobody sees it
        raise InputError(
            f"the jobs of rule {rule} cannot be submitted: {' '.join(str(error).split())}. Correct the resources of the "
            "rule in slurm/profile.yaml or on the command line."
        ) from error


def check_request(rule: str, asked: tuple[str, ...]) -> None:
    """Raise InputError, in SLURM's words, if SLURM would refuse a job with these options."""
    try:
        ask("sbatch", "--test-only", *asked, "--wrap=true")
    except InputError as error:
        raise InputError(
            f"the jobs of rule {rule} cannot be submitted. {error} Asked for: {' '.join(asked)}. Correct "
            "slurm/profile.yaml, as docs/slurm.md says; to submit them anyway: `guards: {requests: false}` in the config."
        ) from None
