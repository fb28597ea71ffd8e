import re

import numpy as np
import pandas as pd
import pytest
from scored import table

from brightcell.comparison.differences import compare, inflation, summarise
from brightcell.comparison.sentences import verdict


def speak(rows, **settings):
    return verdict(compare(rows, draws=500), summarise(rows, draws=500), **settings)


SEEDS = (1, 2, 3)


def test_verdict_of_a_clear_difference():
    base = np.linspace(0.5, 0.8, 8)
    said = speak(table({"simple": base, "attention": base + 0.05}, seeds=SEEDS))
    assert said[0] == "Use attention: on cell IoU it is better than simple."
    assert said[1].startswith("On cell IoU attention has the best mean: 0.700 (")
    assert said[1].endswith("8 groups, 16 frames, 3 seeds.")
    assert said[2:] == [
        "On cell IoU attention is better than simple: higher by 0.050 (0.050 to 0.050), in 8 of 8 groups, 3 seeds, p < 0.001; "
        "beyond the margin of 0.01."
    ]


def test_verdict_where_lower_is_better():
    base = np.linspace(3, 9, 8)
    said = speak(table({"simple": base, "attention": base + 2}, "hd95_px", seeds=SEEDS), scores=["hd95_px"])
    assert said[0] == "Use simple: on HD95 it is better than attention."
    assert said[1].startswith("On HD95 simple has the best mean: 6.0 px (")
    assert said[2] == (
        "On HD95 simple is better than attention: lower by 2.0 px (2.0 to 2.0), in 8 of 8 groups, 3 seeds, p < 0.001."
    )


def test_verdict_without_a_difference():
    base = np.full(8, 0.5)
    change = np.array([0.04, -0.05, 0.02, -0.02, 0.03, -0.03, 0.01, 0.016])
    said = speak(table({"attention": base + change, "simple": base}, seeds=SEEDS))
    assert said[0] == (
        "Use attention for now: it has the best cell IoU, but this study cannot tell it from simple; their means lie within 0.002."
    )
    assert re.fullmatch(
        r"On cell IoU no difference between attention and simple is shown: 0\.002, −0\.0\d\d to 0\.0\d\d, in 5 of 8 groups, 3 seeds; "
        r"of the doubt 100% groups, 0% trainings; a difference of 0\.01 would show with \d\d to \d\d\d groups \(now 8\)\.",
        said[2],
    )
    assert len(said) == 3


def test_what_is_far_behind_in_a_run_of_one_seed_is_not_called_a_tie():
    base = np.linspace(0.5, 0.6, 8)
    change = np.array([0.01, -0.012, 0.01, -0.005, 0.008, -0.008, 0.01, -0.01])
    said = speak(
        table({"attention": base + 0.001, "simple": base + change, "residual_attention": base - 0.4})
    )
    assert said[0] == (
        "Use attention for now: it has the best cell IoU and is ahead of residual_attention, which more seeds or groups must "
        "confirm, but this study cannot tell it from simple; their means lie within 0.001."
    )


def test_the_group_that_carries_a_difference_is_named():
    base = np.full(6, 0.5)
    said = speak(
        table(
            {"attention": base + np.array([0.002, 0.012, 0.005, 0.13, 0.004, 0.009]), "simple": base},
            seeds=SEEDS,
        )
    )
    assert "; group g3 alone carries the difference, or hides it; " in said[2]


def test_few_groups_are_counted_and_nothing_is_claimed():
    said = speak(table({"simple": [0.5, 0.6, 0.7], "attention": [0.6, 0.72, 0.69]}))
    assert said[2] == (
        "On cell IoU attention is ahead of simple in 2 of 3 groups, by 0.070 on average: too few groups for a test, which takes 6."
    )
    assert said[3].startswith("Scheme grouped rests on 3 groups: other groups may turn out otherwise.")
    assert said[4].startswith("One seed a network")
    assert not any("better than" in text for text in said)


def test_one_seed_claims_nothing_however_large_the_difference():
    base = np.linspace(0.5, 0.8, 12)
    said = speak(table({"simple": base, "attention": base + 0.1}))
    assert said[2] == (
        "On cell IoU attention is ahead of simple by 0.100 (0.100 to 0.100), in 12 of 12 groups; but with 1 seed in 1 fold that "
        "may be the luck of a training: three seeds would tell."
    )
    assert not any("better than" in text for text in said)


