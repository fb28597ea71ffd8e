from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from spoilt import boxes

from brightcell.metrics.matching import match_cells
from brightcell.metrics.objects import IOU_THRESHOLDS, count_cells
from brightcell.metrics.registry import (
    HEADLINE,
    METRICS,
    boundary_scores,
    instance_scores,
    pixel_scores,
    pooled_scores,
    probability_scores,
)
from brightcell.metrics.surfaces import measure_surfaces

EMPTY = np.zeros((12, 12), np.int32)
PERFECT = {name for name, metric in METRICS.items() if metric.better == "higher"}


def disc(radius, centre=(50, 50), shape=(101, 101)):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


def all_scores(truth, predicted):
    """All that `METRICS` names, for one frame and a network that is sure of what it predicts."""
    return (
        pixel_scores(truth, predicted)
        | boundary_scores(truth, predicted, 1)
        | instance_scores(truth, predicted)
        | pooled_scores([count_cells(match_cells(truth, predicted))])
        | probability_scores(truth, np.where(predicted > 0, 65535, 0).astype(np.uint16))
    )


small_labels = arrays(np.int32, (6, 6), elements=st.integers(0, 4))


def test_every_score_of_the_table_is_computed():
    scores = all_scores(boxes((1, 5, 1, 5)), boxes((1, 5, 1, 5)))
    assert set(METRICS) <= set(scores)
    assert set(HEADLINE) <= set(METRICS)
    assert {metric.better for metric in METRICS.values()} == {"higher", "lower", "zero"}
    needs = {name for name in METRICS if name in instance_scores(EMPTY, EMPTY) | pooled_scores([])}
    assert needs == {name for name, metric in METRICS.items() if metric.needs_instances}


def test_pixel_scores_of_a_known_confusion():
    truth, predicted = np.zeros((2, 10, 10), bool)
    truth[0:4, 0:5] = True  # 20 pixels
    predicted[2:5, 0:5] = True  # 15 pixels, 10 of them in common
    scores = pixel_scores(truth, predicted)
    assert [scores[f"pixels_{name}"] for name in ("tp", "fp", "fn", "tn")] == [10, 5, 10, 75]
    assert scores["cell_iou"] == pytest.approx(10 / 25)
    assert scores["cell_dice"] == pytest.approx(20 / 35)
    assert scores["cell_precision"] == pytest.approx(10 / 15)
    assert scores["cell_recall"] == pytest.approx(10 / 20)
    assert scores["cell_specificity"] == pytest.approx(75 / 80)
    assert scores["accuracy"] == pytest.approx(85 / 100)
    assert scores["background_iou"] == pytest.approx(75 / 90)
    assert scores["mean_iou"] == pytest.approx((10 / 25 + 75 / 90) / 2)


@given(small_labels, small_labels)
def test_exchanging_the_images_exchanges_precision_and_recall(a, b):
    one, other = pixel_scores(a, b), pixel_scores(b, a)
    for name in ("cell_iou", "cell_dice", "mean_iou", "accuracy"):
        assert one[name] == other[name]
    assert one["cell_precision"] == other["cell_recall"]


def test_nothing_to_find_and_nothing_found_is_perfect():
    scores = all_scores(EMPTY, EMPTY)
    assert {name for name in PERFECT if scores[name] == 1} == PERFECT
    for name in ("splits", "merges", "count_error", "count_bias", "brier"):
        assert scores[name] == 0, name
    assert scores["hd95_px"] == scores["hd95_um"] == 0
    assert np.isnan(scores["area_error"])


@pytest.mark.parametrize("invented", [True, False])
def test_one_empty_image_scores_zero(invented):
    cell = boxes((2, 6, 2, 6), shape=EMPTY.shape)
    scores = all_scores(EMPTY, cell) if invented else all_scores(cell, EMPTY)
    of_pixels = {"cell_iou", "cell_dice", "cell_precision", "cell_recall"}
    of_cells = {name for name, metric in METRICS.items() if metric.needs_instances} & PERFECT
    for name in of_pixels | of_cells | {"surface_dice_1px", "surface_dice_2px"}:
        assert scores[name] == 0, name
    assert scores["hd95_px"] == pytest.approx(12 * 2**0.5), "the diagonal of the frame"
    assert np.isnan(scores["area_error"])
    assert scores["brier"] == 16 / 144
    assert scores["count_error"] == 1
    assert scores["count_bias"] == (1 if invented else -1)
    assert (scores["fp50"], scores["fn50"]) == ((1, 0) if invented else (0, 1))


