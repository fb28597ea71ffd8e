"""Estimate how fast the cells of a film multiply, and how sure that is.

The logarithm of the number of cells is a straight line in time, with two kinds of deviation. Cells that divide early or late
by chance stay in the film: such deviations add up, and are larger where cells are few. Cells that the segmentation misses
or invents are there again in the next frame. A line through all points (least squares) takes the first kind for the second,
and its interval is far too narrow. Here the line is estimated from the steps between frames, whose covariance holds both, and
the interval is averaged over all shares that the two may have, each with its likelihood.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize, special

FEWEST_FRAMES = 6
FEWEST_CELLS = 10.0  # in the median frame
SHARES = np.linspace(0.005, 0.995, 40)  # of the first kind of deviation
MOST_POINTS = 200  # more frames are averaged in runs of equal length


class Growth(NamedTuple):
    """A growth rate, 1 / unit of time, with the ends of its interval; and why there is none, in words."""

    rate: float
    low: float
    high: float
    why: str = ""


def unseen(why: str) -> Growth:
    """Return the growth of a film in which it cannot be seen."""
    return Growth(math.nan, math.nan, math.nan, why)


def growth(times: np.ndarray, sizes: np.ndarray, counts: np.ndarray, confidence: float = 0.95) -> Growth:
    """Estimate the exponential growth rate of what is counted or measured in the frames of a film.

    Parameters
    ----------
    times : (frames,)
        In any unit, rising.
    sizes : (frames,)
        What grows: the number of cells, or the area that they cover.
    counts : (frames,)
        The number of cells.

    The doubling time is ln 2 / rate.
    """
    seen = (np.asarray(sizes) > 0) & (np.asarray(counts) > 0)
    times, sizes, counts = (np.asarray(each, float)[seen] for each in (times, sizes, counts))
    if len(times) < FEWEST_FRAMES:
        return unseen(f"fewer than {FEWEST_FRAMES} frames with cells")
    if np.median(counts) < FEWEST_CELLS:
        return unseen(f"fewer than {FEWEST_CELLS:.0f} cells in the median frame")
    runs = np.arange(len(times)) * min(len(times), MOST_POINTS) // len(times)
    times, logs = (np.bincount(runs, each) / np.bincount(runs) for each in (times, np.log(sizes)))
    slope, start = np.polyfit(times, np.log(np.bincount(runs, counts) / np.bincount(runs)), 1)
    expected = np.exp(start + slope * (times[1:] + times[:-1]) / 2)
    return _estimate(np.diff(times), np.diff(logs), np.diff(times) / expected, confidence)


def _estimate(spans: np.ndarray, steps: np.ndarray, drifts: np.ndarray, confidence: float) -> Growth:
    """Estimate the rate in steps = rate × spans + drift + noise that is the difference of what two frames have.

    drifts : variance of the drift of each step, up to a factor
    """
    df = len(steps) - 1
    drifts = drifts / drifts.mean()
    rates, errors, weights = [], [], []
    for share in SHARES:
        banded = np.zeros((2, len(steps)))
        banded[0, 1:] = -(1 - share) / 2  # noise counts in both steps of a frame
        banded[1] = share * drifts + (1 - share)
        factor = linalg.cholesky_banded(banded)
        by_spans, by_steps = (linalg.cho_solve_banded((factor, False), each) for each in (spans, steps))
        information = spans @ by_spans
        rate = by_spans @ steps / information
        squares = float((steps - rate * spans) @ (by_steps - rate * by_spans))
        rates.append(rate)
        errors.append(math.sqrt(max(squares, 0.0) / df / information))
        weights.append(
            -np.log(factor[1]).sum() - math.log(information) / 2 - df / 2 * math.log(max(squares, 1e-300))
        )
    middle, error = np.array(rates), np.array(errors)
    weight = np.exp(np.array(weights) - max(weights))
    weight /= weight.sum()
    rate = float(weight @ middle)
    if error.max() <= 1e-12 * abs(rate):
        return Growth(rate, rate, rate)

    def below(value: float, quantile: float) -> float:
        return float(weight @ special.stdtr(df, (value - middle) / error)) - quantile

    far = 1e3 * error.max() + np.ptp(middle)
    ends = [
        optimize.brentq(below, rate - far, rate + far, args=(quantile,))
        for quantile in ((1 - confidence) / 2, (1 + confidence) / 2)
    ]
    return Growth(rate, *ends)