def test_verdict_of_one_group():
    said = speak(table({"simple": [0.5], "attention": [0.6]}, seeds=SEEDS))
    assert said[1:] == [
        "On cell IoU attention has the best mean: 0.600 (no interval), 1 group, 2 frames, 3 seeds.",
        "On cell IoU attention and simple differ by 0.100 in the only group: no test.",
        "Scheme grouped has scores of one group only: no interval, no test.",
    ]


def test_a_single_network_has_its_cautions():
    said = speak(table({"simple": [0.5, 0.7]}))
    assert said[0].startswith("On cell IoU simple reaches 0.600")
    assert said[1].startswith("Scheme grouped rests on 2 groups")
    assert said[2].startswith("One seed a network")


def test_only_the_primary_score_carries_a_verdict():
    base = np.linspace(0.5, 0.8, 8)
    rows = table({"simple": base, "attention": base + 0.05}, seeds=SEEDS)
    rows["ap50"] = 1.3 - rows["cell_iou"]
    said = speak(rows)
    assert sum("is better than" in text for text in said if text.startswith("On cell IoU")) == 1
    assert (
        "On AP at IoU 0.5 (secondary, no verdict) simple is higher than attention by 0.050 (0.050 to 0.050), in 8 of 8 groups."
        in said
    )
    said = speak(rows, primary="ap50")
    assert said[0] == "Use simple: on AP at IoU 0.5 it is better than attention."
    assert not any(text.startswith("On cell IoU") and "better than" in text for text in said)
    assert (
        speak(rows, primary="seg")[-1]
        == "comparison.primary is seg, which has no values here: cell_iou takes its place."
    )


def test_networks_are_called_by_their_titles():
    base = np.linspace(0.5, 0.8, 8)
    titles = {"attention": "the attention U-Net"}
    said = speak(table({"simple": base, "attention": base + 0.05}, seeds=SEEDS), titles=titles)
    assert said[0] == "Use the attention U-Net: on cell IoU it is better than simple."


def test_what_is_left_out_is_named():
    said = speak(
        table({"simple": [0.5] * 7}, seeds=SEEDS), left_out=["simple, scheme grouped: fold 2, seed 1."]
    )
    assert said[-1].endswith(
        "what they would have scored is not known: simple, scheme grouped: fold 2, seed 1."
    )


def test_verdict_names_schemes_and_what_random_means():
    scores = pd.concat(
        [table({"simple": np.arange(7) / 10}, scheme=name, seeds=SEEDS) for name in ("grouped", "random")]
    )
    said = speak(scores)
    assert [text.split(":")[0] for text in said[:2]] == ["Scheme grouped", "Scheme random"]
    assert "simple reaches 0.300" in said[0]
    assert said[2].startswith("Scheme random tests on groups that were trained on")


def test_verdict_of_networks_that_are_practically_the_same():
    base, change = np.linspace(0.5, 0.8, 8), 0.001 * np.array([1, -1, 2, -2, 1, -1, 2, -2])
    said = speak(table({"simple": base + change, "attention": base}, seeds=SEEDS))
    assert (
        said[0]
        == "Use whichever is cheapest: on cell IoU simple and attention are practically the same, within 0.01."
    )
    assert said[2].startswith(
        "On cell IoU simple and attention are practically the same, within 0.01: 0.000, −0.00"
    )
    said = speak(table({"simple": base + 0.004, "attention": base}, seeds=SEEDS))
    assert said[2].endswith("3 seeds, p < 0.001; yet practically the same, within 0.01.")


def leak(grouped, random, score="cell_iou"):
    rows = pd.concat([table(grouped, score, seeds=SEEDS), table(random, score, seeds=SEEDS, scheme="random")])
    return speak(rows, scores=[score], leakage=inflation(rows, draws=500))


def test_verdict_of_leakage():
    base = np.linspace(0.5, 0.8, 8)
    said = leak({"simple": base, "attention": base}, {"simple": base + 0.04, "attention": base + 0.06})
    assert (
        "On cell IoU the scheme random overrates by 0.050 (0.050 to 0.050): 0.700 in place of 0.650, mean of 2 networks, "
        "8 groups, p < 0.001: leakage." in said
    )


