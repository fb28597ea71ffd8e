"""What contestants that are not trained here, or that may have seen the frames, do to the comparison, and what they do not."""

import numpy as np
import pandas as pd
import pytest

from brightcell.comparison import compare, summarise, verdict

SEEDS = (1, 2, 3)
BASE = np.array([0.70, 0.72, 0.68, 0.71, 0.69, 0.73, 0.70, 0.71, 0.69])


def entry(**changes):
    empty = dict.fromkeys(("tool", "minutes", "epochs", "weights", "labels"))
    return empty | {"held_out": False, "options": {}} | changes


GIVEN = entry(labels="{sample}.png")
HELD_OUT = entry(labels="{sample}.png", held_out=True)


def study(rows, folds=3, luck=0.0, noise=0.003, seed=0):
    """Scores of networks: {name: (a value a group, seeds)}; luck of folds' data is drawn for each network."""
    rng = np.random.default_rng(seed)
    drawn = {
        name: rng.normal(0, luck, folds) if len(seeds) > 1 else np.zeros(folds)
        for name, (_, seeds) in rows.items()
    }
    return pd.DataFrame(
        [
            {"scheme": "grouped", "network": name, "fold": group % folds + 1, "seed": seed, "sample": f"s{group}",
             "group": f"g{group}", "cell_iou": value + drawn[name][group % folds] + rng.normal(0, noise)}
            for name, (values, seeds) in rows.items()
            for seed in seeds
            for group, value in enumerate(values)
        ]
    )  # fmt: skip


def said(scores, contestants):
    fixed = [name for name, each in contestants.items() if each["labels"]]
    apart = [name for name in fixed if not contestants[name]["held_out"]]
    differences = compare(scores, ["cell_iou"], fixed=fixed, apart=apart)
    return verdict(differences, summarise(scores, ["cell_iou"]), primary="cell_iou", contestants=contestants)


@pytest.mark.parametrize("kind", ["whole", "spread", "two folds", "no values"])
def test_given_labels_change_nothing_between_two_networks(kind):
    values = np.random.default_rng(3).normal(0.8, 0.1, 16)
    rows = {"a": (values, SEEDS), "b": (values, SEEDS)}
    scores = study(rows | {"gui": (values + 0.06 * np.arange(16) % 0.2, (1,))}, folds=4, luck=0.02)
    without = compare(scores[scores["network"] != "gui"], ["cell_iou"]).iloc[0]
    if kind == "two folds":
        scores = scores[(scores["network"] != "gui") | (scores["fold"] < 3)]
    elif kind == "no values":
        scores.loc[scores["network"] == "gui", "cell_iou"] = np.nan
    elif kind == "spread":
        scores.loc[scores["network"] == "gui", "cell_iou"] += np.linspace(-0.3, 0.2, 16)
    for apart in ([], ["gui"]):
        beside = compare(scores, ["cell_iou"], fixed=["gui"], apart=apart).iloc[0]
        assert without["part_folds"] > 0.3
        same = ["low", "high", "p", "part_folds", *(["p_holm", "groups_needed_low"] if apart else [])]
        pd.testing.assert_series_equal(without[same], beside[same], check_names=False)


def test_two_given_sets_of_labels_have_no_luck_of_folds_and_no_seeds():
    scores = study({"a": (BASE, SEEDS), "z1": (BASE + 0.05, (1,)), "z2": (BASE + 0.02, (1,))}, luck=0.05)
    row = compare(scores, ["cell_iou"], fixed=["z1", "z2"]).iloc[-1]
    assert row["network_a"] == "z1"
    assert np.isnan(row["seeds"])
    assert row["part_folds"] == 0
    assert row["p"] < 1e-6
    sentences = said(scores, {"z1": HELD_OUT, "z2": HELD_OUT})
    assert any("z1 is better than z2" in each and "neither trained here" in each for each in sentences)


def test_labels_that_may_know_the_frames_win_nothing():
    scores = study({"simple": (BASE, SEEDS), "attention": (BASE - 0.03, SEEDS), "gui": (BASE + 0.05, (1,))})
    sentences = said(scores, {"gui": GIVEN})
    assert sentences[0] == "Use simple: on cell IoU it is better than attention."
    assert not [each for each in sentences if "gui is better" in each or "gui has the best" in each]
    assert sum("no verdict, because gui may know the frames" in each for each in sentences) == 2
    alone = said(scores[scores["network"] != "attention"], {"gui": GIVEN})
    assert alone[0].startswith("On cell IoU simple reaches 0.70")
    nothing = said(scores[scores["network"] == "gui"], {"gui": GIVEN})
    assert nothing[0].startswith("No verdict")


def test_their_pairs_do_not_make_others_harder_to_show():
    scores = study({"simple": (BASE, SEEDS), "attention": (BASE - 0.006, SEEDS)}, seed=5)
    one = compare(scores, ["cell_iou"]).iloc[0]
    more = study({name: (BASE, (1,)) for name in ("x", "y", "z")})
    table = compare(pd.concat([scores, more]), ["cell_iou"], fixed=["x", "y", "z"], apart=["x", "y", "z"])
    assert table.iloc[0]["p_holm"] == one["p_holm"]
    assert table["p_holm"].notna().sum() == 1


def test_who_lacks_the_hard_frames_does_not_lead():
    hard = BASE - 0.3 * (np.arange(9) % 3 == 0)
    scores = study({"simple": (hard, SEEDS), "gui": (hard - 0.01, (1,))}, noise=0.001)
    scores = scores[(scores["network"] != "gui") | (scores["fold"] != 1)]
    first = said(scores, {"gui": HELD_OUT})[0]
    assert first.startswith("Use simple")
    assert "gui" in first


def test_better_than_some_and_the_same_as_all_others():
    scores = study(
        {"simple": (BASE, SEEDS), "attention": (BASE - 0.02, SEEDS), "gui": (BASE, (1,))}, noise=0.001
    )
    first = said(scores, {"gui": HELD_OUT})[0]
    assert "it is better than attention, and practically the same as" in first
    assert "tell it from" not in first


def test_pixels_from_labels_are_told():
    scores = study({"simple": (BASE, SEEDS), "gui": (BASE, (1,))})
    assert any("ap50 or seg as comparison.primary" in each for each in said(scores, {"gui": HELD_OUT}))
    assert not any("comparison.primary" in each for each in said(scores[scores["network"] == "simple"], {}))
