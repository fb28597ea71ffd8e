"""How a report says that it came to be."""

import pandas as pd
import pytest

from brightcell import provenance
from brightcell.report.record import describe

RECIPE = {"device": "cpu", "train_seconds": 1800.0, "backend": "tensorflow", "versions": {"keras": "3"}}
SCORES = pd.DataFrame({"seed": [2, 1, 2], "fold": [1, 1, 2]})


@pytest.mark.parametrize("variable", ["APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"])
def test_the_images_that_networks_were_trained_in_are_named_once(monkeypatch, variable):
    recipes = []
    for image in ("/images/train.sif", "/images/old.sif", "/images/train.sif", ""):
        monkeypatch.setenv(variable, image)
        recipes.append(RECIPE | {"machine": provenance.machine()})  # as the script `train` writes it
    assert describe(recipes, SCORES)["container images"] == ["/images/old.sif", "/images/train.sif"]
    assert "container images" not in describe(recipes[-1:], SCORES)


def test_runs_seeds_and_hours_are_told():
    told = describe([RECIPE, RECIPE | {"machine": {"host": "n1", "processor": "a processor"}}], SCORES)
    assert (told["seeds"], told["folds"], told["training, hours"]) == ([1, 2], [1, 2], 1.0)
    assert told["trained on"] == ["n1 · a processor · cpu", "unknown host · cpu"]
    assert told["versions, training"] == {"keras": "3"}
    assert "equal for all networks" not in told, "older recipes do not say it"


def test_what_networks_had_alike_is_told():
    told = describe([RECIPE | {"budget": "steps", "rates_tried": []}], SCORES)
    assert (
        told["equal for all networks"] == "the steps of a training, however long they take; the learning rate"
    )
    told = describe([RECIPE | {"budget": "minutes", "rates_tried": [[0.001, 0.2], [0.01, None]]}], SCORES)
    assert told["equal for all networks"].startswith("the minutes of a training; each took the best of the")
    assert "0.001, 0.01" in told["equal for all networks"]


def test_contestants_are_told_with_their_versions():
    tool = {
        "network": "sd",
        "title": "StarDist",
        "tool": "stardist",
        "budget": "minutes",
        "minutes": 20,
        "weights": None,
    }
    tool |= {"device": "cpu", "train_seconds": 1800.0, "versions": {"python": "3.11", "stardist": "0.9"}}
    labels = {"network": "gui", "title": "gui", "tool": None, "labels": "a/{sample}.png", "held_out": False}
    told = describe([labels, tool, RECIPE], SCORES)
    assert told["contestant sd"] == {"tool": "stardist", "minutes": 20, "stardist": "0.9"}
    assert told["contestant gui"] == {"labels": "a/{sample}.png", "held out": "not known"}
    assert told["versions, training"] == {"keras": "3"}  # those of the networks
    assert told["training, hours"] == 1.0  # labels that were given took none here
