"""Training: the loss against its formula, and that a small network learns what can be learned."""

import os
import signal

import keras
import numpy as np
import pytest
from discs import SETTINGS, discs
from gradients import expected_gradient, focal_gradient

from brightcell.errors import InputError
from brightcell.nets import unet
from brightcell.training import loop, loss, validation


def network(outputs=1):
    keras.utils.set_random_seed(1)
    return unet.build_unet("simple", (32, 32, 1), filters=4, levels=3, outputs=outputs)


def test_focal_loss_equals_keras_on_0_and_1():
    rng = np.random.default_rng(0)
    truth = (rng.uniform(size=(2, 5, 5, 1)) > 0.5).astype(np.float32)
    logits = rng.uniform(-5, 5, size=truth.shape).astype(np.float32)
    ours = loss.SegmentationLoss(gamma=2)(truth, logits)
    theirs = keras.losses.BinaryFocalCrossentropy(gamma=2, from_logits=True)(truth, logits)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


def test_gamma_0_is_cross_entropy():
    truth, logit = np.ones((1, 1, 1, 1), np.float32), np.full((1, 1, 1, 1), -np.log(3), np.float32)  # 0.25
    assert float(loss.SegmentationLoss(gamma=0)(truth, logit)) == pytest.approx(np.log(4), rel=1e-5)


@pytest.mark.parametrize("gamma", [0, 1, 2, 2.5])
def test_the_gradient_of_the_focal_loss_is_that_of_its_formula(gamma):
    truth, logits, found = focal_gradient(gamma)
    np.testing.assert_allclose(found, expected_gradient(truth, logits, gamma), rtol=2e-4, atol=1e-7)
    assert found[(truth == 0) & (logits > 16)] == pytest.approx(1, rel=1e-4)
    assert found[(truth == 1) & (logits < -16)] == pytest.approx(-1, rel=1e-4)


@pytest.mark.parametrize("name", unet.ARCHITECTURES)
def test_without_its_sigmoid_a_network_gives_logits_from_the_same_weights(name):
    model = unet.build_unet(name, (16, 16, 1), filters=2, levels=2, outputs=2)
    bare = loss.without_sigmoid(model)
    for own, other in zip(model.get_weights(), bare.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)
    image = np.random.default_rng(0).normal(size=(1, 16, 16, 1)).astype(np.float32)
    logits = bare.predict_on_batch(image)
    assert logits.min() < 0 < logits.max()
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), model.predict_on_batch(image), atol=1e-5)


def test_distance_adds_its_weighted_square():
    truth = np.array([[[[1.0, 0.8]]]], np.float32)
    predicted = np.array([[[[20.0, 0.0]]]], np.float32)  # 1 and 0.5
    found = loss.SegmentationLoss(distance_weight=2.0)(truth, predicted)
    assert float(found) == pytest.approx(2 * 0.3**2, abs=1e-5)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_small_network_learns_discs(outputs):
    model = network(outputs)
    history = loop.train(model, [discs(1), discs(2)], [discs(3)], SETTINGS, seed=1)
    assert list(history.columns) == ["epoch", "loss", "val_loss", "val_cell_iou", "learning_rate", "seconds"]
    assert history["val_loss"].iloc[-1] < history["val_loss"].iloc[0]
    assert history["val_cell_iou"].max() > 0.8


def test_the_best_epoch_is_restored_and_patience_stops():
    model = network()
    settings = SETTINGS | {"patience": 2, "epochs": 40, "learning_rate": 0.05}
    history = loop.train(model, [discs(1)], [discs(3)], settings, seed=1)
    assert len(history) < 40
    assert history["epoch"].iloc[-1] - history.loc[history["val_loss"].idxmin(), "epoch"] == 2
    tiles = validation.validation_tiles([discs(3)], 32, 1)
    best, _ = validation.validate(loss.without_sigmoid(model), tiles, loss.SegmentationLoss(), 4)
    assert best == pytest.approx(history["val_loss"].min(), rel=1e-3)


def test_a_seed_trains_the_same_network():
    runs = [
        loop.train(network(), [discs(1)], [discs(2)], SETTINGS | {"epochs": 2}, seed) for seed in (5, 5, 6)
    ]
    np.testing.assert_allclose(runs[0]["loss"], runs[1]["loss"], rtol=1e-4)
    assert abs(runs[0]["loss"].iloc[-1] - runs[2]["loss"].iloc[-1]) > 1e-4


def test_the_loss_of_an_epoch_is_the_mean_of_its_steps(monkeypatch):
    class Counting(loop.train_step.KerasSteps):
        def __call__(self, images, targets, rate):
            self.number = getattr(self, "number", 0) + 1
            return float(self.number)

    monkeypatch.setattr(loop.train_step, "stepper", Counting)
    history = loop.train(network(), [discs(1)], [discs(2)], SETTINGS | {"epochs": 2}, seed=1)
    assert history["loss"].tolist() == [4.5, 12.5]


def test_a_diverging_loss_is_told():
    spoilt = discs(1)
    spoilt.image[:] = np.nan
    with pytest.raises(InputError, match=r"diverged.*Lower training\.learning_rate"):
        loop.train(network(), [spoilt], [discs(2)], SETTINGS, seed=1)


def test_a_loss_that_stays_high_is_told():
    settings = SETTINGS | {"learning_rate": 1e6, "schedule": "cosine"}
    with pytest.raises(
        loop.Diverged, match=r"for three epochs the loss has been above .* epoch 3, step 24"
    ) as told:
        loop.train(network(), [discs(1)], [discs(2)], settings, seed=1)
    assert told.value.best_epoch in (1, 2)


