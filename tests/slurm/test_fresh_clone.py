"""A clone as it comes, its profile untouched: a small demo runs, and the same command has nothing to do then."""

import shutil
import subprocess
import sys

import cluster
import pandas as pd
import pytest
import yaml
from project import CONFIG, ROOT

COMMAND = [sys.executable, "-m", "snakemake", "--profile", "slurm", "--configfile", "config/mine.yaml"]
COMMAND += ["--slurm-init-seconds-before-status-checks", "4"]  # in place of 40


@pytest.fixture
def clone(tmp_path):
    """What git would clone, with the edits that are not committed yet, and a config of one's own."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, text=True, capture_output=True, check=True).stdout
    for name in names.rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    config = yaml.safe_load((tmp_path / "config/config.yaml").read_text())
    config |= {key: CONFIG[key] for key in ("network", "prediction", "watershed", "comparison", "report")}
    config |= {"networks": ["simple"], "compute": {"device": "cpu"}}
    config["simulate"]["size"] = 64
    (tmp_path / "config/mine.yaml").write_text(yaml.safe_dump(config))
    yield tmp_path
    cluster.cancel(tmp_path)


def run(clone, *arguments: str) -> str:
    """Run the manual's command; returns what it printed."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=clone,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=480,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def test_the_manuals_command_runs_all_and_then_nothing(clone):
    run(clone)
    assert (clone / "results/demo/report.html").stat().st_size > 100_000
    assert {job.state for job in cluster.jobs(clone)} == {"COMPLETED"}
    accounts = pd.read_table(clone / "results/demo/accounting.tsv")
    trained = accounts[accounts["rules"].str.contains("train")]
    assert len(trained) == 2
    assert (trained["gpu_hours_requested"] > 0).all()
    assert (trained["gpu_hours_used"] == 0).all()  # held and left idle
    assert "Nothing to be done" in run(clone, "-n")