def test_a_frame_full_of_cells():
    full = np.ones((8, 8), np.int32)
    scores = all_scores(full, full)
    assert {name for name in PERFECT if scores[name] == 1} == PERFECT
    assert scores["hd95_px"] == 0
    nothing = all_scores(full, np.zeros_like(full))
    assert nothing["background_iou"] == nothing["cell_specificity"] == nothing["surface_dice_2px"] == 0


@pytest.mark.parametrize("position", [(5, 5), (0, 0), (11, 4)])
def test_one_pixel(position):
    labels = EMPTY.copy()
    labels[position] = 9
    scores = all_scores(labels, labels)
    assert {name for name in PERFECT if scores[name] == 1} == PERFECT
    assert scores["hd95_px"] == 0


def test_a_failed_frame_costs_its_diagonal_in_pixels_and_micrometres():
    nothing, corner = np.zeros((30, 40), bool), np.zeros((30, 40), bool)
    corner[0, 0] = True
    scores = boundary_scores(corner, nothing, 0.5)
    assert (scores["hd95_px"], scores["hd95_um"]) == (50, 25)
    far = np.zeros_like(corner)
    far[-1, -1] = True
    assert boundary_scores(corner, far)["hd95_px"] < 50, "no prediction is worse than none"
    unknown = boundary_scores(corner, nothing)
    assert unknown["hd95_px"] == 50
    assert np.isnan(unknown["hd95_um"])


def test_shift_of_a_cell_on_the_border_is_measured():
    truth, predicted = boxes((0, 10, 0, 10)), boxes((0, 10, 3, 10))
    scores = boundary_scores(truth, predicted)
    assert scores["hd95_px"] == 3
    assert np.isnan(scores["hd95_um"])


def test_translated_square():
    truth, predicted = boxes((10, 20, 10, 20)), boxes((10, 20, 15, 25))
    scores = all_scores(truth, predicted)
    assert scores["cell_iou"] == pytest.approx(50 / 150)
    assert boundary_scores(truth, predicted, 0.5)["hd95_um"] == 2.5
    assert scores["ap50"] == scores["seg"] == 0  # half of the cell is not more than half


@pytest.mark.parametrize("growth", [1, 2, 4])
def test_grown_disc_has_its_boundary_at_the_growth(growth):
    truth, predicted = disc(20), disc(20 + growth)
    scores = boundary_scores(truth, predicted)
    assert scores["hd95_px"] == pytest.approx(growth, abs=0.5)
    assert pixel_scores(truth, predicted)["cell_iou"] == pytest.approx((20 / (20 + growth)) ** 2, abs=0.02)


def test_surface_dice_by_hand():
    # boxes of 10 × 10 and 14 × 14 have 36 and 52 boundary pixels; all of the inner box lie 2 px from the
    # outer one, of whose pixels only the 4 × 10 that face a side do
    scores = boundary_scores(boxes((10, 20, 10, 20)), boxes((8, 22, 8, 22)))
    assert scores["surface_dice_2px"] == pytest.approx((36 + 40) / (36 + 52))
    assert scores["surface_dice_1px"] == 0
    # a box without counterpart counts whole
    truth, predicted = boxes((2, 6, 2, 6)), boxes((2, 6, 2, 6), (30, 34, 30, 34))
    assert boundary_scores(truth, predicted)["surface_dice_2px"] == pytest.approx(24 / 36)


@given(arrays(bool, (9, 11), elements=st.sampled_from([True] + [False] * 9)), arrays(bool, (9, 11)))
def test_distances_are_those_of_a_distance_transform(few, many):
    surfaces = measure_surfaces(few, many)
    cross = ndimage.generate_binary_structure(2, 1)
    edges = [mask & ~ndimage.binary_erosion(mask, cross) for mask in (few, many)]
    assert surfaces.diagonal == pytest.approx((9**2 + 11**2) ** 0.5)
    for distances, here, there in zip(surfaces[:2], edges, edges[::-1], strict=True):
        if there.any():
            np.testing.assert_allclose(distances, ndimage.distance_transform_edt(~there)[here])
        else:
            assert np.isinf(distances).all()


