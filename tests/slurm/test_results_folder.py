"""A results folder that is full, or that nobody may write to."""

import shutil
import subprocess

import pytest
import runs
from cluster import missing

MODEL = runs.MODELS[0]
TARGETS = runs.targets([MODEL], "model.keras")


@pytest.fixture
def small_disk(prepared):
    """The results of the prepared copy on a disk of 16 MB; gives the project."""
    results = prepared.folder / "results"
    kept = results.rename(prepared.folder / "kept")
    results.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", results], capture_output=True, check=False
    )
    if mounted.returncode:
        missing("no disk can be mounted: only root can")
    try:
        shutil.copytree(kept, results, dirs_exist_ok=True)
        yield prepared
    finally:
        subprocess.run(["umount", "--lazy", results], check=True)


def test_a_full_disk_is_told_and_costs_nothing_but_time(begin, small_disk, undisturbed):
    project = small_disk
    state = project.path(f"{MODEL}/training_state/state.npz")
    run = begin(*TARGETS, "--retries", "0")
    training = runs.Training(project, run, [MODEL])
    ballast = project.folder / "results/ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    training.let_go()
    assert run.wait() != 0
    logs = "".join(path.read_text() for path in (project.folder / ".snakemake/slurm_logs").rglob("*.log"))
    assert "the disk is full. Expected a folder to write to" in logs
    assert not project.path(f"{MODEL}/model.keras").exists()
    assert not project.half_written()
    saved = state.stat().st_mtime_ns

    run = begin(*TARGETS)  # before any job is submitted
    assert run.wait(60) != 0
    assert "results/discs: no results can be written there" in run.text
    assert "No space left on device" in run.text
    assert not run.submitted()
    assert state.stat().st_mtime_ns == saved

    ballast.unlink()
    run = begin(*TARGETS)
    assert run.wait() == 0, run.text[-5000:]
    assert "going on from step" in training.log.read_text()
    assert runs.digest_of_weights(project, MODEL) == runs.digest_of_weights(undisturbed, MODEL)


def test_a_read_only_folder_is_told_before_any_job_is_submitted(begin, small_disk):
    results = small_disk.folder / "results"
    subprocess.run(["mount", "-o", "remount,ro", results], check=True)
    run = begin(*TARGETS)
    assert run.wait(60) != 0
    assert "results/discs: no results can be written there" in run.text
    assert "Read-only file system" in run.text
    assert not run.submitted()
