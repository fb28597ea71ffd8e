"""What all rules' scripts share: logging, error messages that a user can act on, a check of the packages in use."""

import errno
import logging
import os
import signal
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from . import files, provenance
from .errors import InputError, TakenOver

logger = logging.getLogger("brightcell")

# What the running job has told of itself, and the file in which it stands.
_facts: dict[str, str] = {}
_record: Path | None = None

DISK_FAULTS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
}


@contextmanager
def job(log: str | Path, task: Any = None) -> Iterator[logging.Logger]:
    """Log the block to a file and, from warnings on, to the terminal; exit with 1 on an error.

    task : input, output and rule of the job; by default what Snakemake gives to a rule's script
    A script of a rule first checks that its inputs are as other jobs wrote them, and in the end writes the digests of its
    outputs (`files.seal`). Where the job runs (`provenance.environment`) stands in the log's first line, and in the file `record_of` the log. An
    `InputError` is logged as its message alone, any other error with its traceback.
    """
    global _record
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    Path(log).unlink(missing_ok=True)  # a job left over from an earlier run goes on writing to its own file
    handlers: list[logging.Handler] = [
        logging.FileHandler(log, encoding="utf-8"),
        logging.StreamHandler(sys.stderr),
    ]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
    handlers[1].setLevel(logging.WARNING)  # the terminal belongs to the workflow's progress
    logger.setLevel(logging.INFO)
    start = time.perf_counter()
    _record = record_of(log)
    attempts = read_attempts(log)
    _facts.clear()
    try:
        number = os.environ.get("SLURM_JOB_ID", "")
        every = dict.fromkeys([*attempts.split(), *([number] if number else [])])
        _facts["slurm_jobs"] = " ".join(every)
        tell(host=os.uname().nodename, slurm_job=number, **provenance.environment())
        if provenance.container():
            stay_in_the_image()
        task = task or getattr(sys.modules["__main__"], "snakemake", None)
        if task:
            for path in task.output:
                files.seal_of(path).unlink(missing_ok=True)
            for path in task.input:
                files.check_seal(path)
        yield logger
        if task:
            for path in task.output:
                files.seal(path, task.rule, str(log))
    except TakenOver as error:
        logger.error("ERROR %s", error)
        end_cluster_job()
        sys.exit(1)
    except InputError as error:
        logger.error("ERROR %s", error)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if not provenance.container():
            logger.exception("A package is missing: `make setup` installs what the workflow needs.")
        else:
            logger.exception("ERROR %s: the image lacks the package %s.", provenance.container(), error.name)
        sys.exit(1)
    except Exception as error:
        if told := disk_fault(error, Path(log).parent):
            logger.error("ERROR %s", told)
        else:
            logger.exception("Unexpected error; please report it with this log (%s).", log)
        sys.exit(1)
    logger.info("done in %.1f s", time.perf_counter() - start)


def duration(seconds: float) -> str:
    """Return a time in words, to two digits or so.

    >>> [duration(seconds) for seconds in (0.4, 59, 200, 7300, 200_000)]
    ['less than 1 s', '59 s', '3 min', '2 h', '2.3 days']
    """
    for unit, size, most in (("s", 1, 90), ("min", 60, 90 * 60), ("h", 3600, 36 * 3600)):
        if seconds < most:
            return f"{seconds / size:.0f} {unit}" if seconds >= size else f"less than 1 {unit}"
    return f"{seconds / 86400:.1f} days"


def tell(**facts: str) -> None:
    """Log facts about where a job runs, and add them to its record, for the table of jobs."""
    logger.info("where: %s", ", ".join(f"{name} {value}" for name, value in facts.items() if value))
    _facts.update(facts)
    if _record:
        files.write_json(_facts, _record)


def record_of(log: str | Path) -> Path:
    """Return the file in which a job with this log writes where it runs.

    >>> record_of("a/train.log").name
    'train.job.json'
    """
    return Path(log).with_suffix(".job.json")


def read_record(log: str | Path) -> dict[str, str]:
    """Read where the job with this log ran, and on which device if it chose one; empty if it has left no record."""
    path = record_of(log)
    return files.read_json(path) if path.is_file() else {}


def read_attempts(log: str | Path) -> str:
    """Return the numbers of the SLURM jobs that have begun the job with this log, separated by spaces."""
    try:
        return str(read_record(log).get("slurm_jobs", ""))
    except (InputError, OSError):  # of a job that was killed, perhaps; what it says is lost, no job needs it
        return ""


def disk_fault(error: Exception, folder: Path) -> str:
    """Return a message for an error that is a fault of the disk; empty for other errors.

    `folder` is named if the error names no file.
    """
    fault = DISK_FAULTS.get(getattr(error, "errno", 0))
    if not fault and "No space left on device" in str(error):  # HDF5's words, in an error without a number
        fault = DISK_FAULTS[errno.ENOSPC]
    if "No usable temporary directory" in str(error) or (fault and not getattr(error, "filename", None)):
        try:
            files.check_temporary()
        except InputError as full:
            return str(full)
    if not fault:
        return ""
    return (
        f"{getattr(error, 'filename', None) or folder}: {fault}. Expected a folder to write to: make room or mend it, "
        "then run the same command again. What is finished stays, and a training goes on from its saved state."
    )


def end_cluster_job() -> None:
    """Kill the SLURM job that this process belongs to, if Snakemake submitted it; else do nothing.

    If the job failed in an orderly way, Snakemake would delete its output files, which now belong to another job.
    """
    number = os.environ.get("SLURM_JOB_ID")
    ours = _processes_with(f"SLURM_JOB_ID={number}".encode()) if number else {}
    if not any(b"slurm-jobstep" in command for command in ours.values()):
        return
    for process in sorted(ours, key=lambda each: (each == os.getpid(), each)):  # this one last
        os.kill(process, signal.SIGKILL)


def _processes_with(setting: bytes) -> dict[int, bytes]:
    """Return the command lines of the processes with a setting in their environment, by process number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if setting in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes()
        except OSError:  # the process is another user's, or has ended
            continue
    return found


def stay_in_the_image() -> None:
    """Raise InputError for a package that a container took from the host, and prevent further ones.

    Snakemake appends the search paths of the host's Python to those of the image, so that it can import itself. A
    package that the image lacks would silently come from the host.
    """
    foreign = {
        name: file
        for name in packages_in_use()
        if (file := getattr(sys.modules.get(name), "__file__", None)) and not _of_this_python(file)
    }
    if foreign:
        name, file = sorted(foreign.items())[0]
        raise InputError(
            f"{provenance.container()}: the image lacks the package {name}; found was {file}, of the host. Build the "
            "image from this version's package list with `make containers`, or add the package to your own image."
        )
    sys.path[:] = [folder for folder in sys.path if _of_this_python(folder)]


def packages_in_use() -> set[str]:
    """Return the top-level packages that the script and the library modules loaded so far take names from."""
    found = set()
    for name, module in list(sys.modules.items()):
        if name != "__main__" and name.split(".")[0] != "brightcell":
            continue
        for value in vars(module).values():
            origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(origin, str):
                found.add(origin.split(".")[0])
    return found - {"snakemake", "__main__", "brightcell"}


def _of_this_python(path: str) -> bool:
    """Return whether a path belongs to the interpreter, its packages or the workflow."""
    script = Path(getattr(sys.modules["__main__"], "__real_file__", sys.argv[0])).parent
    own = (sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), provenance.PACKAGE.parent, script)
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in own)
