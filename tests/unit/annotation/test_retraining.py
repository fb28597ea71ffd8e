"""Whether a network that was trained on is recommended, on scores whose differences are known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from segmented import TEMPLATES

import judge_retrained
from brightcell import files
from brightcell.annotation import changes, retraining
from brightcell.training import budget, data

OPTIONS = {"primary": "cell_iou", "draws": 200, "confidence": 0.95, "margin": 0.01}
PAIRS = {"simple_retrained": "simple"}


def scores(cell_iou, ap50, groups=8, spread=0.0, seed=1):
    """Scores before, and after with a known mean gain of each score that varies over groups by `spread`."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(0.6, 0.8, groups)
    away = rng.normal(0, 1, groups)
    away = spread * (away - away.mean()) / max(away.std(), 1e-9)
    rows = []
    for network, gains in (("simple", (0.0, 0.0)), ("simple_retrained", (cell_iou, ap50))):
        for group in range(groups):
            for number in (1, 2):
                luck = 0.002 * (-1) ** (group + number)
                gain = [each + away[group] * (network != "simple") for each in gains]
                rows.append(
                    {"scheme": "grouped", "network": network, "fold": group % 2 + 1, "seed": number}
                    | {"group": f"g{group}", "sample": f"s{group}", "mask_type": "instances"}
                    | {"cell_iou": level[group] + luck + gain[0], "ap50": level[group] - luck + gain[1]}
                )
    return pd.DataFrame(rows)


def judged(*given, **kwargs):
    return retraining.judge(scores(*given, **kwargs), PAIRS, OPTIONS)


def test_a_network_that_gains_is_recommended_with_its_gain():
    table = judged(0.02, 0.05)
    assert table.set_index("score")["difference"].to_dict() == pytest.approx({"cell_iou": 0.02, "ap50": 0.05})
    assert np.allclose(table["after"] - table["before"], table["difference"])
    assert retraining.recommended(table) == ["simple"]
    (sentence,) = retraining.sentences(table, 0.01)
    assert sentence.startswith(
        "Use simple_retrained: it is not worse than simple by more than 0.01 on 8 held-out groups."
    )


@pytest.mark.parametrize(
    ("gains", "spread", "good"),
    [
        ((0.0, 0.0), 0.001, True),  # as good as before, and sure
        ((-0.005, 0.05), 0.001, True),  # a little worse, by less than the margin
        ((-0.02, 0.05), 0.001, False),  # pixels got worse
        ((0.05, -0.02), 0.001, False),  # single cells got worse
        ((0.0, 0.0), 0.05, False),  # equal on average, but that may be chance
    ],
)
def test_only_what_is_shown_not_to_be_worse_is_recommended(gains, spread, good):
    table = judged(*gains, spread=spread)
    assert (retraining.recommended(table) == ["simple"]) == good
    (sentence,) = retraining.sentences(table, 0.01)
    how = "is worse on 8" if min(gains) < 0 else "may be worse on 8"
    assert sentence.startswith("Use simple_retrained" if good else f"Keep simple: simple_retrained {how}")
    worst = min(zip(gains, ("Cell IoU", "AP at IoU 0.5"), strict=True))[1] if gains[0] != gains[1] else ""
    assert worst in sentence


def test_one_group_has_no_interval_and_recommends_nothing():
    table = judged(0.1, 0.1, groups=1)
    assert table["low"].isna().all()
    assert retraining.recommended(table) == []
    assert "too few groups for an interval" in retraining.sentences(table, 0.01)[0]


def test_binary_masks_are_judged_by_pixels_alone():
    table = retraining.judge(scores(0.0, 0.0).drop(columns="ap50"), PAIRS, OPTIONS)
    assert list(table["score"]) == ["cell_iou"]
    assert retraining.recommended(table) == ["simple"]


def test_the_page_says_it(tmp_path):
    files.write_table(scores(0.02, 0.05), tmp_path / "frames.tsv")
    row = changes.changes(np.array([[1, 1, 0]]), np.array([[1, 1, 2]]))
    files.write_table(
        pd.DataFrame([{"crop": "c", "recording": "<b>", "file": "c.v1.tif", **row}]), tmp_path / "changes.tsv"
    )
    inputs = SimpleNamespace(frames=[tmp_path / "frames.tsv"], changes=tmp_path / "changes.tsv")
    out = SimpleNamespace(differences=tmp_path / "differences.tsv", page=tmp_path / "page.html")
    judge_retrained.main(inputs, out, PAIRS, OPTIONS, TEMPLATES)
    page = out.page.read_text()
    assert "Use simple_retrained: it is not worse" in page
    assert "+0.050" in page
    assert "&lt;b&gt;" in page
    assert list(files.read_table(out.differences)["not_worse"]) == [True, True]


@pytest.mark.parametrize(("old", "new", "share"), [(30, 4, 0.5), (3, 12, 0.5), (40, 10, 0.2), (7, 7, 0.5)])
def test_corrected_crops_have_their_share_of_the_patches(old, new, share):
    frames = data.together(["old"] * old, ["new"] * new, share)
    assert frames.count("new") / len(frames) == pytest.approx(share, abs=0.06)
    assert {"old", "new"} == set(frames)


def test_a_training_that_goes_on_is_shorter_and_slower():
    given = {"epochs": 50, "minutes": 10, "learning_rate": [0.01, 0.003], "patience": 15}
    found = budget.shorter(given, {"length": 0.1, "rate": 0.5, "share": 0.5})
    assert found == {"epochs": 5, "minutes": 1, "learning_rate": [0.005, 0.0015], "patience": 15}
