"""Measure what large studies cost besides their work: planning, submission, and the start of a job.

    .venv/bin/python benchmarks/workflow/scale.py [plan] [submit] [segment] [job] [--frames 10000 100000 1000000]

plan     a dry run of studies of 45 and 300 trainings
submit   the same trainings handed to SLURM, whose commands are played by programs that answer at once: what is measured is
         Snakemake with its executor plugin, up to the last sbatch
segment  a dry run of `segment` on recordings of many frames (empty files)
job      the parts of what a job costs before its own work begins
"""

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from project import Project  # noqa: E402

# Folds, seeds and groups of studies of three networks.
STUDIES = {
    "3 × 5 × 3": (5, 3, 12),
    "3 × 10 × 10": (10, 10, 12),
    "3 × 10 × 10, 100 groups": (10, 10, 100),
}
FOLDS = "results/discs/folds.tsv"
NETWORKS = ["simple", "attention", "residual_attention"]
# Commands of SLURM that answer at once. Jobs wait for ever; each submission leaves a line with its time.
COMMANDS = {
    "sbatch": 'date +%s.%N >>"$STUB_LOG"; wc -l <"$STUB_LOG"',
    "squeue": 'seq -f "%.0f|PENDING" "$(wc -l <"$STUB_LOG")"',
    "scontrol": 'echo "MinJobAge = 300 sec"; echo "MaxArraySize = 1001"',
    "sinfo": "echo cpu*",
    "sacct": "exit 1",
    "sacctmgr": "exit 1",
    "scancel": "true",
}


def timed(command: list[str], **options) -> dict:
    """Run a command; returns seconds by the clock and of processor time, and peak memory in MB, children included."""
    program = (
        "import json, resource, subprocess, sys, time; start = time.perf_counter(); "
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True); "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(done.stdout[-3000:]); "
        "print(json.dumps([time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024])); "
        "sys.exit(done.returncode)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command], stdout=subprocess.PIPE, text=True, check=False, **options
    )
    if done.returncode:
        raise SystemExit(done.stdout)
    clock, cpu, memory = json.loads(done.stdout.splitlines()[-1])
    total = re.search(r"^total +(\d+)$", done.stdout, re.MULTILINE)  # of a dry run
    return {"clock": clock, "cpu": cpu, "memory": memory, "jobs": total[1] if total else "–"}


def snakemake(*arguments: str) -> list[str]:
    """A command line."""
    return [sys.executable, "-m", "snakemake", *arguments, "--configfile", "config/test.yaml"]


def make_study(folder: Path, title: str) -> Project:
    """A project with so many trainings to do."""
    folds, seeds, groups = STUDIES[title]
    project = Project(folder / title.replace(" × ", "x").replace(", ", "-").replace(" ", ""), groups=groups)
    project.write_config(networks=NETWORKS, folds={"number": folds}, seeds=list(range(1, seeds + 1)))
    return project


def plan(folder: Path) -> None:
    """Time dry runs of whole studies."""
    print("\n| study | trainings | jobs | clock, s | CPU, s | memory, MB |\n|---|---:|---:|---:|---:|---:|")
    for title, (folds, seeds, _) in STUDIES.items():
        project = make_study(folder, title)
        took = timed(snakemake("-n", "--quiet", "rules"), cwd=project.folder)
        print(
            f"| {title} | {3 * folds * seeds} | {took['jobs']} | {took['clock']:.1f} | {took['cpu']:.1f} | {took['memory']:.0f} |",
            flush=True,
        )


