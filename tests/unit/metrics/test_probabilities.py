import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from spoilt import doubt, draw_cells

from brightcell.errors import InputError
from brightcell.instances.labelling import label_cells
from brightcell.io import stacks
from brightcell.metrics import probabilities
from brightcell.metrics.registry import pixel_scores, probability_scores

stored_maps = arrays(np.uint16, (5, 7), elements=st.integers(0, 65535))
masks = arrays(bool, (5, 7))


def test_brier_score_by_hand():
    truth = np.array([[1, 1, 0, 0]])
    stored = stacks.to_uint16(np.array([[1, 0.6, 0.2, 0]]))
    assert probability_scores(truth, stored)["brier"] == pytest.approx((0 + 0.16 + 0.04 + 0) / 4, abs=1e-5)


@given(masks)
def test_brier_score_of_no_knowledge_is_a_quarter(truth):
    half = np.full(truth.shape, 32768, np.uint16)
    assert probability_scores(truth, half)["brier"] == pytest.approx(0.25, abs=1e-4)


@given(masks, stored_maps)
def test_curve_counts_what_the_threshold_would_label(truth, stored):
    curve = probabilities.threshold_curve(probabilities.count_probabilities(truth, stored))
    assert curve["threshold"].tolist() == [percent / 100 for percent in range(5, 100, 5)]
    for row in curve.itertuples():
        mask = stacks.from_uint16(stored) >= row.threshold  # as `labelling.label_cells` cuts
        scores = pixel_scores(truth, mask)
        assert [scores[name] for name in curve.columns[1:]] == list(row[2:])


def test_curve_and_watershed_agree_on_a_pixel_at_the_threshold():
    stored = np.full((8, 8), 39321, np.uint16)  # 0.6 exactly
    labels = label_cells(stacks.from_uint16(stored), threshold=0.6, minimum_area_px=1)
    assert (labels > 0).all()
    counts = probabilities.count_probabilities(np.ones((8, 8)), stored)
    assert probabilities.at_threshold(counts, 0.6).tp == 64


def test_probabilities_that_hold_lie_on_the_diagonal():
    rng = np.random.default_rng(1)
    stored = rng.integers(0, 65536, (1000, 1000)).astype(np.uint16)
    truth = rng.random(stored.shape) < stored / 65535
    table = probabilities.reliability(probabilities.count_probabilities(truth, stored))
    assert table["bin_low"].tolist() == [tenth / 10 for tenth in range(10)]
    assert table["pixels"].sum() == truth.size
    np.testing.assert_allclose(table["probability"], table["bin_low"] + 0.05, atol=0.002)
    np.testing.assert_allclose(table["cell_share"], table["probability"], atol=0.01)


def test_bins_hold_their_lower_edge_and_the_last_one_both():
    stored = np.array([[0, 13107, 65535, 65534]], np.uint16)  # 0, 0.2, 1 and a little less
    table = probabilities.reliability(probabilities.count_probabilities(np.array([[0, 0, 1, 1]]), stored))
    assert table["pixels"].tolist() == [1, 0, 1, 0, 0, 0, 0, 0, 0, 2]
    assert np.isnan(table.loc[1, "probability"])
    assert table.loc[9, "cell_share"] == 1


def test_counts_add_up_to_those_of_the_frames_together():
    truths = [draw_cells(seed) for seed in (1, 2)]
    maps = [doubt(truth, 3) for truth in truths]
    counts = [probabilities.count_probabilities(*pair) for pair in zip(truths, maps, strict=True)]
    whole = probabilities.count_probabilities(np.hstack(truths), np.hstack(maps))
    np.testing.assert_array_equal(probabilities.add(counts), whole)
    assert probabilities.brier(whole) == pytest.approx(np.mean([probabilities.brier(one) for one in counts]))


def test_maps_of_another_size_are_refused():
    with pytest.raises(InputError, match=r"\(4, 4\).*\(4, 5\)"):
        probabilities.count_probabilities(np.zeros((4, 4)), np.zeros((4, 5), np.uint16))
