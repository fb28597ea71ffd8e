import numpy as np
import pytest

from brightcell.comparison.significance import equivalence, holm, sign_flip_test


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.5, 0.6])).tolist() == [1, 1]
    np.testing.assert_allclose(holm(np.array([0.02, np.nan, 0.01])), [0.02, np.nan, 0.02])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_signs_by_hand():
    # of 16 patterns of signs those of all alike are as extreme
    assert sign_flip_test(np.array([0.1, 0.2, 0.3, 0.1])) == 2 / 16
    # 0.3 − 0.1 and its mirror, and 0.3 + 0.1 and its mirror: all four
    assert sign_flip_test(np.array([0.3, -0.1])) == 1
    assert np.isnan(sign_flip_test(np.array([])))


def test_many_groups_are_drawn():
    values = np.random.default_rng(3).normal(0.25, 1, 40)
    exact = sign_flip_test(values, draws=100_000)
    assert sign_flip_test(values, draws=4000, seed=2) == pytest.approx(exact, abs=0.02)
    assert sign_flip_test(np.full(20, 0.1), draws=99) == pytest.approx(0.01)


def test_equivalence_takes_the_whole_interval_within_the_margin():
    assert equivalence(-0.004, 0.006, 0.01) == "equivalent"
    assert equivalence(-0.004, 0.011, 0.01) == "undecided"
    assert equivalence(0.012, 0.04, 0.01) == equivalence(-0.04, -0.012, 0.01) == "different"
    assert equivalence(np.nan, np.nan, 0.01) == equivalence(-0.004, 0.006, 0.01, enough=False) == "undecided"
