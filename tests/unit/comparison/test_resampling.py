import numpy as np
import pytest

from brightcell.comparison.resampling import bootstrap_interval, sign_flip_test, smallest_p


@pytest.mark.parametrize("groups", [1, 2, 5, 10, 16])
def test_p_of_differences_of_one_sign(groups):
    differences = np.linspace(0.1, 0.9, groups)
    assert sign_flip_test(differences) == (2 / 2**groups, 2 / 2**groups)
    assert sign_flip_test(-differences) == sign_flip_test(differences)


def test_p_by_hand():
    # sums of ±1 ±2 ±3 of 4 and more in size: 6, 4 and their negatives
    assert sign_flip_test(np.array([-1, 2, 3]))[0] == 4 / 8
    assert sign_flip_test(np.zeros(4))[0] == 1
    # equal sums in spite of rounding: 0.1 + 0.2 - 0.3
    assert sign_flip_test(np.array([0.1, 0.2, -0.3]))[0] == 1


def test_p_of_many_groups_is_drawn():
    p, smallest = sign_flip_test(np.full(30, 0.1), draws=999)
    assert p == smallest == 1 / 1000
    # the sum of 20 equal differences with 13 positive: p of the sign test, 0.263
    differences = np.where(np.arange(20) < 13, 1.0, -1.0)
    assert sign_flip_test(differences, draws=40_000, seed=4)[0] == pytest.approx(0.2632, abs=0.01)


def test_interval_of_a_constant_is_a_point():
    assert bootstrap_interval(np.full(7, 0.1)) == (0.1, 0.1)


def test_interval_needs_two_groups():
    assert np.isnan(bootstrap_interval(np.array([0.4]))).all()
    assert np.isnan(bootstrap_interval(np.array([]))).all()


def test_interval_of_two_groups_is_their_range():
    assert bootstrap_interval(np.array([0.2, 0.6])) == (0.2, 0.6)


def test_interval_of_many_groups_is_that_of_theory():
    values = np.random.default_rng(2).normal(5, 1, 400)
    low, high = bootstrap_interval(values, draws=20_000)
    error = 1.966 * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.01)


def test_interval_is_reproducible_and_narrows_with_confidence():
    values = np.random.default_rng(3).normal(size=12)
    wide, narrow = (bootstrap_interval(values, 3000, confidence) for confidence in (0.95, 0.8))
    assert wide == bootstrap_interval(values, 3000, 0.95)
    assert wide[0] < narrow[0] < values.mean() < narrow[1] < wide[1]


def test_draws_beyond_a_block_of_memory():
    values = np.random.default_rng(3).normal(size=4)
    few, many = (bootstrap_interval(values, draws) for draws in (60_000, 150_000))
    assert many == pytest.approx(few, abs=0.05)


def test_intervals_are_as_wide_as_those_of_the_t_distribution():
    values = np.random.default_rng(4).normal(size=(30, 12))
    intervals = np.array([bootstrap_interval(row, draws=10_000) for row in values])
    expected = 2 * 2.2010 * values.std(axis=1, ddof=1) / np.sqrt(12)  # t(11) at 97.5 %
    # plain percentiles come to 0.85 of it, those of the t distribution alone to 0.95
    assert ((intervals[:, 1] - intervals[:, 0]) / expected).mean() == pytest.approx(0.99, abs=0.015)


@pytest.mark.parametrize("groups", [6, 8, 12, 30])
def test_intervals_cover_the_true_mean(groups):
    values = np.random.default_rng(groups).normal(0.8, 0.05, (3000, groups))
    intervals = np.array([bootstrap_interval(row, draws=1000) for row in values])
    covered = ((intervals[:, 0] <= 0.8) & (intervals[:, 1] >= 0.8)).mean()
    # the plain percentile interval covers 0.85 with 6 groups and 0.90 with 12
    assert 0.92 <= covered <= 0.98


@pytest.mark.parametrize("groups", [6, 8, 12, 30])
def test_the_test_rejects_no_more_than_it_says(groups):
    values = np.random.default_rng(groups).normal(0, 0.05, (2000, groups))
    p = np.array([sign_flip_test(row, draws=1000)[0] for row in values])
    # exact up to 16 groups: a true null is rejected in 5 % at most, but for the 2,000 draws
    assert (p <= 0.05).mean() <= 0.06
    assert (p <= 0.5).mean() == pytest.approx(0.5, abs=0.05)


def test_the_test_finds_what_is_there():
    values = np.random.default_rng(5).normal(0.05, 0.05, (300, 12))
    p = np.array([sign_flip_test(row)[0] for row in values])
    # the t test's power for an effect of one standard deviation and 12 groups is 0.88
    assert (p <= 0.05).mean() == pytest.approx(0.88, abs=0.06)


def test_smallest_p_is_reached():
    for groups in (1, 5, 16, 17, 40):
        assert sign_flip_test(np.ones(groups), draws=500) == (smallest_p(groups, 500),) * 2
