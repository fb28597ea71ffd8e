"""Resuming: a training that was stopped anywhere ends as one that never was."""

import errno
import os
import shutil
import signal
import subprocess

import keras
import numpy as np
import pytest
from discs import SETTINGS, discs

from brightcell.errors import InputError
from brightcell.training import checkpoints, loop, validation

MADE_OF = checkpoints.settings_digest({"seed": 1}, [np.zeros(3)])
FOUR_EPOCHS = SETTINGS | {"epochs": 4, "schedule": "cosine"}


@pytest.fixture(scope="module", autouse=True)
def deterministic():
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


def dropping_network():
    """A network whose weights depend on random state, by dropout."""
    from brightcell.nets import unet

    keras.utils.set_random_seed(1)
    return unet.build_unet("simple", (32, 32, 1), filters=2, levels=2, dropout=0.2)


def run(checkpoint=None, settings=FOUR_EPOCHS):
    model = dropping_network()
    history = loop.train(model, [discs(1), discs(2)], [discs(3)], settings, 1, checkpoint)
    return model.get_weights(), history


@pytest.fixture(scope="module")
def undisturbed():
    return run()


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A folder with the state of a training that reached its last step, not yet finished."""
    folder = tmp_path_factory.mktemp("ended")
    run(checkpoints.Checkpoint(folder, MADE_OF))
    return folder


def interrupted(folder, step, monkeypatch):
    """Train until a signal arrives after a step; then as far as the state lets a new process go."""
    drawn = loop.patches.draw_batch
    counted = iter(range(10**6))

    def draw(*arguments):
        if next(counted) == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return drawn(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(loop.patches, "draw_batch", draw)
        with pytest.raises(checkpoints.Interrupted, match="SIGTERM after step"):
            run(checkpoints.Checkpoint(folder, MADE_OF))
    return run(checkpoints.Checkpoint(folder, MADE_OF))


@pytest.mark.parametrize("step", [3, 16])
def test_a_stopped_training_ends_with_the_same_bits(tmp_path, undisturbed, step, monkeypatch):
    weights, history = interrupted(tmp_path, step, monkeypatch)
    for ours, theirs in zip(weights, undisturbed[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    columns = ["epoch", "loss", "val_loss", "val_cell_iou", "learning_rate"]
    assert history[columns].equals(undisturbed[1][columns])


def test_a_training_that_is_stopped_while_it_validates_ends_with_the_same_bits(
    tmp_path, undisturbed, monkeypatch
):
    validated, batches = [], []

    def validate(model, tiles, loss, batch, received=()):
        validated.append(1)

        def predict(images):
            batches.append(1)
            os.kill(os.getpid(), signal.SIGTERM)
            return keras.Model.predict_on_batch(model, images)

        if len(validated) == 3:  # the first compiles
            monkeypatch.setattr(model, "predict_on_batch", predict)
        return really(model, tiles, loss, 1, received)

    really = validation.validate
    with monkeypatch.context() as patched:
        patched.setattr(loop, "validate", validate)
        with pytest.raises(checkpoints.Interrupted, match="SIGTERM after step 16"):
            run(checkpoints.Checkpoint(tmp_path, MADE_OF))
    assert len(batches) == 1, "of four"
    weights, history = run(checkpoints.Checkpoint(tmp_path, MADE_OF))
    for ours, theirs in zip(weights, undisturbed[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert history["loss"].equals(undisturbed[1]["loss"])


def test_a_finished_state_trains_no_more_and_holds_one_best_epoch(tmp_path, undisturbed, ended):
    shutil.copytree(ended, tmp_path, dirs_exist_ok=True)
    checkpoint = checkpoints.Checkpoint(tmp_path, MADE_OF)
    assert len(list(tmp_path.glob("best-*.npz"))) == 1
    whole = (tmp_path / checkpoints.STATE).stat().st_size
    checkpoint.finish()
    assert (tmp_path / checkpoints.STATE).stat().st_size < 0.1 * whole
    weights, history = run(checkpoints.Checkpoint(tmp_path, MADE_OF))
    for ours, theirs in zip(weights, undisturbed[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    columns = ["epoch", "loss", "val_loss", "val_cell_iou", "learning_rate"]
    assert history[columns].equals(undisturbed[1][columns])
    checkpoints.Checkpoint(tmp_path, MADE_OF).finish()  # of a training that was finished before


def test_the_finished_state_of_another_training_is_refused(tmp_path, caplog, ended):
    shutil.copytree(ended, tmp_path, dirs_exist_ok=True)
    checkpoints.Checkpoint(tmp_path, MADE_OF).finish()
    other = checkpoints.settings_digest({"seed": 2}, [np.zeros(3)])
    model = dropping_network()
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    progress, best = checkpoints.Checkpoint(tmp_path, other).restore(model)
    assert (progress.step, progress.finished, best) == (0, False, None)
    assert "seed was 1, is 2" in caplog.text


def saved(folder):
    """A checkpoint with the state of a network after one epoch."""
    checkpoint = checkpoints.Checkpoint(folder, MADE_OF)
    model = dropping_network()
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    progress = checkpoints.Progress(step=8, history=[[1, 0.5, 0.5, 0.5, 0.01, 1]], best=0.5, best_epoch=1)
    checkpoint.save(model, progress, model.get_weights())
    return checkpoint


def test_a_state_survives_on_disk(tmp_path):
    checkpoint = saved(tmp_path)
    model = dropping_network()
    model.set_weights([weight + 1 for weight in model.get_weights()])
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    progress, best = checkpoint.restore(model)
    assert (progress.step, progress.best_epoch, len(progress.history)) == (8, 1, 1)
    for ours, theirs in zip(model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_state_of_another_training_is_refused(tmp_path, caplog):
    saved(tmp_path)
    other = checkpoints.settings_digest({"seed": 2}, [np.ones(3)])
    model = dropping_network()
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    progress, best = checkpoints.Checkpoint(tmp_path, other).restore(model)
    assert progress.step == 0
    assert best is None
    assert "seed was 1, is 2; other images, masks or folds" in caplog.text


def test_a_damaged_state_is_told_and_not_used(tmp_path, caplog):
    checkpoint = saved(tmp_path)
    path = tmp_path / checkpoints.STATE
    path.write_bytes(path.read_bytes()[:-1000])
    model = dropping_network()
    before = model.get_weights()
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    progress, _ = checkpoint.restore(model)
    assert progress.step == 0
    assert "cannot be read" in caplog.text
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("fault", [OSError(errno.EIO, "Input/output error"), MemoryError()])
def test_a_state_that_cannot_be_read_now_is_not_thrown_away(tmp_path, monkeypatch, fault):
    checkpoint = saved(tmp_path)
    before = (tmp_path / checkpoints.STATE).read_bytes()
    model = dropping_network()
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")

    def load(path):
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(np, "load", load)
        with pytest.raises(MemoryError if isinstance(fault, MemoryError) else InputError):
            checkpoint.restore(model)
    assert (tmp_path / checkpoints.STATE).read_bytes() == before
    assert checkpoint.restore(model)[0].step == 8


def test_an_unfinished_state_of_other_settings_is_kept_once(tmp_path, caplog):
    saved(tmp_path)
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("*.npz")}
    model = dropping_network()
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    other = checkpoints.Checkpoint(tmp_path, checkpoints.settings_digest({"seed": 2}, []))
    assert other.restore(model)[0].step == 0
    aside = tmp_path / checkpoints.ASIDE
    assert f"kept in {aside}" in caplog.text
    other.save(model, checkpoints.Progress(step=1))
    checkpoints.Checkpoint(tmp_path, checkpoints.settings_digest({"seed": 3}, [])).restore(model)
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == kept
    assert len(kept) == 2
    for path in aside.iterdir():  # as the log says
        path.replace(tmp_path / path.name)
    mine = checkpoints.Checkpoint(tmp_path, MADE_OF)
    assert mine.restore(model)[0].step == 8
    mine.finish()
    assert not aside.exists()


def test_what_a_killed_job_was_writing_is_cleared_away(tmp_path):
    saved(tmp_path)
    killed = subprocess.Popen(["true"])
    killed.wait()
    part = tmp_path / f".state.{os.uname().nodename}.{killed.pid}.part.npz"
    part.write_bytes(b"half")
    checkpoints.Checkpoint(tmp_path, MADE_OF)
    assert not part.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best-1.npz", "owner.json", "state.npz"]


def test_the_older_of_two_jobs_stops(tmp_path):
    older = saved(tmp_path)
    model = dropping_network()
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    checkpoints.Checkpoint(tmp_path, MADE_OF)
    with pytest.raises(InputError, match=r"taken over by .*process \d+ on"):
        older.save(model, checkpoints.Progress())


def test_a_diverged_model_has_its_last_good_weights(monkeypatch):
    model = dropping_network()
    frames = [discs(1)]
    drawn = loop.patches.draw_batch
    calls = iter(range(10**6))

    def spoil(*arguments):
        batch = drawn(*arguments)
        return batch | ({"planes": batch["planes"] * np.nan} if next(calls) == 20 else {})

    monkeypatch.setattr(loop.patches, "draw_batch", spoil)
    with pytest.raises(loop.Diverged, match="at epoch 3, step 21"):
        loop.train(model, frames, [discs(2)], SETTINGS, seed=1)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
