"""The SLURM that answers here: what is asked of it, and what is done to it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

RUNNING = {"CONFIGURING", "COMPLETING", "PENDING", "RUNNING", "STOPPED", "SUSPENDED"}


def missing(what: str) -> None:
    """Fail in CI, skip elsewhere."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


def ask(*command: str) -> str:
    """Run a command and return what it prints; an error if it fails."""
    return subprocess.run(command, text=True, capture_output=True, check=True, timeout=60).stdout


def wait_for(condition: Callable[[], object], what: str, seconds: float = 180):
    """Wait until a condition holds; returns its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}")


@dataclass
class Job:
    """A job of SLURM."""

    number: str
    state: str
    node: str
    comment: str


def jobs(folder: Path) -> list[Job]:
    """The jobs that were submitted from a folder, finished ones of the last minutes with them."""
    lines = ask("squeue", "--noheader", "--states=all", "--format=%i|%T|%N|%Z|%k").splitlines()
    split = [line.split("|", 4) for line in lines]
    return [Job(*each[:3], each[4]) for each in split if Path(each[3]) == folder]


def working(folder: Path) -> list[Job]:
    """Those that wait or run."""
    return [job for job in jobs(folder) if job.state in RUNNING]


def cancel(folder: Path) -> None:
    """Cancel whatever a test left."""
    for job in working(folder):
        subprocess.run(["scancel", job.number], check=False)
    wait_for(lambda: not working(folder), f"the end of all jobs of {folder}", 60)


def accounted(number: str) -> dict[str, str]:
    """What the accounting knows of a job: its state, its node and what it was given."""
    line = ask("sacct", "-X", "-n", "-P", "-j", number, "-o", "State,NodeList,AllocTRES").strip()
    return dict(zip(("state", "node", "given"), line.split("|"), strict=True))


class Daemons:
    """The daemons of a SLURM that was started for tests, by their pid files."""

    def __init__(self, home: Path):
        self.run = home / "run"

    def process(self, name: str) -> psutil.Process | None:
        """The daemon, if it runs: slurmctld, slurmdbd, slurmd-n1 …"""
        try:
            found = psutil.Process(int((self.run / f"{name}.pid").read_text()))
            return found if found.status() != psutil.STATUS_ZOMBIE else None
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None

    def stop(self, name: str, by: signal.Signals = signal.SIGTERM) -> None:
        process = self.process(name)
        assert process, f"{name} does not run"
        process.send_signal(by)
        wait_for(lambda: not self.process(name), f"the end of {name}", 60)
        (self.run / f"{name}.pid").unlink(missing_ok=True)

    def start(self, name: str) -> None:
        program, _, node = name.partition("-")
        subprocess.run([program, *(["-N", node] if node else [])], check=True, timeout=60)
        wait_for(lambda: self.process(name), f"{name} to start", 30)

    def nodes(self) -> list[str]:
        return sorted(path.stem.partition("-")[2] for path in self.run.glob("slurmd-*.pid"))

    def kill_node(self, node: str) -> None:
        """Let a node die with all that runs on it, and tell SLURM, which would notice in a minute."""
        lines = ask("squeue", "--noheader", "--states=R", "--nodelist", node, "--format=%i").split()
        self.stop(f"slurmd-{node}", signal.SIGKILL)
        for process in psutil.process_iter():
            try:
                title = " ".join(process.cmdline())
                step = any(title.startswith(f"slurmstepd: [{number}.") for number in lines)
                if step or process.environ().get("SLURM_JOB_ID") in lines:
                    process.kill()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        ask("scontrol", "update", f"nodename={node}", "state=down", "reason=died")

    def revive_node(self, node: str) -> None:
        self.start(f"slurmd-{node}")
        wait_for(lambda: ask("sinfo", "-h", "-n", node, "-o", "%T").split()[0] in ("idle", "mixed"), node, 60)

    def mend(self, nodes: list[str]) -> None:
        """Start what does not run."""
        for name in ("slurmdbd", "slurmctld", *(f"slurmd-{node}" for node in nodes)):
            if not self.process(name):
                self.start(name)


def slurm_answers() -> bool:
    """Tell whether there is a SLURM."""
    try:
        return subprocess.run(["sinfo"], capture_output=True, check=False, timeout=30).returncode == 0
    except FileNotFoundError:
        return False


def home() -> Path | None:
    """The folder of a SLURM that tests may break, or None."""
    folder = os.environ.get("BRIGHTCELL_TEST_SLURM")
    return Path(folder) if folder else None
