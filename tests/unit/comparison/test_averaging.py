"""Seeds, frames, groups: every mean goes through these steps, and every table of means agrees."""

import numpy as np
import pandas as pd
import pytest

from brightcell.comparison import compare, summarise
from brightcell.comparison.averaging import (
    average_frames,
    average_groups,
    average_seeds,
    group_differences,
    pair_frames,
)
from brightcell.report.page import ReportData, make_tables
from brightcell.report.results import average_baseline


def uneven():
    """Two networks with seeds, frames and groups of unequal number: the order of the steps decides the mean."""
    rows = [
        ("b", 1, "g2_0", "g2", 0.1), ("b", 1, "g1_0", "g1", 0.6),
        ("a", 1, "g2_0", "g2", 0.2), ("a", 2, "g2_0", "g2", 0.4), ("a", 1, "g2_1", "g2", 0.9),
        ("a", 1, "g1_0", "g1", 1.0), ("a", 1, "g1_1", "g1", np.nan),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["network", "seed", "sample", "group", "ap50"])
    return table.assign(scheme="grouped", fold=1)


def test_each_step_averages_the_one_before():
    frames = average_seeds(uneven(), ["ap50"])
    assert frames.columns.tolist() == ["scheme", "network", "sample", "group", "ap50"]
    assert frames["sample"].tolist() == ["g2_0", "g1_0", "g2_0", "g2_1", "g1_0", "g1_1"]
    assert frames["ap50"].tolist() == pytest.approx([0.1, 0.6, 0.3, 0.9, 1.0, np.nan], nan_ok=True)
    groups = average_frames(frames, ["ap50"])
    assert groups[["network", "group"]].to_numpy().tolist() == [
        ["b", "g2"],
        ["b", "g1"],
        ["a", "g2"],
        ["a", "g1"],
    ]
    assert groups["ap50"].tolist() == pytest.approx([0.1, 0.6, 0.6, 1.0])
    assert average_groups(uneven(), ["ap50"])["ap50"].tolist() == pytest.approx([0.35, 0.8])


def test_only_frames_with_a_score_of_both_are_subtracted():
    paired = pair_frames(average_seeds(uneven(), ["ap50"]), "ap50")
    found = group_differences(paired, "a", "b")
    assert found.to_dict() == pytest.approx({"g1": 0.4, "g2": 0.2})
    lone = paired.assign(b=paired["b"].where(paired.index.get_level_values("group") != "g1"))
    assert np.isnan(group_differences(lone, "a", "b")["g1"])


def test_summary_figures_and_baseline_give_one_mean():
    scores = uneven()
    summary = summarise(scores, ["ap50"], draws=50)
    expected = average_groups(scores, ["ap50"]).set_index("network")["ap50"]
    assert summary.set_index("network")["mean"].to_dict() == expected.to_dict()
    pairs = compare(scores, ["ap50"], draws=50)
    made = make_tables(ReportData(dataset="d", summary=summary, scores=scores, differences=pairs))
    of_groups = made["groups"].groupby("network")["ap50"].mean()
    assert of_groups.to_dict() == pytest.approx(expected.to_dict())
    assert made["group_differences"]["difference"].mean() == pytest.approx(pairs["difference"].item())
    once = scores[(scores["network"] == "a") & (scores["seed"] == 1)][["sample", "group", "ap50"]]
    assert average_baseline(once, scores) == {"ap50": pytest.approx((1 + (0.2 + 0.9) / 2) / 2)}
    assert average_baseline(once, scores[scores["group"] == "g1"]) == {"ap50": 1}
    assert average_baseline(once, scores[:0]) == {}
