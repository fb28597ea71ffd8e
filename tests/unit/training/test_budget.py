"""The budget of a training, and the learning rate over it."""

import keras
import pytest
from discs import SETTINGS

from brightcell.training import budget

STEPS = SETTINGS | {"epochs": 10, "steps_per_epoch": 50, "schedule": "cosine", "learning_rate": 0.01}
MINUTES = STEPS | {"minutes": 2}


def test_a_budget_is_spent_in_steps_or_in_minutes():
    assert budget.spent(STEPS, 125, 1e9) == 0.25
    assert budget.spent(MINUTES, 10**9, 30) == 0.25
    assert budget.spent(MINUTES, 0, 150) == 1.25


def test_the_cosine_is_that_of_keras():
    theirs = keras.optimizers.schedules.CosineDecay(0.001, 490, 0.01, warmup_target=0.01, warmup_steps=10)
    for step in (0, 4, 10, 100, 255, 499):
        expected = float(theirs(step))
        assert budget.learning_rate(STEPS, step / 500) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("share", "rate"), [(0, 0.001), (0.01, 0.0055), (0.02, 0.01), (0.51, 0.00505), (1, 0.0001), (1.3, 0.0001)]
)
def test_the_rate_rises_falls_and_stays_low_after_the_end(share, rate):
    assert budget.learning_rate(STEPS, share) == pytest.approx(rate)
    assert budget.learning_rate(MINUTES, share) == pytest.approx(rate)
    assert budget.learning_rate(SETTINGS, share) == 0.01


@pytest.mark.parametrize(("epochs", "trial", "rest"), [(50, 5, 35), (10, 1, 7), (4, 1, 1)])
def test_trials_are_paid_out_of_the_training(epochs, trial, rest):
    listed = SETTINGS | {"learning_rate": [0.001, 0.01, 0.1], "rate_share": 0.1, "epochs": epochs}
    assert [part["epochs"] for part in budget.divide(listed)] == [trial, rest]
    assert [part["minutes"] for part in budget.divide(listed | {"minutes": 20})] == pytest.approx([2, 14])


@pytest.mark.parametrize("rate", [0.01, [0.01]])
def test_a_single_rate_needs_no_trial(rate):
    settings = SETTINGS | {"learning_rate": rate, "rate_share": 0.1}
    assert budget.rates(settings) == [0.01]
    assert budget.divide(settings)[1]["epochs"] == SETTINGS["epochs"]


@pytest.mark.parametrize(
    ("steps", "minutes", "given", "momentum"),
    [
        (999, None, None, 0.9),
        (1000, None, None, 0.99),
        (10, None, 0.99, 0.99),
        (5000, None, 0.0, 0.0),
        (5000, 5, None, 0.9),
    ],
)
def test_the_statistics_follow_a_short_training_faster(steps, minutes, given, momentum):
    settings = {"epochs": 1, "steps_per_epoch": steps, "minutes": minutes, "statistics_momentum": given}
    assert budget.statistics_momentum(settings) == momentum