def submit(folder: Path) -> None:
    """Time the submission of the trainings of studies whose data are prepared."""
    stubs = folder / "bin"
    stubs.mkdir()
    for name, text in COMMANDS.items():
        (stubs / name).write_text(f"#!/bin/bash\n{text}\n")
        (stubs / name).chmod(0o755)
    print(
        "\n| study | trainings | jobs handed over | first after, s | last after, s | jobs/s |\n|---|---:|---:|---:|---:|---:|"
    )
    for title, (folds, seeds, _) in STUDIES.items():
        project = make_study(folder / "submit", title)
        timed(snakemake("--cores", "2", "--omit-from", "train"), cwd=project.folder)
        log, trainings = project.folder / "sbatch.log", 3 * folds * seeds
        log.touch()
        environment = os.environ | {"PATH": f"{stubs}:{os.environ['PATH']}", "STUB_LOG": str(log)}
        command = snakemake("--profile", "slurm", "--jobs", "1000")
        start, lines, changed = time.time(), [], time.time()
        with (project.folder / "run.log").open("w") as output:
            running = subprocess.Popen(
                command, cwd=project.folder, env=environment, stdout=output, stderr=output
            )
            while running.poll() is None and time.time() < changed + 15 and time.time() < start + 300:
                time.sleep(0.2)
                now = log.read_text().split()
                if len(now) != len(lines) or not now:
                    lines, changed = now, time.time()
            running.send_signal(signal.SIGKILL)
            running.wait()
        times = [float(line) - start for line in lines]
        if not times:
            raise SystemExit((project.folder / "run.log").read_text()[-3000:])
        rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0
        print(
            f"| {title} | {trainings} | {len(times)} | {times[0]:.1f} | {times[-1]:.1f} | {rate:.1f} |",
            flush=True,
        )


def segment(folder: Path, sizes: list[int]) -> None:
    """Time dry runs on recordings of 2,000 empty frames each."""
    print("\n| frames | jobs | clock, s | CPU, s | memory, MB |\n|---:|---:|---:|---:|---:|")
    for size in sizes:
        project = Project(folder / f"frames{size}")
        images = project.folder / "new"
        images.mkdir()
        lines = ["sample\timage\tgroup\tframe\tpixel_size_um"]
        for number in range(size):
            os.close(os.open(images / f"{number:07d}.tif", os.O_CREAT | os.O_WRONLY))
            lines.append(f"f{number:07d}\tnew/{number:07d}.tif\tdish{number // 2000}\t{number % 2000}\t0.5")
        (project.folder / "new.tsv").write_text("\n".join(lines) + "\n")
        project.write_config(networks=["simple"], segment={"samples": "new.tsv"})
        took = timed(snakemake("segment", "-n", "--quiet", "rules"), cwd=project.folder)
        print(
            f"| {size:,} | {took['jobs']} | {took['clock']:.1f} | {took['cpu']:.1f} | {took['memory']:.0f} |",
            flush=True,
        )


def job(folder: Path) -> None:
    """Time the parts of a job's start: interpreters, Snakemake, the workflow's text, the scripts' packages."""
    project = make_study(folder / "job", "3 × 5 × 3")
    timed(snakemake("--cores", "2", FOLDS), cwd=project.folder)
    scripts = f"import sys; sys.path.insert(0, {str(project.folder / 'workflow/scripts')!r}); "
    parts = {
        "Python": [sys.executable, "-c", ""],
        "import snakemake": [sys.executable, "-c", "import snakemake.cli"],
        "snakemake --version": [sys.executable, "-m", "snakemake", "--version"],
        "the workflow read, `snakemake --list`": snakemake("--list"),
        "a job that is done already": snakemake("--cores", "1", FOLDS),
        "the same job made again": snakemake(FOLDS, "--cores", "1", "--forcerun", "folds"),
        "import pandas": [sys.executable, "-c", "import pandas"],
        "import of the stacks": [sys.executable, "-c", scripts + "from brightcell.io import stacks"],
        "import of the scores": [sys.executable, "-c", scripts + "from brightcell.metrics import scoring"],
        "import tensorflow and keras": [sys.executable, "-c", "import keras"],
    }
    print("\n| part | clock, s | CPU, s | memory, MB |\n|---|---:|---:|---:|")
    for title, command in parts.items():
        took = min((timed(command, cwd=project.folder) for _ in range(3)), key=lambda each: each["cpu"])
        print(f"| {title} | {took['clock']:.2f} | {took['cpu']:.2f} | {took['memory']:.0f} |", flush=True)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=["plan", "submit", "segment", "job"])
    parser.add_argument("--frames", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        for part in arguments.parts:
            folder = Path(name, part)
            folder.mkdir()
            {"plan": plan, "submit": submit, "segment": lambda f: segment(f, arguments.frames), "job": job}[
                part
            ](folder)


if __name__ == "__main__":
    main()
