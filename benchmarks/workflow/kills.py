"""Kill a whole run many times, at chosen moments, and compare its results with those of a run that was never killed.

    .venv/bin/python benchmarks/workflow/kills.py [--kills 20] [--seed 1]      # about ten minutes

A small study trains one network on two folds, with the results of every epoch saved. Each kill ends Snakemake and all its
jobs at once, as when a machine is switched off: in turn while a training saves its state, while any job writes a file, and
at a random moment of the first seconds. Then the run is started again (`--unlock`, `--rerun-incomplete`), up to the next
kill. Afterwards every table, stack and page is compared byte for byte, but for what holds times. The exit status is the
number of files that differ, and of temporary files that were left behind.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from project import CONFIG, Project, read_weights  # noqa: E402

TRAINING = CONFIG["training"] | {"epochs": 12, "steps_per_epoch": 6, "deterministic": True}
COMPARED = re.compile(r"\.(tif|tsv|json|keras|csv|html)$")
# What holds times, machines and numbers of processes.
WITH_TIMES = re.compile(
    r"(^|/)(benchmarks|logs)/|owner\.json$|\.benchmark\.tsv$|\.job\.json$|speed\.json$|jobs\.tsv$|accounting\.tsv$|pace\.json$|preflight|"
    r"report\.html$|figures/|recipe\.json$|history\.csv$|/\.snakemake|\.seal$"
)


def start(project: Project, *arguments: str) -> subprocess.Popen:
    """Start Snakemake in a group of processes of its own."""
    command = [
        "snakemake",
        "--configfile",
        "config/test.yaml",
        "--cores",
        "2",
        "--rerun-incomplete",
        *arguments,
    ]
    log = (project.folder / "run.log").open("a")
    return subprocess.Popen(
        [sys.executable, "-m", *command], cwd=project.folder, stdout=log, stderr=log, start_new_session=True
    )


def saves(project: Project) -> Callable[[], bool]:
    """Return a function that tells whether a training has saved its state since now."""
    begun = time.time_ns()
    folder = project.path("models")
    return lambda: any(path.stat().st_mtime_ns > begun for path in folder.rglob("training_state/state.npz"))


def writes(project: Project) -> Callable[[], bool]:
    """Return a function that tells whether a job is writing a file: its temporary name is there."""
    before = {str(path) for path in project.half_written()}
    return lambda: any(str(path) not in before for path in project.half_written())


def run_up_to(project: Project, moment: Callable[[], bool] | None, delay: float) -> bool:
    """Run until a moment and so many seconds more, then kill all; return whether the run was killed before its end."""
    subprocess.run(
        [sys.executable, "-m", "snakemake", "--configfile", "config/test.yaml", "--unlock"],
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    running = start(project)
    while running.poll() is None and not (moment is None or moment()):
        time.sleep(0.002)
    time.sleep(delay)
    if running.poll() is not None:
        return False
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    return True


def contents(project: Project) -> dict[str, object]:
    """Return what is compared, by the path below the results."""
    found: dict[str, object] = {}
    root = project.path("")
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not path.is_file() or WITH_TIMES.search(name) or not COMPARED.search(name):
            continue
        if path.suffix == ".keras":
            found[name] = {key: values.tobytes() for key, values in read_weights(path).items()}
        else:
            found[name] = path.read_bytes()
    return found


def main() -> int:
    """Run, kill, compare, and print a table of the kills."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        projects = []
        for name in ("whole", "killed"):
            project = Project(Path(folder) / name / "project")
            project.write_config(networks=["simple"], training=TRAINING)
            projects.append(project)
        whole, killed = projects
        if start(whole).wait():
            sys.exit(f"the run without kills failed:\n{(whole.folder / 'run.log').read_text()}")
        done: Counter[str] = Counter()
        while done.total() < options.kills:
            kind = ("a training saves its state", "a file is written", "any moment")[done.total() % 3]
            moment = {"a training saves its state": saves, "a file is written": writes}.get(kind)
            delay = chance.uniform(0, 12) if moment is None else chance.choice((0, 0, 0.02, 0.5))
            if not run_up_to(killed, moment(killed) if moment else None, delay):
                print(f"the run came to its end after {done.total()} kills: it begins again", flush=True)
                models = killed.path("models")
                models.rename(models.with_name(f"models-{done.total()}"))
                continue
            done[kind] += 1
            print(f"kill {done.total()}: {kind}, {delay:.2f} s later", flush=True)
        subprocess.run(
            [sys.executable, "-m", "snakemake", "--configfile", "config/test.yaml", "--unlock"],
            cwd=killed.folder, capture_output=True, check=True,
        )  # fmt: skip
        if start(killed).wait():
            sys.exit(f"the run after the kills failed:\n{(killed.folder / 'run.log').read_text()}")
        ours, theirs = contents(killed), contents(whole)
        ours = {name: value for name, value in ours.items() if not name.startswith("models-")}
        different = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        left = killed.half_written()
        print("\n| kills while | number |\n|---|---:|")
        for kind, number in done.items():
            print(f"| {kind} | {number} |")
        print(f"\n{len(theirs)} files compared, {len(different)} differ, {len(left)} temporary files left")
        print("\n".join([*different, *map(str, left)]))
        return len(different) + len(left)


if __name__ == "__main__":
    sys.exit(min(main(), 100))
