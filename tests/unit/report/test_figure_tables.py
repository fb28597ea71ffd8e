"""The tables behind the report's figures, and how figures are written."""

import json

import numpy as np
import pandas as pd
import pytest

from brightcell.comparison.averaging import average_seeds
from brightcell.report import figure_tables, html
from brightcell.report.figure_tables import TRUTH


def scores():
    """Two networks, two groups, two frames each; `a` is better by 0.1 in g1 and by 0.3 in g2."""
    rows = []
    for seed in (1, 2):
        for group, lead in (("g1", 0.1), ("g2", 0.3)):
            for frame in (1, 2):
                for network, plus in (("a", lead), ("b", 0.0)):
                    value = 0.5 + plus + (0.01 if seed == 1 else -0.01)
                    rows.append(("grouped", network, 1, seed, f"{group}{frame}", group, value, 10, 8))
    columns = [*figure_tables.RUN, "sample", "group", "cell_iou", "truth_cells", "predicted_cells"]
    return pd.DataFrame(rows, columns=columns)


def test_differences_of_a_group_are_paired():
    frames = average_seeds(scores(), ["cell_iou", "truth_cells", "predicted_cells"])
    pairs = pd.DataFrame(
        [("grouped", "cell_iou", "a", "b")], columns=["scheme", "score", "network_a", "network_b"]
    )
    found = figure_tables.differences_of_groups(frames, pairs).set_index("group")["difference"]
    assert found.to_dict() == pytest.approx({"g1": 0.1, "g2": 0.3})
    lacking = frames[~((frames["network"] == "b") & (frames["group"] == "g2"))]
    assert figure_tables.differences_of_groups(lacking, pairs)["group"].tolist() == ["g1"]


def test_gpu_hours_count_gpu_runs_alone_and_speed_is_frames_over_seconds():
    run = {
        "scheme": "grouped",
        "network": "a",
        "parameters": 7,
        "trainable_parameters": 6,
        "epochs_run": 3,
        "best_epoch": 2,
    }
    recipes = [
        run | {"fold": 1, "seed": 1, "train_seconds": 3600, "device": "gpu", "precision": "float32"},
        run | {"fold": 2, "seed": 1, "train_seconds": 7200, "device": "cpu", "precision": "float32"},
    ]
    speeds = pd.DataFrame(
        [("grouped", "a", 10, 2.0), ("grouped", "a", 20, 1.0)],
        columns=["scheme", "network", "frames", "seconds"],
    )
    row = figure_tables.summarise_training(recipes, speeds).iloc[0]
    assert row["gpu_hours"] == 1
    assert row["hours_in_all"] == 3
    assert row["frames_per_second"] == 10
    assert np.isnan(figure_tables.summarise_training(recipes[1:], speeds[:0]).iloc[0]["gpu_hours"])


def test_each_run_counts_with_its_best_setting():
    rows = [
        ("grouped", "a", 1, 1, 0.5, 0.4, 0), ("grouped", "a", 1, 1, 0.5, 0.6, 0),
        ("grouped", "a", 2, 1, 0.5, 0.8, 0), ("grouped", "a", 1, 1, 0.3, 0.1, 0),
        ("grouped", "a", 1, 1, 0.4, 0.9, 1),  # a finer threshold, which the other run did not try
    ]  # fmt: skip
    best = figure_tables.best_by_threshold(
        pd.DataFrame(rows, columns=[*figure_tables.RUN, "threshold", "value", "round"])
    )
    assert best["threshold"].tolist() == [0.3, 0.5]
    assert best["mean"].tolist() == pytest.approx([0.1, 0.7])
    assert best[["low", "high", "runs"]].iloc[1].tolist() == pytest.approx([0.6, 0.8, 2])


def cells():
    """One true cell of 100 px, found by `a` at 90 px and by `b` not at all, in two seeds; b invents one of 40 px."""
    rows = [
        ("grouped", network, 1, seed, "s", 100, 90 if network == "a" else 0)
        for network in "ab"
        for seed in (1, 2)
    ]
    rows += [("grouped", "b", 1, seed, "s", 0, 40) for seed in (1, 2)]
    return pd.DataFrame(rows, columns=[*figure_tables.RUN, "sample", "truth_area_px", "predicted_area_px"])


def test_a_true_cell_counts_once_however_many_runs_saw_it():
    areas = figure_tables.truth_and_predictions(cells(), pd.Series({"s": 0.5}))
    found = areas.groupby("network")["area"].apply(list).to_dict()
    assert found == {TRUTH: [25.0], "a": [22.5, 22.5], "b": [10.0, 10.0]}
    in_px = figure_tables.truth_and_predictions(cells(), pd.Series({"s": np.nan}))
    assert in_px.loc[in_px["network"] == TRUTH, "area"].tolist() == [100]


def test_shares_of_a_histogram_sum_to_all_cells():
    values = pd.DataFrame({"scheme": "grouped", "network": ["a"] * 50 + ["b"], "area": [*range(50), 1000]})
    shares = figure_tables.histogram(values, "area")
    assert shares.groupby("network")["share"].sum().tolist() == pytest.approx([100, 100])
    assert shares.groupby("network")["cells"].first().tolist() == [50, 1]


def test_cells_are_followed_where_frames_have_an_order():
    frames = average_seeds(scores(), ["cell_iou", "truth_cells", "predicted_cells"])
    samples = pd.DataFrame(
        {
            "sample": ["g11", "g12", "g21", "g22"],
            "group": ["g1", "g1", "g2", "g2"],
            "frame": [2, 1, np.nan, np.nan],
        }
    )
    followed = figure_tables.follow_time(
        frames, pd.DataFrame(columns=["scheme", "network", "sample", "area"]), samples
    )
    assert set(followed["group"]) == {"g1"}
    truth = followed[followed["network"] == TRUTH]
    assert truth[["frame", "sample", "cells"]].to_numpy().tolist() == [[1, "g12", 10], [2, "g11", 10]]
    assert followed.loc[followed["network"] == "a", "cells"].tolist() == [8, 8]


def test_figures_share_what_they_have_in_common():
    figures = {
        "one": {"data": [{"x": [1, 2], "name": "n"}, {"x": [3]}], "layout": {"title": "a", "height": 5}},
        "two": {
            "data": [{"x": [4, 2], "name": "n"}, {"x": [3]}],
            "layout": {"title": "a", "height": 5, "only": 1},
        },
    }
    shared = html.share(figures)
    assert shared["base"] == {"data": [{"name": "n"}, {"x": [3]}], "layout": {"title": "a", "height": 5}}
    assert shared["choices"]["two"] == {"data": {"0": {"x": [4, 2]}}, "layout": {"only": 1}}
    alone = html.share({"": figures["one"]})
    assert alone == {"base": figures["one"], "choices": {"": {}}}


def test_json_of_a_script_cannot_end_it():
    written = str(html.script_json({"name": "</script><b>"}))
    assert "<" not in written
    assert json.loads(written) == {"name": "</script><b>"}
    with pytest.raises(ValueError):
        html.script_json({"value": float("nan")})
