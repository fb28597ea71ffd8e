"""A training that starts from trained weights: what is told where its images are unlike those of the weights."""

import json

import numpy as np
import pytest

from brightcell.training.warm_start import tell_other_images


@pytest.mark.parametrize(
    ("percentiles", "pixel_um", "told"),
    [
        ([0.5, 99.5], 1.3, []),
        ((0.5, 99.5), 1.35, []),
        ([0.5, 99.5], float("nan"), []),
        ([1, 99], 1.3, ["images.percentiles [0.5, 99.5], not [1, 99]"]),
        ([0.5, 99.5], 0.65, ["pixels of 1.3 µm, these are of 0.65 µm"]),
        ([0, 100], 2.6, ["images.percentiles", "images.working_pixel_size_um"]),
    ],
)
def test_other_images_are_told(tmp_path, caplog, percentiles, pixel_um, told):
    recipe = {"percentiles": [0.5, 99.5], "working_pixel_size_um": 1.3}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    tell_other_images(tmp_path / "model.keras", percentiles, pixel_um)
    assert len(caplog.messages) == len(told)
    for message, part in zip(caplog.messages, told, strict=True):
        assert part in message


@pytest.mark.parametrize(
    ("diameter", "pixel_um", "said"),
    [
        (30, 1.3, ""),
        (30, 2.6, ""),  # the size in pixels is what the network sees
        (56, 0.65, "cells 28 px across, these are 56 px: set images.working_pixel_size_um to 1.3, so that"),
        (14, float("nan"), "cells 28 px across, these are 14 px: set images.working_pixel_size_um, so that"),
    ],
)
def test_cells_of_another_size_are_told_in_pixels(tmp_path, caplog, diameter, pixel_um, said):
    area = np.pi * 14**2
    recipe = {"working_pixel_size_um": 1.3, "training_data": {"cell_area_px": [area / 2, area, 2 * area]}}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    tell_other_images(tmp_path / "model.keras", [0.5, 99.5], pixel_um, [np.pi * diameter**2 / 4] * 3)
    assert len(caplog.messages) == bool(said)
    assert said in caplog.text


def test_weights_without_a_recipe_are_taken_as_they_are(tmp_path, caplog):
    tell_other_images(tmp_path / "model.keras", [0, 100], 1.0)
    assert not caplog.messages
