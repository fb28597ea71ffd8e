"""A training that is killed goes on, and ends with the same bits as one that never was."""

import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from project import CONFIG, Project, read_weights

pytestmark = pytest.mark.pipeline
MODEL = "models/grouped/simple/fold1-seed1"
TRAINING = CONFIG["training"] | {
    "epochs": 60,
    "steps_per_epoch": 10,
    "deterministic": True,
    "schedule": "cosine",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("kill") / "project")
    made.write_config(
        networks=["simple"], training=TRAINING, network={"filters": 2, "levels": 2, "dropout": 0.2}
    )
    done = made.snakemake("results/discs/folds.tsv", "results/discs/check/passed.txt")
    assert done.returncode == 0, done.stdout
    return made


def train(project, stop: signal.Signals | None = None) -> str:
    """Train by snakemake; send a signal to the training's process as soon as it has saved a further epoch."""
    command = [sys.executable, "-m", "snakemake", "--configfile", "config/test.yaml", "--cores", "2"]
    target = f"results/discs/{MODEL}/model.keras"
    log = project.folder / "snakemake.log"
    state = project.path(f"{MODEL}/training_state/state.npz")
    before = state.stat().st_mtime_ns if state.exists() else 0
    with log.open("w") as output:
        running = subprocess.Popen(
            [*command[:3], target, *command[3:]], cwd=project.folder, stdout=output, stderr=output
        )
        deadline = time.monotonic() + 300
        while running.poll() is None and time.monotonic() < deadline:
            if stop and state.exists() and state.stat().st_mtime_ns > before:
                for child in psutil.Process(running.pid).children(recursive=True):
                    if any(part.endswith("train.py") for part in child.cmdline()):
                        child.send_signal(stop)
                stop = None
            time.sleep(0.05)
        running.wait(timeout=60)
    assert stop is None, "the training ended before the signal"
    return log.read_text()


def test_killed_twice_and_still_the_same(project):
    model, history = project.path(f"{MODEL}/model.keras"), project.path(f"{MODEL}/history.csv")
    for stop in (signal.SIGKILL, signal.SIGTERM):
        train(project, stop)
        assert not model.exists()
        assert not history.exists()
        assert project.path(f"{MODEL}/training_state/state.npz").exists()
    log = project.path(f"{MODEL}/train.log")
    assert "Stopped by SIGTERM after step" in log.read_text()
    train(project)
    assert "going on from step" in log.read_text()
    ours, losses = read_weights(model), [line.rsplit(",", 1)[0] for line in history.read_text().splitlines()]
    shutil.rmtree(project.path(MODEL))

    train(project)
    assert "going on" not in log.read_text()
    theirs = read_weights(model)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 20
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name], err_msg=name)
    assert losses == [line.rsplit(",", 1)[0] for line in history.read_text().splitlines()]


def test_a_model_that_is_lost_is_written_again_without_training(project):
    """As when a later job of the same SLURM job fails: Snakemake deletes the outputs of all of them."""
    model, history = project.path(f"{MODEL}/model.keras"), project.path(f"{MODEL}/history.csv")
    if not model.exists():
        train(project)
    before, losses = read_weights(model), history.read_text()
    for path in (model, history, project.path(f"{MODEL}/recipe.json")):
        path.unlink()
    train(project)
    log = project.path(f"{MODEL}/train.log").read_text()
    assert "trained before" in log
    assert "epoch 1/" not in log
    assert history.read_text() == losses
    for name, values in read_weights(model).items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)


def test_weights_to_start_from(project):
    """Fine-tuning starts where the other training ended; a network of another shape is refused in words."""
    source = project.path(f"{MODEL}/model.keras")
    if not source.exists():
        train(project)
    shutil.copy(source, project.folder / "trained.keras")
    losses = project.path(f"{MODEL}/history.csv").read_text().splitlines()[1:]
    reached = min(float(line.split(",")[2]) for line in losses)  # the model is that of the best epoch
    tuning = TRAINING | {"epochs": 1, "learning_rate": 1e-5, "init_weights": "trained.keras"}
    project.write_config(
        networks=["simple"], training=tuning, network={"filters": 2, "levels": 2, "dropout": 0.2}
    )
    train(project)
    first = float(project.path(f"{MODEL}/history.csv").read_text().splitlines()[1].split(",")[2])
    assert first == pytest.approx(reached, rel=0.2)
    project.write_config(networks=["simple"], training=tuning, network={"filters": 4, "levels": 2})
    train(project)
    log = project.path(f"{MODEL}/train.log").read_text()
    assert "init_weights trained.keras: a network of another shape" in log
    assert "Traceback" not in log