def test_verdict_of_leakage_where_lower_is_better():
    base = np.linspace(5, 8, 8)
    said = leak({"simple": base}, {"simple": base - 2}, "hd95_px")
    assert (
        "On HD95 the scheme random overrates by 2.0 px (2.0 to 2.0): 4.5 in place of 6.5, simple, 8 groups, p < 0.001: "
        "leakage." in said
    )


def test_verdict_without_leakage():
    base, change = np.linspace(0.5, 0.8, 8), 0.01 * np.array([1, -1] * 4)
    said = leak({"simple": base}, {"simple": base + change})
    assert any(
        "the scheme random changes the score by 0.000 (−0.0" in text and "not shown" in text for text in said
    )
    said = leak({"simple": base}, {"simple": base - 0.1})
    assert any("the scheme random underrates by −0.100 (−0.100 to −0.100)" in text for text in said)


def test_leakage_takes_a_test_groups_and_trainings():
    few = leak({"simple": [0.5, 0.6, 0.7]}, {"simple": [0.6, 0.7, 0.8]})
    assert any(text.endswith("leakage is not shown; a test takes 6 groups.") for text in few)
    base = np.linspace(0.5, 0.8, 8)
    rows = pd.concat([table({"simple": base}), table({"simple": base + 0.1}, scheme="random")])
    said = speak(rows, leakage=inflation(rows))
    assert any(text.endswith("one seed does not tell it from the luck of trainings.") for text in said)


def test_a_sheet_that_leaks_is_called_so():
    rows = pd.concat([table({"simple": [0.5] * 8}), table({"simple": [0.6] * 8}, scheme="sheet")])
    leaky, clean = (speak(rows, leakage=inflation(rows, schemes, draws=200)) for schemes in (["sheet"], []))
    caution = "Scheme sheet tests on groups that were trained on: expect lower scores on new recordings."
    assert caution in leaky
    assert caution not in clean


def entry(**changes):
    """A contestant of a config."""
    keys = ("tool", "minutes", "epochs", "weights", "labels")
    return dict.fromkeys(keys) | {"held_out": False, "options": {}} | changes


def test_the_best_network_and_the_best_other_tool_are_named():
    rows = table({"simple": [0.7] * 6, "attention": [0.8] * 6, "stardist": [0.6] * 6}, seeds=(1, 2, 3))
    said = speak(rows, contestants={"stardist": entry()}, titles={"stardist": "StarDist"})
    assert said[1] == (
        "On cell IoU the best of the 2 networks is attention (0.800); the only other tool is StarDist (0.600)."
    )
    assert not any("given" in sentence for sentence in said)
    assert not any("the best of the" in sentence for sentence in speak(rows))


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"labels": "a.tif"}, "The labels of gui were given"),
        ({"weights": "a.pt"}, "The weights of gui were given"),
        ({"labels": "a.tif", "held_out": True}, None),
        ({}, None),
    ],
)
def test_what_was_made_elsewhere_has_its_caution(changes, warned):
    rows = table({"simple": [0.7] * 6}, seeds=(1, 2, 3))
    rows = pd.concat([rows, table({"gui": [0.9] * 6})])
    said = speak(rows, contestants={"gui": entry(**changes)})
    assert any(sentence.startswith(warned or "The labels") for sentence in said) == bool(warned)
    # a single run is no single seed where nothing is trained
    assert any("One seed" in sentence for sentence in said) == (not changes.get("labels"))


def test_the_verdict_leaves_out_what_may_have_seen_the_frames():
    rows = table({"simple": [0.7] * 6, "attention": [0.8] * 6}, seeds=(1, 2, 3))
    rows = pd.concat([rows, table({"gui": [0.9] * 6})])
    said = speak(rows, contestants={"gui": entry(labels="a.tif")})
    assert said[0] == "Use attention: on cell IoU it is better than simple."
    assert "so the verdict leaves it out" in " ".join(said)
    held_out = {"gui": entry(labels="a.tif", held_out=True)}
    pairs = compare(rows, draws=500, fixed=["gui"])
    told = verdict(pairs, summarise(rows, draws=500), contestants=held_out)
    assert told[0] == "Use gui: on cell IoU it is better than simple and attention."
