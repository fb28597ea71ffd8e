"""Snakemake itself is interrupted, and started again."""

import signal
import subprocess
import sys

import cluster
import runs

MODEL = runs.MODELS[0]
TARGETS = runs.targets([MODEL], "model.keras")


def test_interrupted_three_times_and_still_the_same(begin, prepared, undisturbed):
    model = prepared.path(f"{MODEL}/model.keras")
    run = begin(*TARGETS)
    training = runs.Training(prepared, run, [MODEL])
    run.signal(signal.SIGINT)  # cancels the jobs
    assert run.wait(120) != 0
    cluster.wait_for(lambda: not cluster.working(prepared.folder), "no job left after SIGINT", 30)
    assert not model.exists()
    assert prepared.path(f"{MODEL}/training_state/state.npz").exists()

    run = begin(*TARGETS)
    training = runs.Training(prepared, run, [MODEL], after=training.job)
    assert "going on from step" in training.log.read_text()
    run.signal(signal.SIGKILL)
    run.wait(30)
    assert [job.number for job in cluster.working(prepared.folder)] == [training.job]

    run = begin(*TARGETS)
    assert run.wait(60) != 0
    assert "--unlock" in run.text
    unlocked = prepared.snakemake("--unlock")
    assert unlocked.returncode == 0, unlocked.stdout
    run = begin(*TARGETS)  # the leftover would write the same files
    assert run.wait(60) != 0
    assert training.job in run.text
    assert "make leftovers CANCEL=yes" in run.text
    assert not run.submitted()
    assert [job.number for job in cluster.working(prepared.folder)] == [training.job]

    command = [sys.executable, "workflow/scripts/leftovers.py", "--cancel"]
    told = subprocess.run(command, cwd=prepared.folder, capture_output=True, text=True, check=True).stdout
    assert told.startswith(training.job)
    cluster.wait_for(lambda: not cluster.working(prepared.folder), "no job left over", 30)
    run = begin(*TARGETS)
    training = runs.Training(prepared, run, [MODEL], after=training.job)
    run.signal(signal.SIGTERM)  # waits for the jobs that run
    training.let_go()
    run.wait(120)
    assert model.exists()
    assert not cluster.working(prepared.folder)
    assert not prepared.half_written()
    assert prepared.planned(*TARGETS, "--rerun-triggers", "mtime") == {}
    assert runs.digest_of_weights(prepared, MODEL) == runs.digest_of_weights(undisturbed, MODEL)


def test_a_leftover_that_wakes_up_after_all_is_done_touches_nothing(begin, prepared, undisturbed):
    run = begin(*TARGETS)
    leftover = runs.Training(prepared, run, [MODEL])
    run.signal(signal.SIGKILL)
    run.wait(30)
    prepared.snakemake("--unlock")
    # --no-hooks: whoever passes by the refusal, too, must do no harm
    done = prepared.snakemake(
        *TARGETS,
        "--no-hooks",
        "--set-threads",
        "train_network=1",
        "--rerun-incomplete",
        "--rerun-triggers",
        "mtime",
    )
    assert done.returncode == 0, done.stdout
    digest = runs.digest_of_weights(prepared, MODEL)
    log = prepared.path(f"{MODEL}/train.log").read_text()
    leftover.let_go()
    cluster.wait_for(lambda: not cluster.working(prepared.folder), "the end of the leftover", 60)
    assert runs.digest_of_weights(prepared, MODEL) == digest == runs.digest_of_weights(undisturbed, MODEL)
    assert prepared.path(f"{MODEL}/train.log").read_text() == log
    assert prepared.path(f"{MODEL}/recipe.json").exists()
    assert prepared.planned(*TARGETS, "--rerun-triggers", "mtime") == {}
