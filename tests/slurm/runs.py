"""A small study on SLURM: a run of Snakemake in the background, its trainings, and what its results hold."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cluster
import psutil
import yaml
from project import CONFIG, Project, read_weights

STUDY = {
    "networks": ["simple", "attention"],
    "network": {"filters": 2, "levels": 2, "dropout": 0.2},
    "training": CONFIG["training"]
    | {"epochs": 30, "steps_per_epoch": 10, "deterministic": True, "schedule": "cosine"},
    "compute": {"device": "cpu"},
}  # the GPUs of a SLURM for tests may be pretended: they are given to jobs, and nothing computes on them
MODELS = [f"models/grouped/{network}/fold{fold}-seed1" for network in STUDY["networks"] for fold in (1, 2)]
# What the site's profile says of the jobs. One training fills a node, so that two run at once; one core each, so that the
# bits are the same everywhere.
SITE = {
    "set-threads": {"train_network": 1, "predict_frames": 1},
    "set-resources": {
        "preflight": {"mem_mb": 2000},
        "train_network": {"mem_mb": 9000, "runtime": 10},
        **{
            rule: {"mem_mb": 1000, "runtime": 10}
            for rule in ("predict_frames", "calibrate_watershed", "label_frames", "score_frames")
        },
    },
}
# Of a model; what tells times is left out.
TABLES = ("frames.tsv", "cells.tsv", "curves.tsv", "reliability.tsv", "calibration.json", "labels.tif")


def configure_site(project: Project, **changes: dict) -> None:
    """Write into the profile what a site would: SITE, and changes of the resources of some rules; None takes one out."""
    path = project.folder / "slurm/profile.yaml"
    profile = yaml.safe_load(path.read_text())
    for block, rules in (*SITE.items(), ("set-resources", changes)):
        for rule, values in rules.items():
            old = profile.setdefault(block, {}).get(rule) or {}
            new = (
                {name: value for name, value in (old | values).items() if value is not None}
                if isinstance(values, dict)
                else values
            )
            profile[block][rule] = new
    path.write_text(yaml.safe_dump(profile))


class Run:
    """`snakemake --profile slurm` in the background."""

    def __init__(self, project: Project, *arguments: str):
        self.folder = project.folder
        self.log = project.folder / f"run{len(list(project.folder.glob('run*.log')))}.log"
        command = [sys.executable, "-m", "snakemake", *arguments, "--profile", "slurm"]
        command += ["--configfile", "config/test.yaml", "--slurm-init-seconds-before-status-checks", "4"]
        # Where the tests themselves run in the background SIGINT is ignored, and children would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with self.log.open("w") as output:
            self.process = subprocess.Popen(command, cwd=project.folder, stdout=output, stderr=output)

    @property
    def text(self) -> str:
        return self.log.read_text()

    def wait(self, seconds: float = 400) -> int:
        """Wait for the end; returns the exit status."""
        return self.process.wait(seconds)

    def submitted(self) -> dict[str, str]:
        """The jobs submitted so far: their SLURM numbers, each with the name of its rule or group."""
        return dict(re.findall(r"SLURM jobid (\d+) \(log: .*/slurm_logs/(?:rule|group)_([^/]+)/", self.text))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        cluster.cancel(self.folder)


class Training:
    """A training that has saved its state, and is held there."""

    def __init__(self, project: Project, run: Run, models: list[str], after: str = ""):
        """Wait for a training of one of the models, of a job other than `after`, and hold it."""
        before = {model: _saved(project, model) for model in models}

        def caught():
            assert run.process.poll() is None, run.text[-5000:]
            for model in models:
                if _saved(project, model) == before[model]:
                    continue
                told = json.loads(project.path(f"{model}/training_state/owner.json").read_text())
                if told["job"] == after:
                    continue
                process = psutil.Process(told["process"])
                process.suspend()
                return model, told["job"], process
            return None

        self.model, self.job, self.process = cluster.wait_for(
            caught, f"a saved state of {' or '.join(models)}"
        )
        self.log = project.path(f"{self.model}/train.log")

    def let_go(self) -> None:
        self.process.resume()


def _saved(project: Project, model: str) -> int:
    """When a training saved its state; 0 if it has not."""
    state = project.path(f"{model}/training_state/state.npz")
    return state.stat().st_mtime_ns if state.exists() else 0


def environment_of_training(project: Project, model: str) -> dict[str, dict[str, str]]:
    """The environment of the process that trains a model now, by its SLURM job; empty if none does."""
    try:
        owner = json.loads(project.path(f"{model}/training_state/owner.json").read_text())
        return {owner["job"]: psutil.Process(owner["process"]).environ()}
    except (FileNotFoundError, psutil.NoSuchProcess):
        return {}


def targets(models=MODELS, name: str = "frames.tsv") -> list[str]:
    """Files to ask Snakemake for."""
    return [f"results/discs/{model}/{name}" for model in models]


def copy_of(project: Project, folder: Path) -> Project:
    """A copy of a project whose data are prepared, without its models and what was made of them."""
    ignore = shutil.ignore_patterns("run*.log", "slurm_logs", "locks", "models", "comparison")
    shutil.copytree(project.folder, folder, ignore=ignore, symlinks=True)
    return Project.at(folder)


def content(project: Project, models=MODELS) -> dict[str, str]:
    """What the results of some models hold, as digests: tables, label images and all weights."""
    found = {}
    for model in models:
        for name in TABLES:
            found[f"{model}/{name}"] = hashlib.sha256(
                project.path(f"{model}/{name}").read_bytes()
            ).hexdigest()
        found[f"{model}/model.keras"] = digest_of_weights(project, model)
    return found


def digest_of_weights(project: Project, model: str) -> str:
    """A digest of all weights of a model and of its losses."""
    digest = hashlib.sha256()
    for name, values in sorted(read_weights(project.path(f"{model}/model.keras")).items()):
        digest.update(name.encode() + values.tobytes())
    for line in project.path(f"{model}/history.csv").read_text().splitlines():
        digest.update(line.rsplit(",", 1)[0].encode())  # without the seconds
    return digest.hexdigest()