def test_cell_scores_by_hand():
    # one cell exact, one with IoU 64 / 100, one missed, one invented
    truth = boxes((0, 10, 0, 10), (0, 10, 20, 30), (20, 30, 0, 10))
    predicted = boxes((0, 10, 0, 10), (0, 8, 20, 28), (30, 35, 30, 35))
    scores = instance_scores(truth, predicted)
    assert (scores["tp50"], scores["fp50"], scores["fn50"]) == (2, 1, 1)
    assert scores["ap50"] == 2 / 4
    assert scores["ap70"] == scores["ap90"] == 1 / 5
    # IoU 0.64 counts at 0.5, 0.55 and 0.6
    assert scores["mean_ap"] == pytest.approx((3 * 2 / 4 + 7 * 1 / 5) / 10)
    assert scores["f1_50"] == scores["rq"] == pytest.approx(4 / 6)
    assert scores["sq"] == pytest.approx(1.64 / 2)
    assert scores["pq"] == pytest.approx(1.64 / 3) == scores["sq"] * scores["rq"]
    assert scores["seg"] == pytest.approx(1.64 / 3)
    assert scores["count_error"] == scores["count_bias"] == scores["splits"] == scores["merges"] == 0
    # 10 for the cell that is missed, 1 for the one that is invented, of 30 for an empty prediction
    assert (scores["det_cost"], scores["det"]) == (11, pytest.approx(19 / 30))
    assert scores["area_error"] == pytest.approx((0 + 36 / 100) / 2)
    assert (scores["truth_cells"], scores["predicted_cells"]) == (3, 3)
    assert [scores[f"tp{percent}"] for percent in (50, 60, 65, 95)] == [2, 2, 1, 1]


def test_panoptic_quality_matches_above_a_half():
    # one cell with IoU 6 / 10, one with exactly 5 / 10, which AP and F1 count and PQ does not; one missed
    truth = boxes((0, 1, 0, 10), (2, 3, 0, 10), (4, 5, 0, 10))
    scores = instance_scores(truth, boxes((0, 1, 0, 6), (2, 3, 0, 5)))
    assert (scores["tp50"], scores["fp50"], scores["fn50"]) == (2, 0, 1)
    assert scores["f1_50"] == pytest.approx(2 / 2.5)
    # TP 1, FP 1, FN 2
    assert scores["rq"] == pytest.approx(1 / (1 + 1 / 2 + 2 / 2))
    assert scores["sq"] == pytest.approx(0.6)
    assert scores["pq"] == pytest.approx(0.6 / 2.5)


def test_threshold_is_reached_by_the_exact_ratio():
    # 7 of 10 pixels: a sum of steps of 0.05 would ask for 0.7000000000000001
    assert instance_scores(boxes((0, 1, 0, 10)), boxes((0, 1, 0, 7)))["ap70"] == 1
    assert IOU_THRESHOLDS[4] == 0.7


def test_a_cell_cut_into_halves_is_found_once():
    truth, halves = boxes((0, 10, 0, 10)), boxes((0, 10, 0, 5), (0, 10, 5, 10))
    split = instance_scores(truth, halves)
    assert (split["tp50"], split["fp50"], split["fn50"]) == (1, 1, 0)
    assert (split["splits"], split["merges"], split["seg"], split["det"]) == (1, 0, 0, 0)
    merged = instance_scores(halves, truth)
    assert (merged["tp50"], merged["fp50"], merged["fn50"]) == (1, 0, 1)
    assert (merged["splits"], merged["merges"]) == (0, 1)
    # one predicted cell covers both: it has to be split (5 of 20)
    assert merged["det"] == 0.75


def test_detections_worse_than_none_score_zero():
    # the cell is missed (10) and twelve are invented (12): no worse than an empty prediction (10)
    invented = [(row, row + 2, column, column + 2) for row in (20, 24, 28) for column in (0, 4, 8, 12)]
    scores = instance_scores(boxes((0, 10, 0, 10)), boxes(*invented))
    assert (scores["det_cost"], scores["det"], scores["count_bias"]) == (22, 0, 11)


def test_bias_and_area_tell_the_direction_and_the_size():
    truth = boxes((0, 10, 0, 10), (20, 30, 20, 30))
    larger = instance_scores(truth, boxes((0, 10, 0, 12), (20, 30, 20, 25)))
    assert larger["area_error"] == pytest.approx((0.2 + 0.5) / 2)
    # IoU below 0.5 is no match, and its area no statement
    assert instance_scores(truth, boxes((0, 10, 0, 12), (20, 30, 20, 24)))["area_error"] == pytest.approx(0.2)
    assert instance_scores(truth, boxes((0, 10, 0, 10)))["count_bias"] == -1


def test_specks_neither_split_nor_merge():
    whole, speck = boxes((0, 20, 0, 20)), boxes((0, 20, 0, 20), (3, 5, 3, 5))
    assert instance_scores(whole, speck)["splits"] == 0
    assert instance_scores(speck, whole)["merges"] == 0


def test_a_good_match_is_kept_although_two_poor_ones_sum_to_more():
    # IoU 8 / 16 for the pair of large cells, 4 / 12 for each of them with a small one
    truth = np.array([[1] * 4 + [1] * 8 + [2] * 4])
    predicted = np.array([[1] * 4 + [2] * 8 + [2] * 4])
    assert instance_scores(truth, predicted)["tp50"] == 1


