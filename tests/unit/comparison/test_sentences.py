import re

import numpy as np
import pandas as pd
from scored import table

from brightcell.comparison.differences import compare, inflation, summarise
from brightcell.comparison.sentences import verdict


def speak(rows, **settings):
    return verdict(compare(rows, draws=500), summarise(rows, draws=500), **settings)


def test_verdict_of_a_clear_difference():
    base = np.linspace(0.5, 0.8, 8)
    said = speak(table({"simple": base, "attention": base + 0.05}, seeds=(1, 2, 3)))
    assert said[0].startswith("On cell IoU attention has the best mean: 0.700 (")
    assert said[0].endswith("8 groups, 16 frames, 3 seeds.")
    assert said[1:] == [
        "On cell IoU attention is better than simple: higher by 0.050 (0.050 to 0.050), 8 groups, p = 0.008; beyond the margin of 0.01."
    ]


def test_verdict_where_lower_is_better():
    base = np.linspace(3, 9, 8)
    said = speak(table({"simple": base, "attention": base + 2}, "hd95_px", seeds=(1, 2)), scores=["hd95_px"])
    assert said[0].startswith("On HD95 simple has the best mean: 6.0 px (")
    assert (
        said[1]
        == "On HD95 simple is better than attention: lower by 2.0 px (2.0 to 2.0), 8 groups, p = 0.008."
    )


def test_verdict_without_a_difference():
    base = np.full(8, 0.5)
    change = np.array([0.04, -0.05, 0.02, -0.02, 0.03, -0.03, 0.01, 0.016])
    said = speak(table({"attention": base + change, "simple": base}, seeds=(1, 2)))
    assert re.fullmatch(
        r"On cell IoU attention against simple, no difference shown: 0\.002, −0\.0\d\d to 0\.0\d\d, 8 groups; "
        r"about \d\d groups would show a difference of 0\.01\.",
        said[1],
    )
    assert len(said) == 2


def test_verdict_of_few_groups_does_not_claim():
    said = speak(table({"simple": [0.5, 0.6, 0.7], "attention": [0.6, 0.72, 0.81]}))
    assert said[1] == (
        "On cell IoU attention may be better than simple: higher by 0.110 (0.100 to 0.120), 3 groups, "
        "but p = 0.250."
    )
    assert said[2].startswith("Scheme grouped rests on 3 groups: no p below 0.250 can come out")
    assert said[3].startswith("One seed a network")


def test_verdict_of_one_group():
    said = speak(table({"simple": [0.5], "attention": [0.6]}, seeds=(1, 2)))
    assert said == [
        "On cell IoU attention has the best mean: 0.600 (no interval), 1 group, 2 frames, 2 seeds.",
        "On cell IoU simple and attention differ by −0.100 in the only group: no test.",
        "Scheme grouped has scores of one group only: no interval, no test.",
    ]


def test_verdict_names_schemes_and_what_random_means():
    scores = pd.concat(
        [table({"simple": np.arange(7) / 10}, scheme=name, seeds=(1, 2)) for name in ("grouped", "random")]
    )
    said = speak(scores)
    assert [text.split(":")[0] for text in said[:2]] == ["Scheme grouped", "Scheme random"]
    assert "simple reaches 0.300" in said[0]
    assert said[2].startswith("Scheme random tests on groups that were trained on")


def test_verdict_of_networks_that_are_practically_the_same():
    base, change = np.linspace(0.5, 0.8, 8), 0.001 * np.array([1, -1, 2, -2, 1, -1, 2, -2])
    said = speak(table({"simple": base + change, "attention": base}, seeds=(1, 2)))
    assert said[1].startswith("On cell IoU simple against attention, no difference shown: 0.000, −0.00")
    assert said[1].endswith(", 8 groups; practically the same, within 0.01.")
    said = speak(table({"simple": base + 0.004, "attention": base}, seeds=(1, 2)))
    assert said[1].endswith("8 groups, p = 0.008; yet practically the same, within 0.01.")


def leak(grouped, random, score="cell_iou"):
    rows = pd.concat(
        [table(grouped, score, seeds=(1, 2)), table(random, score, seeds=(1, 2), scheme="random")]
    )
    return speak(rows, scores=[score], leakage=inflation(rows, draws=500))


def test_verdict_of_leakage():
    base = np.linspace(0.5, 0.8, 8)
    said = leak({"simple": base, "attention": base}, {"simple": base + 0.04, "attention": base + 0.06})
    assert (
        "On cell IoU the scheme random overrates by 0.050, 0.050 to 0.050, 8 groups (0.700 in place of 0.650, "
        "the mean of 2 networks): leakage." in said
    )


def test_verdict_of_leakage_where_lower_is_better():
    base = np.linspace(5, 8, 8)
    said = leak({"simple": base}, {"simple": base - 2}, "hd95_px")
    assert (
        "On HD95 the scheme random overrates by 2.0 px, 2.0 to 2.0, 8 groups (4.5 in place of 6.5, simple): "
        "leakage." in said
    )


def test_verdict_without_leakage():
    base, change = np.linspace(0.5, 0.8, 8), 0.01 * np.array([1, -1] * 4)
    said = leak({"simple": base}, {"simple": base + change})
    assert any("no inflation by the scheme random shown: 0.000, −0.0" in text for text in said)
    said = leak({"simple": base}, {"simple": base - 0.1})
    assert any("the scheme random underrates by −0.100, −0.100 to −0.100" in text for text in said)


def test_a_sheet_that_leaks_is_called_so():
    rows = pd.concat([table({"simple": [0.5] * 8}), table({"simple": [0.6] * 8}, scheme="sheet")])
    leaky, clean = (speak(rows, leakage=inflation(rows, schemes, draws=200)) for schemes in (["sheet"], []))
    caution = "Scheme sheet tests on groups that were trained on: expect lower scores on new recordings."
    assert caution in leaky
    assert caution not in clean
