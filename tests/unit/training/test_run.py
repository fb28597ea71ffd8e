"""One training as a whole: what it is made of, what it writes, what it starts from."""

from itertools import product

import keras
import numpy as np
import pandas as pd
import pytest
from defaults import defaults

from brightcell.errors import InputError
from brightcell.nets import load_model
from brightcell.training import loop, pace
from brightcell.training.checkpoints import Checkpoint, Progress
from brightcell.training.patches import TrainingFrame
from brightcell.training.run import Run, best_rate, random_seed

SHAPE = {"filters": 2, "levels": 2, "dropout": 0.0, "outputs": 1}
SETTINGS = defaults("training", patch=16, batch_size=2, epochs=1, steps_per_epoch=2)


def frame(seed):
    labels = np.zeros((20, 20), np.int32)
    labels[4:12, 4:12] = 1
    noise = np.random.default_rng(seed).normal(0, 0.1, labels.shape)
    return TrainingFrame.from_labels((labels + noise)[..., None].astype(np.float32), labels)


def a_run(init=None, seed=1, **changes):
    shape = SHAPE | {key: changes.pop(key) for key in list(changes) if key in SHAPE}
    return Run("simple", shape, SETTINGS | changes, [frame(1)], [frame(2)], seed, "float32", init)


def test_a_model_is_written_for_frames_of_any_size_with_its_best_weights(tmp_path):
    run = a_run()
    checkpoint = Checkpoint(tmp_path / "training_state", run.made_of("abc"))
    history = run.train(checkpoint, tmp_path / "diverged.keras")
    run.save(tmp_path / "model.keras")
    written = load_model(tmp_path / "model.keras")
    assert written.input_shape == (None, None, None, 1)
    for own, other in zip(run.model.get_weights(), written.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)
    told = run.describe(history)
    assert (told["epochs_run"], told["best_epoch"], told["channels"]) == (1, 1, 1)
    assert told["parameters"] == written.count_params()
    assert not (tmp_path / "diverged.keras").exists()


def test_equal_seeds_give_equal_weights_and_digests():
    one, same = a_run(), a_run()
    for own, other in zip(one.model.get_weights(), same.model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)
    assert one.made_of("abc") == same.made_of("abc")
    differing = {
        key for key, value in a_run(gamma=1.0).made_of("xyz").items() if value != one.made_of("abc")[key]
    }
    assert differing == {"training", "code"}


def test_trainings_of_one_seed_share_no_luck():
    words = list(product((0, 1, 2**31 - 1), ("grouped", "random"), range(1, 6), ("simple", "attention")))
    numbers = [random_seed(*each) for each in words]
    assert len(set(numbers)) == len(words)
    assert all(0 <= number < 2**32 for number in numbers)
    assert numbers == [random_seed(*each) for each in words]
    one, other = (
        a_run(seed=random_seed(1, "grouped", fold, "simple")).model.get_weights()[0] for fold in (1, 2)
    )
    assert np.abs(one - other).max() > 0.1


LISTED = {"learning_rate": [0.01, 0.03, 0.001], "rate_share": 0.2, "epochs": 10}
LOSSES = {0.01: 0.3, 0.03: None, 0.001: 0.2}


@pytest.fixture
def trained(monkeypatch):
    """The settings of every training of `loop.train`, which does nothing: its losses are `LOSSES`, None diverges."""

    def train(model, frames, validation, settings, seed, checkpoint, warm):
        done.append(settings)
        assert np.array_equal(model.get_weights()[0], a_run().model.get_weights()[0]), "each from the start"
        if LOSSES[settings["learning_rate"]] is None:
            raise loop.Diverged("the loss is nan", 1, Progress(history=[[1, 9, 9, 0, 0, 7.0]]))
        history = {
            "epoch": [1, 2],
            "val_loss": [0.9, LOSSES[settings["learning_rate"]]],
            "seconds": [2.0, 3.0],
        }
        return pd.DataFrame(history)

    done = []
    monkeypatch.setattr(loop, "train", train)
    return done


def test_of_a_list_of_rates_the_one_with_the_lowest_validation_loss_is_taken(trained, tmp_path):
    run = a_run(**LISTED)
    history = run.train(Checkpoint(tmp_path, run.made_of("abc")), tmp_path / "diverged.keras")
    assert [(each["learning_rate"], each["epochs"]) for each in trained] == [
        (0.01, 2),
        (0.03, 2),
        (0.001, 2),
        (0.001, 4),
    ]
    told = run.describe(history)
    assert (told["budget"], told["learning_rate"]) == ("steps", 0.001)
    assert told["rates_tried"] == [[0.01, 0.3], [0.03, None], [0.001, 0.2]]
    assert told["train_seconds"] == 5 + 7 + 5 + 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["owner.json", "rates.json"]


def test_rates_that_were_tried_before_a_stop_are_not_tried_again(trained, tmp_path, monkeypatch):
    def stopped(*given, warm):
        if len(trained) == 1:
            raise loop.Interrupted("Stopped by SIGTERM")
        return train(*given, warm=warm)

    train = loop.train
    with monkeypatch.context() as patched:
        patched.setattr(loop, "train", stopped)
        run = a_run(**LISTED)
        with pytest.raises(loop.Interrupted):
            run.train(Checkpoint(tmp_path, run.made_of("abc")), tmp_path / "diverged.keras")
    other = a_run(**LISTED, gamma=1)
    assert Checkpoint(tmp_path, other.made_of("abc")).trials() == [], "those of another training do not count"
    run = a_run(**LISTED)
    run.train(Checkpoint(tmp_path, run.made_of("abc")), tmp_path / "diverged.keras")
    assert [each["learning_rate"] for each in trained] == [0.01, 0.03, 0.001, 0.001]
    assert run.rate == 0.001


def test_rates_that_all_diverge_are_told():
    with pytest.raises(InputError, match=r"each of training\.learning_rate, 0\.1, 0\.5\. Lower them"):
        best_rate([[0.1, None, 3.0], [0.5, None, 3.0]])


def test_a_training_after_trials_is_that_of_its_rate_alone(tmp_path):
    ends = []
    for changes in (
        LISTED | {"learning_rate": [1e-5, 0.01], "epochs": 4},
        {"learning_rate": 0.01, "epochs": 2},
    ):
        run = a_run(**changes)
        history = run.train(
            Checkpoint(tmp_path / str(len(ends)), run.made_of("abc")), tmp_path / "diverged.keras"
        )
        ends.append((run.rate, len(history), run.model.get_weights()))
    assert ends[0][:2] == ends[1][:2] == (0.01, 2)
    for one, other in zip(ends[0][2], ends[1][2], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_training_starts_from_given_weights_of_its_own_shape(tmp_path):
    source = a_run()
    source.model.set_weights([weight + 0.5 for weight in source.model.get_weights()])
    source.save(tmp_path / "source.keras")
    started = a_run(tmp_path / "source.keras")
    for own, other in zip(source.model.get_weights(), started.model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)
    with pytest.raises(InputError, match=r"source\.keras: a network of another shape .* first difference"):
        a_run(tmp_path / "source.keras", filters=3)


@pytest.fixture(autouse=True)
def _policy():
    yield
    keras.config.set_dtype_policy("float32")


def test_a_step_is_timed_on_made_up_frames():
    settings = defaults("training", patch=32, batch_size=2)
    shape = {"filters": 2, "levels": 2, "dropout": 0.0, "outputs": 2}
    assert 0 < pace.step_seconds("simple", shape, settings, 3, "float32") < 60
    frame = pace.made_up_frame(64, 3)
    assert frame.image.shape == (64, 64, 3) and frame.labels.max() == 4
