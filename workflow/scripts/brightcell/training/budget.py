"""What a training may spend, steps or minutes, and the learning rate on the way."""

import math

WARMUP = 0.02  # share of the budget over which the cosine schedule rises
LEAST = 0.01  # share of the learning rate at which it ends


def steps_of(settings: dict) -> int | None:
    """Return the number of steps of a training; None where `training.minutes` limits its time instead."""
    return None if settings["minutes"] else settings["epochs"] * settings["steps_per_epoch"]


def spent(settings: dict, steps: int, seconds: float) -> float:
    """Return which share of its budget a training has spent after so many steps and seconds; above 1 if more."""
    whole = steps_of(settings)
    return steps / whole if whole else seconds / (60 * settings["minutes"])


def rates(settings: dict) -> list[float]:
    """Return the learning rates of the settings, one or a list."""
    given = settings["learning_rate"]
    return given if isinstance(given, list) else [given]


def divide(settings: dict) -> tuple[dict, dict]:
    """Divide the budget between trials of learning rates and the training: return the settings of a trial and of the rest.

    Each rate of a list has `rate_share` of the epochs, one at least, or of the minutes. A single rate needs no trial.
    """
    tried, share = len(rates(settings)), settings["rate_share"]
    if tried == 1:
        return settings, settings
    if settings["minutes"]:
        whole = settings["minutes"]
        return settings | {"minutes": whole * share}, settings | {"minutes": whole * (1 - tried * share)}
    trial = max(1, round(settings["epochs"] * share))
    return settings | {"epochs": trial}, settings | {"epochs": settings["epochs"] - tried * trial}


def learning_rate(settings: dict, share: float) -> float:
    """Return the learning rate after a share of the budget, by `training.schedule`.

    `constant` stays; `cosine` rises over the first WARMUP from a tenth, then falls by a cosine to LEAST (Loshchilov &
    Hutter 2017, arXiv 1608.03983).
    """
    rate = settings["learning_rate"]
    if settings["schedule"] == "constant":
        return rate
    if share < WARMUP:
        return rate * (0.1 + 0.9 * share / WARMUP)
    fallen = min((share - WARMUP) / (1 - WARMUP), 1)
    return rate * (LEAST + (1 - LEAST) * (1 + math.cos(math.pi * fallen)) / 2)


def statistics_momentum(settings: dict) -> float:
    """Return the momentum of the batch statistics; where the config has none, 0.99, but 0.9 for less than 1,000 steps.

    With Keras' 0.99 the statistics lag behind a network that learns for a few hundred steps only. How many a training of
    some minutes will have is not known: it takes 0.9.
    """
    if settings["statistics_momentum"] is not None:
        return settings["statistics_momentum"]
    steps = steps_of(settings)
    return 0.99 if steps and steps >= 1000 else 0.9


def shorter(training: dict, retrain: dict) -> dict:
    """Return the settings of a training that goes on; training, retrain : of the config.

    >>> given = {"epochs": 50, "minutes": None, "learning_rate": 0.003, "patch": 64}
    >>> shorter(given, {"length": 0.2, "rate": 0.1, "share": 0.5})
    {'epochs': 10, 'minutes': None, 'learning_rate': 0.0003, 'patch': 64}
    """
    rates = training["learning_rate"]
    slower = (
        [rate * retrain["rate"] for rate in rates] if isinstance(rates, list) else rates * retrain["rate"]
    )
    return training | {
        "epochs": max(1, round(training["epochs"] * retrain["length"])),
        "minutes": training["minutes"] and training["minutes"] * retrain["length"],
        "learning_rate": [float(f"{rate:.6g}") for rate in slower]
        if isinstance(slower, list)
        else float(f"{slower:.6g}"),
    }
