"""A config beside the trained network that it starts from: what differs is said before any job runs."""

import json
import re

import numpy as np
import pytest
import tifffile
from defaults import defaults

from brightcell.errors import InputError
from brightcell.training import starting

RECIPE = {"network": "simple", "filters": 8, "levels": 4, "outputs": 1, "channels": 3}


@pytest.mark.parametrize(
    ("changes", "channels", "said"),
    [
        ({}, 3, ""),
        ({}, None, ""),
        (
            {"filters": 16},
            1,
            "the model has 8 filters and 3 channels, the config and its images 16 filters and 1 channel. Expected the "
            "same: set network.filters: 8; set images.channels: [0, 0, 0] for grey images.",
        ),
        ({"levels": 3}, 3, "the model has 4 levels, the config and its images 3 levels"),
        ({"target": "foreground+distance"}, 3, "set network.target: foreground."),
        ({"target": "auto"}, 3, ""),
    ],
)
def test_what_differs_is_said_in_words(tmp_path, changes, channels, said):
    (tmp_path / "recipe.json").write_text(json.dumps(RECIPE))
    network = {"filters": 8, "levels": 4, "target": "foreground"} | changes
    if not said:
        starting.check_start(tmp_path / "model.keras", "simple", network, channels)
        return
    with pytest.raises(InputError, match=re.escape(said)):
        starting.check_start(tmp_path / "model.keras", "simple", network, channels)


def test_another_network_and_colour_for_a_network_of_grey(tmp_path):
    (tmp_path / "recipe.json").write_text(json.dumps(RECIPE | {"channels": 1}))
    network = {"filters": 8, "levels": 4, "target": "foreground"}
    with pytest.raises(
        InputError, match=r"the network simple and 1 channel, .* the network attention and 3 channels"
    ) as error:
        starting.check_start(tmp_path / "model.keras", "attention", network, 3)
    assert "set networks: [simple], or write {network} into the path; set images.channels: [0]." in str(
        error.value
    )


def test_a_model_without_a_recipe_is_looked_at_when_it_is_loaded(tmp_path):
    starting.check_start(tmp_path / "model.keras", "simple", {}, 3)


def test_channels_of_the_first_frame(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9, 3), np.uint8), photometric="rgb")
    row = {"image": str(tmp_path / "a.tif"), "page": "", "scene": ""}
    assert starting.channels_of([row], defaults("images"), defaults("preprocess")) == 3
    assert starting.channels_of([row], defaults("images", channels=[1]), defaults("preprocess")) == 1
    assert starting.channels_of([row], defaults("images"), defaults("preprocess", bayer="RGGB")) == 3
    assert (
        starting.channels_of([row | {"image": "none.tif"}], defaults("images"), defaults("preprocess"))
        is None
    )
    assert starting.channels_of([], defaults("images"), defaults("preprocess")) is None
