import math

import numpy as np
import pytest
from scipy import stats as reference

from brightcell.comparison.resampling import sign_flip_test
from brightcell.comparison.significance import equivalence, groups_needed, holm, nadeau_bengio, t_test_power


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.5, 0.6])).tolist() == [1, 1]
    np.testing.assert_allclose(holm(np.array([0.02, np.nan, 0.01])), [0.02, np.nan, 0.02])
    assert np.isnan(holm(np.array([np.nan]))).all()


def correlated(simulations, folds, correlation, rng):
    """Differences of trainings that share frames: variance 1, every two correlated, mean 0."""
    common = rng.normal(size=(simulations, 1))
    own = rng.normal(size=(simulations, folds))
    return math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own


def test_without_shared_frames_it_is_the_t_test():
    values = np.array([0.1, 0.4, 0.2, -0.1, 0.3])
    expected = reference.ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.9)
    assert nadeau_bengio(values, ratio=0, confidence=0.9) == pytest.approx(
        (interval.low, interval.high, expected.pvalue)
    )


def test_corrected_t_by_hand():
    # mean 0.2, variance 0.01, n = 3, ratio 1/2: error sqrt((1/3 + 1/2) × 0.01), t(2) at 97.5 % is 4.3027
    reach = 4.302652730 * math.sqrt(0.01 * 5 / 6)
    low, high, _ = nadeau_bengio(np.array([0.1, 0.2, 0.3]), ratio=0.5)
    assert (low, high) == pytest.approx((0.2 - reach, 0.2 + reach))


@pytest.mark.parametrize(("folds", "seeds"), [(5, 1), (4, 3), (10, 3)])
def test_corrected_t_holds_its_level_where_the_plain_one_does_not(folds, seeds):
    # trainings are correlated by test / (test + train) frames (Nadeau & Bengio 2003, section 3)
    ratio = 1 / (folds - 1)
    values = correlated(4000, folds * seeds, ratio / (1 + ratio), np.random.default_rng(folds))
    results = np.array([nadeau_bengio(row, ratio) for row in values])
    covered = (results[:, 0] <= 0) & (results[:, 1] >= 0)
    assert covered.mean() == pytest.approx(0.95, abs=0.03)
    assert (results[:, 2] <= 0.05).mean() <= 0.06
    plain = reference.ttest_1samp(values, 0, axis=1).pvalue
    assert (plain <= 0.05).mean() > 0.1


@pytest.mark.parametrize(("values", "ratio"), [([], 0.5), ([0.1], 0.5), ([0.1, 0.2], math.nan)])
def test_nothing_is_said_of_one_training_or_an_unknown_ratio(values, ratio):
    assert np.isnan(nadeau_bengio(np.array(values), ratio)).all()


def test_equal_differences_leave_no_doubt():
    assert nadeau_bengio(np.zeros(4), 0.5) == (0, 0, 1)
    assert nadeau_bengio(np.full(4, 0.25), 0.5) == (0.25, 0.25, 0)


@pytest.mark.parametrize(
    ("low", "high", "judged"),
    [
        (-0.01, 0.01, "equivalent"),
        (0.002, 0.009, "equivalent"),  # shown to differ, by less than matters
        (0.011, 0.02, "different"),
        (-0.03, -0.011, "different"),
        (-0.011, 0.0, "undecided"),
        (0.005, 0.02, "undecided"),
        (-0.5, 0.5, "undecided"),
        (math.nan, math.nan, "undecided"),
    ],
)
def test_equivalence_is_read_off_the_interval(low, high, judged):
    assert equivalence(low, high, 0.01) == judged
    assert equivalence(low, high, 0.01, enough=False) == "undecided"


def test_power_of_the_t_test_by_tables():
    # as Cohen 1988 has it for one sample, two-sided 5 %: d = 0.5 needs 34, d = 0.8 needs 15
    assert t_test_power(33, 0.5) < 0.8 <= t_test_power(34, 0.5)
    assert t_test_power(14, 0.8) < 0.8 <= t_test_power(15, 0.8)


def test_groups_needed_come_from_the_spread():
    values = np.array([0.03, -0.01, 0.02, 0.0])  # standard deviation 0.01826
    needed = groups_needed(values, 0.01)
    effect = 0.01 / values.std(ddof=1)
    assert t_test_power(int(needed) - 1, effect) < 0.8 <= t_test_power(int(needed), effect)
    assert groups_needed(values + 5, 0.01) == needed  # not from the mean
    assert groups_needed(10 * values, 0.1) == needed
    assert groups_needed(values, 0.01, alpha=0.05 / 3) > needed


def test_as_many_groups_as_suffice_find_the_difference():
    spread = np.array([0.012, -0.012, 0.012, -0.012])
    number = int(groups_needed(spread, 0.01))
    assert number == 18
    drawn = np.random.default_rng(3).normal(0.01, spread.std(ddof=1), (1000, number))
    found = np.mean([sign_flip_test(row, draws=2000)[0] <= 0.05 for row in drawn])
    assert found == pytest.approx(0.8, abs=0.05)


def test_no_fewer_groups_than_the_test_can_use():
    # 2 / 2^6 is the first below 0.05, 2 / 2^7 below 0.05 / 3
    assert groups_needed(np.full(4, 0.3), 0.01) == 6
    assert groups_needed(np.full(4, 0.3), 0.01, alpha=0.05 / 3) == 7
    assert groups_needed(np.array([0.1, 0.2, 0.3]), 0.01, alpha=1e-6) == math.inf
    assert np.isnan(groups_needed(np.array([0.1]), 0.01))
