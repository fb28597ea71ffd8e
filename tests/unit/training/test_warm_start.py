"""A training that starts from trained weights: what is told where its images are unlike those of the weights."""

import json

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


def test_weights_without_a_recipe_are_taken_as_they_are(tmp_path, caplog):
    tell_other_images(tmp_path / "model.keras", [0, 100], 1.0)
    assert not caplog.messages
