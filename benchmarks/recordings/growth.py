"""How often the intervals of growth rates hold the true rate, beside those of a straight line through the points.

    .venv/bin/python benchmarks/recordings/growth.py

Films of cells that double in 18 hours: at random (every moment alike), or after a cycle that varies by 20 %.
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow" / "scripts"))

from brightcell.recordings.growth import growth

DOUBLING_H = 18.0
SHAPE = 25  # of a gamma distribution: varies by 1 / √25
CASES = [  # cells divide, cells at the start, frames, hours, standard deviation of the relative error of counts
    ("at random", 50, 49, 24, 0.0),
    ("at random", 50, 49, 24, 0.03),
    ("at random", 20, 25, 48, 0.05),
    ("at random", 200, 13, 12, 0.02),
    ("at random", 50, 301, 50, 0.02),
    ("after a cycle", 50, 49, 24, 0.03),
    ("after a cycle", 200, 97, 48, 0.03),
    ("never", 100, 49, 24, 0.03),
]


def births(rng: np.random.Generator, kind: str, cells: int, hours: float) -> np.ndarray:
    """Return the times at which cells divide."""
    if kind == "never":
        return np.empty(0)
    rate = math.log(2) / DOUBLING_H
    if kind == "at random":
        number = int(2 * cells * math.exp(rate * hours) + 50)
        times = np.cumsum(rng.exponential(1 / (rate * (cells + np.arange(number)))))
        return times[times < hours]
    mean = SHAPE * (2 ** (1 / SHAPE) - 1) / rate  # of the cycle at which numbers double in DOUBLING_H
    ages = -np.log2(1 - rng.random(cells) / 2)  # of a growing population, as a share of the cycle
    waiting = list((1 - ages) * rng.gamma(SHAPE, mean / SHAPE, cells))
    found = []
    while waiting:
        time = waiting.pop()
        if time < hours:
            found.append(time)
            waiting += list(time + rng.gamma(SHAPE, mean / SHAPE, 2))
    return np.sort(found)


def line(times: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the slope of a straight line."""
    fit = stats.linregress(times, np.log(counts))
    reach = stats.t.ppf(0.975, len(times) - 2) * fit.stderr
    return fit.slope - reach, fit.slope + reach


def main(films: int) -> None:
    """Print one row per case."""
    rng = np.random.default_rng(1)
    for kind, cells, frames, hours, noise in CASES:
        times = np.linspace(0, hours, frames)
        true = 0.0 if kind == "never" else math.log(2) / DOUBLING_H
        held = np.zeros(2)
        for _ in range(films):
            counts = cells + np.searchsorted(births(rng, kind, cells, hours), times)
            counts = np.maximum(1, np.round(counts * np.exp(rng.normal(0, noise, frames))))
            grown = growth(times, counts, counts)
            low, high = line(times, counts)
            held += [grown.low <= true <= grown.high, low <= true <= high]
        ours, lines = 100 * held / films
        print(
            f"| {kind} | {cells} | {frames} | {hours} | {100 * noise:.0f} % | {ours:.0f} % | {lines:.0f} % |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=400, help="films of a case")
    main(parser.parse_args().films)