@pytest.mark.parametrize(
    ("losses", "first", "told"),
    [
        ([4, 4, 4], 0.2, True),
        ([4, 4], 0.2, False),
        ([0.1, 4, 4], 0.2, False),
        ([4, 4, 0.3], 0.2, False),
        ([4, 3.9, 3.8], 3.5, False),  # weights to start from that know less than nothing of these images
        ([9, 8, 7.1], 3.5, True),
        ([0.34, 0.33, 0.34], 0.01, False),
    ],
)
def test_three_epochs_far_above_the_start_are_too_many(losses, first, told):
    history = [[epoch, loss, 1, 1, 1, 1] for epoch, loss in enumerate(losses[:-1], 1)]
    progress = loop.Progress(history=history, first=first)
    assert bool(loop.stays_high(losses[-1], progress, loss.SegmentationLoss(), 1)) == told


def test_all_batch_statistics_get_the_momentum_of_the_settings():
    settings = SETTINGS | {"statistics_momentum": 0.7}
    model = loop.prepare(unet.build_unet("simple", (16, 16, 1), filters=2, levels=2), settings)
    normalising = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {layer.momentum for layer in normalising} == {0.7}


@pytest.fixture
def clock(monkeypatch):
    """A clock in place of the computer's: a step takes 1 s, the first of a process 101 s, a validation 3 s."""

    class Ticking(loop.train_step.KerasSteps):
        compiled = False

        def __call__(self, images, targets, rate):
            now[0] += 1 if self.compiled else 101
            self.compiled = True
            rates.append(rate)
            return 0.5

    def validate(*_):
        now[0] += 3
        return 0.1, 0.9

    now, rates = [1000.0], []
    monkeypatch.setattr(loop.train_step, "stepper", Ticking)
    monkeypatch.setattr(loop, "validate", validate)
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])
    return rates


MINUTE = SETTINGS | {"minutes": 1, "steps_per_epoch": 10, "schedule": "cosine", "patience": 1}


def test_a_training_by_time_ends_with_its_minutes(clock):
    history = loop.train(network(), [discs(1)], [discs(2)], MINUTE, seed=1)
    # 9 s (the first step compiles) and 3, then three times 10 and 3, then 6 and 3: no time for a step and 3 more
    assert history["seconds"].tolist() == [12, 13, 13, 13, 9]


@pytest.mark.parametrize(("number", "steps"), [(3, 47), (14, 47), (45, 46)])
def test_a_training_that_was_stopped_has_the_same_minutes(clock, tmp_path, monkeypatch, number, steps):
    def stop(*_):
        if len(clock) == number:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop.budget, "learning_rate", lambda *_: stop() or 0.01)
    given = network(), [discs(1)], [discs(2)], MINUTE, 1
    with pytest.raises(loop.Interrupted):
        loop.train(*given, loop.Checkpoint(tmp_path, {}))
    assert len(clock) == number + 1
    history = loop.train(*given, loop.Checkpoint(tmp_path, {}))
    assert history["seconds"].sum() == 60
    assert len(clock) == steps, "46 without the stop; the first step of each process is not counted"
    loop.Checkpoint(tmp_path, {}).finish()
    assert len(loop.train(*given, loop.Checkpoint(tmp_path, {}))) == len(history)
    assert len(clock) == steps


def test_the_rate_of_a_training_by_time_falls_over_the_time(clock):
    loop.train(network(), [discs(1)], [discs(2)], MINUTE, seed=1)
    assert clock[0] == pytest.approx(0.001)
    expected = [loop.budget.learning_rate(MINUTE, second / 60) for second in range(9)]
    assert clock[1:10] == pytest.approx(expected)
    assert clock[-1] < 0.001


def test_validation_counts_every_pixel_once():
    images, targets, counts = validation.validation_tiles([discs(1)], 48, 2)
    assert images.shape == (4, 48, 48, 1)
    assert targets.shape == (4, 48, 48, 2)
    assert counts.sum() == 64 * 64


def test_unbiased_statistics_are_those_of_the_data():
    inputs = keras.Input((None, None, 1))
    model = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))
    data = np.random.default_rng(0).normal(5, 3, (8, 16, 16, 1)).astype(np.float32)
    for _ in range(3):
        model(data, training=True)
    _, _, mean, variance = loop.unbiased_weights(model, 3)
    assert mean[0] == pytest.approx(data.mean(), rel=1e-4)
    assert variance[0] == pytest.approx(data.var(), rel=1e-3)


def test_pixels_that_do_not_count_have_no_loss_and_no_gradient():
    truth = np.zeros((1, 2, 2, 2), np.float32)
    truth[..., 0] = [[[1, 0], [-1, -1]]]
    truth[0, 1, :, 1] = 0.7
    predicted = np.full((1, 2, 2, 2), 0.25, np.float32)
    found = keras.ops.convert_to_numpy(loss.SegmentationLoss().call(truth, predicted))[0]
    assert (found[0] > 0).all()
    assert found[1].tolist() == [0, 0]
    np.testing.assert_allclose(
        found[0],
        keras.ops.convert_to_numpy(loss.SegmentationLoss().call(truth[:, :1], predicted[:, :1]))[0, 0],
    )


def test_validation_leaves_out_pixels_that_do_not_count():
    frame = discs(1)
    labels = frame.labels.copy()
    labels[: len(labels) // 2] = -1
    part = type(frame).from_labels(frame.image, labels)
    _, _, counts = validation.validation_tiles([part], 48, 2)
    assert counts.sum() == (labels >= 0).sum()
