"""Growth rates of films: exact ones, chance in divisions and in what is found, and films in which nothing can be seen."""

import math

import numpy as np
import pytest

from brightcell.recordings.growth import growth

HOURS = np.linspace(0, 48, 97)
RATE = math.log(2) / 18


def births(rng, cells, times, rate=RATE):
    """Numbers of cells that divide at random (a Yule process)."""
    now, born, number = 0.0, [], cells
    while now <= times[-1]:
        now += rng.exponential(1 / (rate * number))
        born.append(now)
        number += 1
    return cells + np.searchsorted(born, times)


def test_an_exact_exponential_has_its_rate_and_no_doubt():
    sizes = 50 * np.exp(RATE * HOURS)
    grown = growth(HOURS, sizes, sizes)
    assert grown.rate == pytest.approx(RATE, rel=1e-9)
    assert grown.high - grown.low < 1e-6


def test_what_grows_may_be_an_area():
    counts = np.full(len(HOURS), 30)
    grown = growth(HOURS, 4 * np.exp(RATE * HOURS), counts)
    assert grown.rate == pytest.approx(RATE, rel=1e-9)


@pytest.mark.parametrize(("cells", "frames", "noise"), [(50, 49, 0.0), (20, 25, 0.05), (200, 13, 0.02)])
def test_intervals_hold_the_true_rate_as_often_as_they_say(cells, frames, noise):
    """Of 200 films of dividing cells, some of which the segmentation misses or invents."""
    rng = np.random.default_rng(1)
    times = np.linspace(0, 30, frames)
    held, rates = 0, []
    for _ in range(200):
        counts = np.maximum(1, np.round(births(rng, cells, times) * np.exp(rng.normal(0, noise, frames))))
        grown = growth(times, counts, counts)
        held += grown.low <= RATE <= grown.high
        rates.append(grown.rate)
    assert held >= 180
    assert np.mean(rates) == pytest.approx(RATE, rel=0.04)


def test_the_interval_is_wider_than_that_of_a_line_through_the_points():
    """A division that comes early is there in all later frames: the points are not independent."""
    counts = births(np.random.default_rng(3), 30, HOURS)
    grown = growth(HOURS, counts, counts)
    _, covariance = np.polyfit(HOURS, np.log(counts), 1, cov=True)
    assert grown.high - grown.low > 3 * 2 * 1.98 * math.sqrt(covariance[0, 0])


def test_cells_that_do_not_grow_have_an_interval_around_zero():
    counts = np.round(100 * np.exp(np.random.default_rng(2).normal(0, 0.03, len(HOURS))))
    grown = growth(HOURS, counts, counts)
    assert grown.low < 0 < grown.high


def test_frames_at_odd_times_and_frames_without_cells_are_no_harm():
    times = np.sort(np.random.default_rng(5).uniform(0, 48, 60))
    sizes = 50 * np.exp(RATE * times)
    sizes[[7, 30]] = 0
    assert growth(times, sizes, sizes).rate == pytest.approx(RATE, rel=1e-9)


def test_many_frames_are_no_harm():
    times = np.linspace(0, 48, 100_000)
    counts = 50 * np.exp(RATE * times)
    assert growth(times, counts, counts).rate == pytest.approx(RATE, rel=1e-6)


@pytest.mark.parametrize(
    ("counts", "why"),
    [([40, 50, 60, 70, 80], "fewer than 6 frames"), ([2, 3, 3, 4, 4, 5, 6], "fewer than 10 cells"), ([0] * 9, "6 frames")],
)  # fmt: skip
def test_films_in_which_growth_cannot_be_seen_say_why(counts, why):
    grown = growth(np.arange(len(counts)), counts, counts)
    assert math.isnan(grown.rate) and math.isnan(grown.low)
    assert why in grown.why
