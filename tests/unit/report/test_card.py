"""The card of a network: facts as they are in the files, scores with their groups, limits that hold for it."""

import numpy as np
import pandas as pd
import pytest

from brightcell.report.card import limits, write_card

AREAS = [78.5398, 314.159, 1256.64]  # discs of 10, 20 and 40 px


def recipe(fold, **changes):
    made = {
        "dataset": "dish", "scheme": "grouped", "network": "attention", "fold": fold, "seed": 1, "filters": 16, "levels": 4,
        "outputs": 2, "channels": 1, "parameters": 1234567, "percentiles": [0.5, 99.5], "working_pixel_size_um": 0.5,
        "chosen_channels": None, "preprocess": {"flat": None, "bayer": True}, "epochs_run": 10 + fold,
        "training_data": {"cell_area_px": AREAS, "contrast": [0.1, 0.2, 0.3]}, "versions": {"brightcell": "0.1.0"},
    }  # fmt: skip
    return made | changes


RECIPES = [recipe(1), recipe(2)]
SAMPLES = pd.DataFrame(
    {
        "sample": list("abcdef"),
        "group": list("xxyyzz"),
        "cells": [1, 2, 3, 4, 5, 600],
        "mask_type": "instances",
    }
)
ROLES = [(1, "a", "x", "test"), (1, "c", "y", "train"), (2, "c", "y", "test"), (2, "a", "x", "train"), (1, "e", "z", "validate")]  # fmt: skip
FOLDS = pd.DataFrame(ROLES, columns=["fold", "sample", "group", "role"]).assign(scheme="grouped")
EXPECTED = pd.DataFrame(
    {"scheme": "grouped", "network": "attention", "score": ["ap50"], "mean": 0.83, "low": 0.75, "high": 0.91,
     "groups": 6, "frames": 60, "seeds": 1, "trainings": 2, "leaky": False}
)  # fmt: skip


def test_the_card_says_what_the_network_was_trained_on():
    card = write_card(RECIPES, EXPECTED, SAMPLES, FOLDS)
    assert card.startswith("# attention, trained on dish\n")
    assert "2 trainings (2 folds, 1 seed) segment together" in card
    assert "| groups, frames | 3, 3 |" in card  # those of the scheme
    assert "| cells | 9 |" in card
    assert "| pixel size | 0.5 µm |" in card
    assert "| diameter of cells, 5 / 50 / 95 % | 10 / 20 / 40 px = 5 / 10 / 20 µm |" in card
    assert "| contrast of frames, 5 / 50 / 95 % | 0.1 / 0.2 / 0.3 |" in card
    assert "| epochs | 11 to 12 |" in card
    assert "| steps for raw data | bayer True |" in card
    assert "multiples of 8" in card


def test_the_card_says_how_good_it_is_and_on_which_groups():
    card = write_card(RECIPES, EXPECTED, SAMPLES, FOLDS)
    assert "Means over 6 groups (60 frames), each scored by 1 averaged training that had not seen it:" in card
    assert "| AP at IoU 0.5 | 0.830 | 0.750 to 0.910 |" in card
    assert "- fold 1 tests x\n- fold 2 tests y" in card
    alone = EXPECTED.assign(low=np.nan, high=np.nan, groups=1)
    assert "| 0.830 | – |" in write_card(RECIPES, alone, SAMPLES, FOLDS)
    assert "## How good\n\nNot known." in write_card(RECIPES, EXPECTED[:0], SAMPLES, FOLDS)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "Cells of less than 5 µm or more than 20 µm across were rare"),
        ({"groups": 2}, "2 groups cannot show how much new ones differ"),
        ({"leaky": True}, "the trainings had seen other frames of the groups"),
    ],
)
def test_limits_are_those_of_the_scores(change, told):
    assert told in " ".join(limits(RECIPES, EXPECTED.assign(**change), SAMPLES))
    if change:
        assert told not in " ".join(limits(RECIPES, EXPECTED, SAMPLES))


def test_limits_are_those_of_the_training():
    unknown = limits([recipe(1, working_pixel_size_um=None)], EXPECTED, SAMPLES)
    assert "The pixel size of the training is unknown" in " ".join(unknown)
    assert not any("µm" in line for line in unknown)
    binary = " ".join(limits(RECIPES, EXPECTED, SAMPLES.assign(mask_type="binary")))
    assert "how well these are separated is not known" in binary
