import numpy as np
import pandas as pd
import pytest

from brightcell.comparison.curves import (
    CURVE_COLUMNS,
    RELIABILITY_COLUMNS,
    average_curves,
    average_reliability,
    pixels_of,
)

NAMES = {"scheme": "grouped", "network": "simple", "fold": 1, "seed": 1}


def frame(group, sample, tp, fp, fn, seed=1, threshold=0.5):
    counts = {"pixels_tp": tp, "pixels_fp": fp, "pixels_fn": fn, "pixels_tn": 100 - tp - fp - fn}
    return NAMES | {"group": group, "sample": sample, "seed": seed, "threshold": threshold} | counts


def test_curves_are_means_of_seeds_frames_groups():
    rows = [
        frame("a", "a1", 10, 0, 10, seed=1),  # IoU 0.5
        frame("a", "a1", 20, 0, 0, seed=2),  # 1
        frame("a", "a2", 5, 5, 10, seed=1),  # 0.25
        frame("b", "b1", 0, 10, 10, seed=1),  # 0
        frame("a", "a1", 1, 0, 1, threshold=0.9),  # 0.5
    ]
    made = average_curves(pd.DataFrame(rows))
    assert made.columns.tolist() == CURVE_COLUMNS
    assert made["threshold"].tolist() == [0.5, 0.9]
    assert made["cell_iou"].tolist() == pytest.approx([((0.75 + 0.25) / 2 + 0) / 2, 0.5])
    assert made["cell_recall"].tolist() == pytest.approx([((0.75 + 1 / 3) / 2 + 0) / 2, 0.5])
    assert made["cell_precision"].tolist() == pytest.approx([((1 + 0.5) / 2 + 0) / 2, 1])


def test_frames_without_cells_count_as_in_the_scores():
    made = average_curves(pd.DataFrame([frame("a", "a1", 0, 0, 0), frame("a", "a2", 0, 3, 0)]))
    assert made["cell_iou"].tolist() == [0.5]


def test_counts_of_a_row():
    counts = pixels_of(pd.DataFrame([frame("a", "a1", 3, 4, 5)]))[0]
    assert (counts.tp, counts.fp, counts.fn, counts.tn) == (3, 4, 5, 88)


def test_reliability_pools_pixels():
    rows = [
        ("a", 0.0, 0.1, 900, 0.02, 0.0),
        ("b", 0.0, 0.1, 100, 0.06, 0.5),
        ("a", 0.1, 0.2, 0, np.nan, np.nan),
        ("b", 0.1, 0.2, 4, 0.15, 0.25),
        ("a", 0.2, 0.3, 0, np.nan, np.nan),
    ]
    columns = ["group", "bin_low", "bin_high", "pixels", "probability", "cell_share"]
    made = average_reliability(pd.DataFrame(rows, columns=columns).assign(**NAMES))
    assert made.columns.tolist() == RELIABILITY_COLUMNS
    assert made["pixels"].tolist() == [1000, 4, 0]
    np.testing.assert_allclose(made["probability"], [0.024, 0.15, np.nan])
    np.testing.assert_allclose(made["cell_share"], [0.05, 0.25, np.nan])
