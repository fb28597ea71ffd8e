"""How many trainings there are, how long they take, and the short run."""

from defaults import defaults

from brightcell.compute import pace


def config(**changes):
    """What counts trainings: five folds by group, two at random."""
    return {
        "dataset": "mine",
        "short": False,
        "networks": ["simple", "attention"],
        "seeds": [1, 2, 3],
        "folds": {"schemes": ["grouped", "random"], "number": 5},
        "training": defaults("training", epochs=10, steps_per_epoch=100),
    } | changes


def test_trainings_are_counted_over_schemes_folds_and_seeds():
    plan = pace.plan_of(config())
    assert plan == pace.Plan({"simple": 30, "attention": 30}, 10, 3, 1000)
    assert pace.in_words(plan) == "60 trainings (2 networks × 10 folds × 3 seeds) of up to 1,000 steps"
    one = pace.plan_of(config(networks=["simple"], seeds=[7], folds={"schemes": ["sheet"], "number": 5}))
    assert pace.in_words(one) == "1 training (1 network × 1 fold × 1 seed) of up to 1,000 steps"


def test_time_is_that_of_all_networks_or_of_those_side_by_side():
    plan = pace.Plan({"simple": 3, "attention": 1}, 1, 1, 1000)
    alone = 3 * (pace.START_S + 500) + pace.START_S + 2000
    assert pace.seconds(plan, {"simple": 0.5, "attention": 2}) == alone
    assert pace.seconds(plan, {"simple": 0.5, "attention": 2}, 2) == alone / 2
    assert pace.seconds(plan, {"simple": 0.5, "attention": 2}, 99) == alone / 4
    assert "about 60 min on this machine, less" in pace.estimate(plan, {"simple": 0.5, "attention": 2})
    assert "about 30 min on this machine, 2 side by side" in pace.estimate(
        plan, {"simple": 0.5, "attention": 2}, 2
    )
    assert "about" not in pace.estimate(plan, {"simple": 0.5})  # a network that was not measured


def test_trainings_by_time_need_no_pace():
    plan = pace.plan_of(config(training=defaults("training", minutes=2.5)))
    assert pace.in_words(plan) == "60 trainings (2 networks × 10 folds × 3 seeds) of 2.5 min"
    assert pace.seconds(plan, {}, 2) == 30 * (pace.START_S + 150)
    assert pace.estimate(plan, {}).endswith("on this machine")


def test_a_short_run_counts_steps_and_tries_no_rates():
    long = defaults("training", minutes=60, learning_rate=[0.01, 0.001])
    short = pace.shortened(config(short=True, training=long))["training"]
    assert (short["minutes"], short["epochs"], short["learning_rate"]) == (None, 5, 0.01)


def test_a_short_run_has_a_folder_and_a_plan_of_its_own():
    assert pace.shortened(config()) == config()
    short = pace.shortened(config(short=True))
    assert (short["dataset"], short["seeds"]) == ("mine_short", [1])
    assert pace.plan_of(short).steps == 100
    kept = {key: value for key, value in short["training"].items() if key not in pace.SHORT_TRAINING}
    assert all(config()["training"][key] == value for key, value in kept.items())
