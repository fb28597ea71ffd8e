"""How scores are written: the same digits in every table and sentence."""

import numpy as np
import pandas as pd
import pytest
from scored import table

from brightcell.comparison import compare, summarise, verdict
from brightcell.comparison.numbers import show, show_interval, show_signed
from brightcell.metrics.registry import METRICS
from brightcell.report.table_rows import summary_rows


@pytest.mark.parametrize(
    ("value", "score", "written"),
    [
        (2.26, "hd95_px", "2.3"),
        (2.26, "hd95_um", "2.3"),
        (-0.04, "count_bias", "0.0"),
        (-3, "count_bias", "−3.0"),
        (0.91983, "cell_iou", "0.920"),
        (0.0484, "area_error", "0.048"),
        (0.00049, "", "0.000"),
        (1, "ap50", "1.000"),
        (None, "ap50", "–"),
        (np.inf, "hd95_px", "–"),
    ],
)
def test_pixels_and_cells_have_one_decimal_and_scores_three(value, score, written):
    assert show(value, score) == written


def test_only_what_is_above_zero_when_written_has_a_plus():
    assert show_signed(2.26, "hd95_px") == "+2.3"
    assert show_signed(0.04, "hd95_px") == "0.0"
    assert show_signed(-2.26, "hd95_px") == "−2.3"
    assert show_signed(None) == "–"


def test_an_interval_needs_both_ends():
    assert show_interval(-1.06, 2, "splits") == "−1.1 to 2.0"
    assert show_interval(np.nan, 2.0) == show_interval(None, None) == ""


@pytest.mark.parametrize(
    "score", [name for name in METRICS if METRICS[name].better == "higher"] + ["hd95_px"]
)
def test_a_sentence_and_a_table_write_the_same(score):
    scores = table({"simple": [0.12345, 0.23456, 0.34567]}, score)
    means = summarise(scores, draws=50)
    (row,) = summary_rows(means, [score])
    cell = row["cells"][score]
    (sentence, *_) = verdict(compare(scores, draws=50), means, [score])
    assert f"reaches {cell['text']}" in sentence
    assert f"({cell['interval']})" in sentence
    assert pd.Series([cell["value"]]).round(6).tolist() == [0.234560]
