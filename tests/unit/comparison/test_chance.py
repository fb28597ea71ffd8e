"""What chance in groups, trainings and folds does to a mean: by hand, and against data that were drawn so."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as reference

from brightcell.comparison import chance


def arm(folds: list[list[list[float]]]) -> np.ndarray:
    """Scores (folds, seeds, groups) of folds that test groups of their own, given as fold → seed → values."""
    groups = [len(fold[0]) for fold in folds]
    seeds = max(len(fold) for fold in folds)
    scores, start = np.full((len(folds), seeds, sum(groups)), np.nan), 0
    for number, fold in enumerate(folds):
        scores[number, : len(fold), start : start + groups[number]] = fold
        start += groups[number]
    return scores


def test_parts_by_hand():
    # fold 1: seeds differ by 0.2 on both groups; fold 2: by 0
    scores = arm([[[0.1, 0.3], [0.3, 0.5]], [[0.4, 0.2], [0.4, 0.2]]])
    part = chance.of_trainings(scores)
    # deviations ±0.1 in fold 1: squares 0.02 over 2 degrees of freedom; weights 1/2 each, 2 seeds: Σ w² / S = 1/4
    assert part == pytest.approx((0.01 / 4, 2))
    assert chance.of_groups(np.array([0.1, 0.2, 0.3])) == pytest.approx((0.01 / 3, 2))
    assert chance.fold_weights(scores).tolist() == [0.5, 0.5]
    # the means of the folds are 0.3 and 0.3
    assert chance.between_folds(scores) == pytest.approx(0)
    assert chance.between_folds(scores + np.array([0.1, -0.1])[:, None, None]) == pytest.approx(0.01)


def test_a_single_training_a_fold_says_nothing_of_luck():
    variance, df = chance.of_trainings(arm([[[0.1, 0.3]], [[0.4, 0.2]]]))
    assert (math.isnan(variance), df) == (True, 0)
    assert math.isnan(chance.between_folds(arm([[[0.1, 0.3], [0.2, 0.4]]])))
    assert chance.of_groups(np.array([0.1])).df == 0


def test_folds_of_different_size_and_a_missing_training():
    scores = arm([[[0.1, 0.3, 0.5], [0.3, 0.5, 0.7]], [[0.4]]])
    # 3 of 4 groups: w = 3/4; deviations ±0.1; the fold of one seed counts with its weight alone
    assert chance.of_trainings(scores) == pytest.approx((0.02 * (9 / 16 / 2 + 1 / 16), 1))


@pytest.mark.parametrize(("folds", "each", "held"), [(4, 2, 3 / 7), (3, 8, 2 / 23), (1, 12, 0), (6, 1, 1)])
def test_how_much_of_the_luck_the_groups_hold_already(folds, each, held):
    scores = arm([[[0.5] * each] * 2] * folds)
    assert chance.already_in_groups(scores) == pytest.approx(held)


def test_groups_that_every_fold_tests_hold_none_of_the_luck():
    scores = np.full((3, 2, 5), 0.5)  # scheme random
    assert chance.fold_weights(scores).tolist() == pytest.approx([1 / 3] * 3)
    assert chance.already_in_groups(scores) == pytest.approx(0)


def test_one_part_gives_students_interval():
    values = np.array([0.1, 0.4, 0.2, -0.1, 0.3])
    expected = reference.ttest_1samp(values, 0)
    ends = expected.confidence_interval(0.9)
    found = chance.interval(values.mean(), chance.of_groups(values), 0.9)
    assert found == pytest.approx((ends.low, ends.high, expected.pvalue, 4))


def test_two_parts_give_welchs_test():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 5), rng.normal(1, 3, 9)
    expected = reference.ttest_ind(a, b, equal_var=False)
    whole = chance.total([chance.of_groups(a), chance.of_groups(b)])
    found = chance.interval(a.mean() - b.mean(), whole)
    assert (found.p, found.df) == pytest.approx((expected.pvalue, expected.df))


def test_equal_values_leave_no_doubt():
    assert chance.interval(0.1, chance.Part(0.0, 5))[:3] == (0.1, 0.1, 0.0)
    assert chance.interval(0.0, chance.Part(0.0, 5))[:3] == (0.0, 0.0, 1.0)
    assert np.isnan(chance.interval(0.1, chance.of_groups(np.array([0.1])))).all()


def test_folds_count_where_they_differ_by_more_than_is_known():
    known = [chance.Part(1.0, 10)] * 3
    none, some = (chance.of_folds(known, [ratio] * 3, 3, 3, sure=True) for ratio in (1.2, 6.0))
    assert [part.variance for part in none] == [0, 0, 0]
    assert some == [(5.0, 4)] * 3  # (networks − 1) × (folds − 1) degrees of freedom
    assert chance.of_folds(known, [6.0] * 3, 3, 2, sure=True)[0].variance == 0  # two folds are too few
    assert chance.of_folds(known, [1.2] * 3, 3, 2, sure=False)[0] == pytest.approx(
        (0.2, 2)
    )  # one seed: whatever they show


def test_a_mean_of_groups_in_folds_is_as_uncertain_as_it_is_drawn():
    """The expected variance, over many draws, is that of the mean: groups, trainings, and noise of each on each."""
    rng, folds, each, seeds = np.random.default_rng(2), 3, 4, 3
    means, estimates = [], []
    for _ in range(3000):
        luck, groups = rng.normal(0, 0.02, (folds, seeds, 1)), rng.normal(0, 0.03, (folds, 1, each))
        scores = arm((luck + groups + rng.normal(0, 0.01, (folds, seeds, each))).tolist())
        values = np.nanmean(scores, axis=1)
        values = values[np.isfinite(values)]
        means.append(values.mean())
        luck_part = chance.of_trainings(scores).variance * (1 - chance.already_in_groups(scores))
        estimates.append(chance.of_groups(values).variance + luck_part)
    assert np.mean(estimates) == pytest.approx(np.var(means), rel=0.08)


def test_hodges_lehmann_and_the_group_that_carries():
    assert chance.hodges_lehmann(np.array([1.0, 2.0, 9.0])) == 3.5  # of 1, 1.5, 2, 5, 5.5, 9
    values = pd.Series([0.002, 0.012, 0.005, 0.13, 0.004, 0.009], index=list("abcdef"))
    assert chance.carrier(values) == "d"
    assert chance.carrier(pd.Series([0.02, 0.03, 0.025, 0.04], index=list("abcd"))) == ""
    assert chance.carrier(pd.Series([0.02, 0.3], index=list("ab"))) == ""


def test_how_many_would_show_a_difference():
    part = chance.Part(0.01**2 / 10, 9)
    low, high = chance.needed(part, 0.0, 10, margin=0.01, alpha=0.05)
    # (z(0.975) + z(0.8))² = 7.849 groups if the spread is 0.01, times the ends of its 80 % interval
    ends = [9 / reference.chi2.ppf(tail, 9) for tail in (0.9, 0.1)]
    assert [low, high] == [math.ceil(7.849 * end) for end in ends]
    assert chance.needed(part, 1.0, 10, 0.01, 0.05) == (math.inf, math.inf)
    assert np.isnan(chance.needed(chance.Part(math.nan, 0), 0.0, 10, 0.01, 0.05)).all()
