"""The comparison of watersheds: known cells, known means, known differences."""

import numpy as np
import pandas as pd
import pytest
from shapes import draw

from brightcell.comparison.watersheds import COLUMNS, compare_watersheds
from brightcell.instances import labelling
from brightcell.instances.variants import FRAME_COLUMNS, SCORES, other_watersheds, score_watersheds
from brightcell.training import patches

DRAWN = {"draws": 500, "confidence": 0.95, "seed": 1}


def scene():
    """A large disc, a small one, and a rectangle that is two cells."""
    truth = draw((120, 200), (60, 50, 30), (60, 110, 12))
    truth[20:100, 140:160], truth[20:100, 160:180] = 3, 4
    return truth


def test_every_watershed_finds_what_it_can():
    truth = scene()
    foreground = (truth > 0).astype(float)
    samples = pd.DataFrame({"sample": ["a", "b"], "group": ["g", "g"], "mask_type": ["instances", "binary"]})
    learned = labelling.label_cells(foreground, patches.normalised_distance(truth))
    calibration = {"markers": "learned", "foreground": {"parameters": {"radius_px": 12.0}}}
    labels = {"learned": learned, **other_watersheds(foreground, learned, calibration)}
    found = {variant: {"a": each, "b": each} for variant, each in labels.items()}
    found = score_watersheds({"a": truth, "b": truth}, found, samples).set_index("variant")
    assert found["sample"].tolist() == ["a", "a", "a"]  # b has no cells to score by
    assert found["truth_cells"].tolist() == [4, 4, 4]
    # the study's loses the small disc; neither of the first two can part the rectangle
    assert found["predicted_cells"].to_dict() == {"published": 2, "foreground": 3, "learned": 4}
    assert found["merges"].to_dict() == {"published": 1, "foreground": 1, "learned": 0}
    assert found["ap70"].tolist() == pytest.approx([1 / 5, 2 / 5, 1])
    assert found.loc["learned", "mean_ap"] == 1


def test_without_a_learned_distance_the_calibrated_watershed_is_the_one_from_the_foreground():
    truth = scene()
    found = other_watersheds((truth > 0).astype(float), truth, {"markers": "foreground"})
    assert found["foreground"] is truth
    assert found["published"].max() == 2


def scored(values: dict[str, list[float]], network="simple") -> pd.DataFrame:
    """Scores of one frame a group for each variant."""
    rows = [
        {"scheme": "grouped", "network": network, "fold": 1, "seed": 1, "sample": f"s{n}", "group": f"g{n}"}
        | {"variant": variant, **dict.fromkeys(SCORES, value), "truth_cells": 9, "predicted_cells": 9}
        for variant, each in values.items()
        for n, value in enumerate(each)
    ]
    return pd.DataFrame(rows)


def test_means_and_paired_differences():
    table = pd.concat(
        [
            scored({"published": [0.1, 0.3], "foreground": [0.2, 0.4], "learned": [0.5, 0.9]}),
            scored({"published": [0.0, 0.0], "foreground": [0.5, 0.5]}, "attention"),
        ]
    )
    gains = compare_watersheds(table, **DRAWN)
    assert gains.columns.tolist() == list(COLUMNS)
    ap = gains[(gains["score"] == "ap50") & (gains["network"] == "simple")]
    assert ap[["variant", "minus"]].to_numpy().tolist() == [
        ["published", ""], ["foreground", ""], ["learned", ""],
        ["foreground", "published"], ["learned", "published"], ["learned", "foreground"],
    ]  # fmt: skip
    assert ap["mean"].tolist() == pytest.approx([0.2, 0.3, 0.7, 0.1, 0.5, 0.4])
    assert (ap["low"] <= ap["mean"] + 1e-9).all()
    assert (ap["high"] >= ap["mean"] - 1e-9).all()
    assert ap["frames"].tolist() == [2] * 6
    assert ap["p"].iloc[:3].isna().all()
    # two groups: the differences 0.1 and 0.1 leave no doubt, 0.4 and 0.6 give t = 5 with one degree of freedom
    assert ap["p"].iloc[3:].tolist() == pytest.approx([0, 0.1257, 0.1560], abs=1e-4)
    other = gains[(gains["score"] == "ap50") & (gains["network"] == "attention")]
    assert other["mean"].tolist() == pytest.approx([0, 0.5, 0.5])


def test_masks_without_cells_have_nothing_to_compare():
    empty = pd.DataFrame(columns=["scheme", "network", "fold", "seed", *FRAME_COLUMNS])
    assert compare_watersheds(empty, **DRAWN).columns.tolist() == list(COLUMNS)
    one = compare_watersheds(scored({"published": [0.5]}), **DRAWN)
    assert one["minus"].eq("").all()
    assert np.isnan(one["low"]).all()