def test_hausdorff_distance_takes_the_worse_direction():
    one, two = boxes((0, 10, 0, 10)), boxes((0, 10, 0, 10), (0, 10, 30, 40))
    assert boundary_scores(one, two)["hd95_px"] == boundary_scores(two, one)["hd95_px"] == 30


def test_seg_needs_more_than_half_of_the_true_cell():
    truth = boxes((0, 10, 0, 10))
    assert instance_scores(truth, boxes((0, 10, 0, 6)))["seg"] == pytest.approx(0.6)
    # covered whole, by a prediction four times as large: IoU 0.25, no match for AP
    large = instance_scores(truth, boxes((0, 20, 0, 20)))
    assert (large["seg"], large["ap50"]) == (0.25, 0)


@settings(max_examples=60, deadline=None)
@given(small_labels, small_labels)
def test_matching_is_one_to_one_and_the_best_of_all(truth, predicted):
    truth_ids, predicted_ids = (np.unique(image[image > 0]) for image in (truth, predicted))
    cells = match_cells(truth, predicted)
    assert len(np.unique(cells.row[cells.partners])) == cells.partners.sum()
    assert len(np.unique(cells.column[cells.partners])) == cells.partners.sum()
    iou = np.zeros((4, 4))
    for i, a in enumerate(truth_ids):
        for j, b in enumerate(predicted_ids):
            iou[i, j] = ((truth == a) & (predicted == b)).sum() / ((truth == a) | (predicted == b)).sum()
    by_force = [iou[range(4), list(order)] for order in permutations(range(4))]
    for threshold in (0.5, 0.7, 0.9):
        assert cells.matched(threshold).sum() == max((pairs >= threshold).sum() for pairs in by_force)
    # among the matchings with as many good pairs, the sum of all IoU is the largest
    most = max((pairs >= 0.5).sum() for pairs in by_force)
    best = max(pairs.sum() for pairs in by_force if (pairs >= 0.5).sum() == most)
    assert cells.iou[cells.partners].sum() == pytest.approx(best)


@settings(deadline=None)
@given(small_labels, st.permutations([1, 2, 3, 4]))
def test_names_of_the_cells_do_not_matter(labels, names):
    # up to 4 billion, which an array of counts by id could not hold
    renamed = np.array([0, *names])[labels] * 1_000_000_000
    for first, second in ((labels, renamed), (renamed, labels), (renamed.astype(np.uint32), renamed)):
        scores = instance_scores(first, second)
        assert scores["mean_ap"] == scores["seg"] == scores["det"] == scores["pq"] == 1


def with_a_part_that_does_not_count():
    """A truth whose right half does not count, and a prediction with cells on both halves and across."""
    truth, predicted = np.zeros((2, 40, 40), np.int32)
    truth[5:15, 5:15], truth[:, 20:] = 1, -1
    predicted[5:15, 5:15], predicted[20:30, 30:38], predicted[30:34, 17:27] = 1, 2, 3
    return truth, predicted


def test_pixels_below_zero_do_not_count():
    truth, predicted = with_a_part_that_does_not_count()
    scores = pixel_scores(truth, predicted)
    assert (scores["pixels_tp"], scores["pixels_fp"], scores["pixels_fn"]) == (100, 12, 0)
    assert scores["pixels_tn"] == 40 * 20 - 112
    cells = match_cells(truth, predicted)  # cell 2 lies outside of what counts, cell 3 for the most part
    assert (cells.truth_ids.tolist(), cells.predicted_ids.tolist(), cells.iou.tolist()) == ([1], [1], [1.0])
    assert boundary_scores(truth, np.where(predicted == 1, 1, 2 * (truth < 0)))["surface_dice_1px"] == 1
    stored = np.where(predicted > 0, 65535, 0).astype(np.uint16)
    assert probability_scores(truth, stored)["brier"] == pytest.approx(12 / 800)


@given(
    arrays(np.int32, (8, 9), elements=st.integers(0, 3)), arrays(np.int32, (8, 9), elements=st.integers(0, 3))
)
@settings(max_examples=50, deadline=None)
def test_what_does_not_count_changes_nothing_elsewhere(truth, predicted):
    wide = np.pad(truth, ((0, 0), (0, 4)), constant_values=-1)
    noise = np.pad(predicted, ((0, 0), (0, 4)), constant_values=0)
    noise[:, 10:] = 9
    for score in (instance_scores, pixel_scores):
        np.testing.assert_equal(score(wide, noise), score(truth, predicted))
