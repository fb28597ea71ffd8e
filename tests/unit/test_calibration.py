"""Calibration finds the setting under which known cells come out."""

import numpy as np
import pytest

from brightcell import augment, calibration

OPTIONS = {
    "score": "mean_ap",
    "thresholds": [0.2, 0.5, 0.9],
    "smoothing_px": [1],
    "depth": [0.1],
    "minimum_area_px": [5],
}


def squares():
    truth = np.zeros((60, 60), np.int32)
    for number, (row, column) in enumerate([(5, 5), (5, 30), (35, 5), (35, 30)], start=1):
        truth[row : row + 18, column : column + 18] = number
    return truth


def test_the_threshold_that_separates_cells_is_chosen():
    truth = squares()
    foreground = np.where(truth > 0, 0.7, 0.3)  # 0.2 takes everything, 0.9 nothing
    table = calibration.calibrate([(truth, foreground, None)], OPTIONS)
    assert table["threshold"].iloc[0] == 0.5
    assert table["value"].iloc[0] > 0.9
    assert list(table["value"]) == sorted(table["value"], reverse=True)
    assert len(table) == 3


def test_every_combination_is_tried():
    options = OPTIONS | {"depth": [0.1, 0.2], "minimum_area_px": [5, 10]}
    tried = list(calibration.settings_to_try(options))
    assert len(tried) == 12
    assert tried[0] == {"threshold": 0.2, "smoothing_px": 1, "depth": 0.1, "minimum_area_px": 5}


@pytest.mark.parametrize("score", ["cell_iou", "cell_dice", "ap50", "seg", "pq"])
def test_any_score_may_choose(score):
    truth = squares()
    distance = augment.normalised_distance(truth)
    table = calibration.calibrate([(truth, (truth > 0) * 0.6, distance)], OPTIONS | {"score": score})
    assert table["value"].iloc[0] == pytest.approx(1)
