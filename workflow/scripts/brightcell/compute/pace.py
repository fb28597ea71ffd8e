"""How many trainings a config asks for, and about how long they take."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from brightcell import folds
from brightcell.errors import counted
from brightcell.jobs import duration

START_S = 20  # of a training's job: to start, to load the frames, to write the model
# What `short: true` changes, besides the first seed and the first learning rate alone.
SHORT_TRAINING = {"epochs": 5, "minutes": None, "steps_per_epoch": 20, "statistics_momentum": None}


class Plan(NamedTuple):
    """The trainings of a config: how many of each network, folds over all schemes, seeds, and steps of each, at most.

    minutes : of each training, where they limit it instead of the steps
    """

    networks: dict[str, int]
    folds: int
    seeds: int
    steps: int
    minutes: float | None = None

    @property
    def number(self) -> int:
        """Return the number of trainings."""
        return sum(self.networks.values())


def plan_of(config: dict) -> Plan:
    """Count the trainings of a complete config."""
    runs = folds.trainings(config)
    networks = {name: sum(run["network"] == name for run in runs) for name in config["networks"]}
    training = config["training"]
    seeds = len(config["seeds"])
    number = len(runs) // max(1, seeds * len(networks))
    steps = training["epochs"] * training["steps_per_epoch"]
    return Plan(networks, number, seeds, steps, training["minutes"])


def in_words(plan: Plan) -> str:
    """Return the number of trainings in words.

    >>> in_words(Plan({"simple": 9, "attention": 9}, 3, 3, 5000))
    '18 trainings (2 networks × 3 folds × 3 seeds) of up to 5,000 steps'
    """
    parts = (
        counted(count, what)
        for count, what in ((len(plan.networks), "network"), (plan.folds, "fold"), (plan.seeds, "seed"))
    )
    long = f"{plan.minutes:g} min" if plan.minutes else f"up to {plan.steps:,} steps"
    return f"{counted(plan.number, 'training')} ({' × '.join(parts)}) of {long}"


def seconds(plan: Plan, step_s: Mapping[str, float], at_once: int = 1) -> float:
    """Return the time of all trainings, by the time of a step of each network; `at_once` run side by side."""
    if plan.minutes:
        each = [plan.number * (START_S + 60 * plan.minutes)]
    else:
        each = [count * (START_S + plan.steps * step_s[name]) for name, count in plan.networks.items()]
    return sum(each) / max(1, min(at_once, plan.number))


def estimate(plan: Plan, step_s: Mapping[str, float], at_once: int = 1) -> str:
    """Return how many trainings there are and how long they take, in words.

    >>> estimate(Plan({"simple": 27}, 9, 3, 5000), {"simple": 0.5})
    '27 trainings (1 network × 9 folds × 3 seeds) of up to 5,000 steps: about 19 h on this machine, less where trainings stop early'
    """
    unknown = set(plan.networks) - set(step_s)
    if unknown and not plan.minutes:
        return in_words(plan)
    side = f", {at_once} side by side" if at_once > 1 else ""
    early = "" if plan.minutes else ", less where trainings stop early"
    return f"{in_words(plan)}: about {duration(seconds(plan, step_s, at_once))} on this machine{side}{early}"


def step_seconds(recipes: Iterable[dict], steps_per_epoch: int) -> dict[str, float]:
    """Return the mean time of a step of each network, by the recipes of finished trainings.

    >>> step_seconds([{"network": "simple", "train_seconds": 50.0, "epochs_run": 5}], 20)
    {'simple': 0.5}
    """
    times: dict[str, list[float]] = {}
    for recipe in recipes:
        steps = max(1, recipe["epochs_run"] * steps_per_epoch)
        times.setdefault(recipe["network"], []).append(recipe["train_seconds"] / steps)
    return {name: sum(values) / len(values) for name, values in times.items()}


def shortened(config: dict) -> dict:
    """Return a config whose `short` is true as that of its short run, in a results folder of its own; others unchanged."""
    if not config["short"]:
        return config
    rate = config["training"]["learning_rate"]
    single = {"learning_rate": rate[0]} if isinstance(rate, list) else {}
    return config | {
        "dataset": f"{config['dataset']}_short",
        "seeds": config["seeds"][:1],
        "training": config["training"] | SHORT_TRAINING | single,
    }
