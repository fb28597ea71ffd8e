import numpy as np
import pytest
import yaml

from brightcell.config import suggest, validation
from brightcell.nets import unet


def suggested(*arguments):
    """What is written into a config."""
    return suggest.without_defaults(suggest.settings(*arguments), validation.load_schema())


def discs(diameter, number=9):
    """Labels of discs of one diameter."""
    y, x = np.mgrid[: 3 * diameter, : 3 * diameter * number] + 0.5
    centre = (x // (3 * diameter) + 0.5) * 3 * diameter
    inside = (y - 1.5 * diameter) ** 2 + (x - centre) ** 2 <= (diameter / 2) ** 2
    return np.where(inside, x // (3 * diameter) + 1, 0).astype(np.int32)


@pytest.mark.parametrize("diameter", [12, 28, 75])
def test_the_diameter_of_a_disc_is_its_diameter(diameter):
    assert suggest.cell_diameters(discs(diameter)) == pytest.approx([diameter] * 9, rel=0.02)


def test_no_cells_and_missing_numbers():
    assert len(suggest.cell_diameters(np.zeros((4, 4), np.int32))) == 0
    assert len(suggest.cell_diameters(np.array([[0, 7], [7, 2]]))) == 2


@pytest.mark.parametrize(
    ("diameter", "pixel", "working"), [(56, 0.65, 1.3), (112, 0.1, 0.4), (28, 0.65, None), (7, 2.0, 1.0)]
)
def test_cells_are_brought_to_28_px(diameter, pixel, working):
    made = suggested([diameter] * 5, (2000, 2000), 6, pixel)["images"]
    assert made.get("working_pixel_size_um") == working


def test_without_a_pixel_size_frames_stay_and_networks_grow():
    small, large = (suggested([d], (2000, 2000), 6) for d in (28, 120))
    assert "images" not in small
    assert "network" not in small and large["network"] == {"levels": 6}
    assert "training" not in small and large["training"] == {"patch": 512}
    assert large["prediction"] == {"tile": 512}


def test_a_patch_fits_into_the_frames():
    assert suggest.settings([28], (150, 400), 6)["training"]["patch"] == 128
    assert (
        suggest.settings([60], (300, 300), 6, 0.5)["training"]["patch"] == 128
    )  # frames of 140 px when rescaled


@pytest.mark.parametrize(
    ("groups", "folds"),
    [(1, {"schemes": ["random"]}), (3, None), (4, None), (5, {"number": 5}), (9, {"number": 5})],
)
def test_folds_follow_the_number_of_groups(groups, folds):
    assert suggested([28], (500, 500), groups).get("folds") == folds


def test_what_equals_the_default_is_not_written():
    assert suggested([28], (500, 500), 3) == {"seeds": [1, 2, 3]}


@pytest.mark.parametrize("levels", [2, 3])
def test_the_receptive_field_is_that_of_the_network(levels):
    import keras

    size = 64
    model = unet.build_unet("simple", (size, size, 1), filters=2, levels=levels)
    for layer in model.layers:  # all weights of one sign, so that nothing cancels
        if isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([np.ones_like(weight) for weight in layer.get_weights()])
    images = np.zeros((1, size, size, 1), np.float32)
    base = model.get_layer(model.layers[-3].name)
    inner = keras.Model(model.inputs[0], base.input)
    one = images.copy()
    one[0, size // 2, size // 2] = 1
    changed = np.abs(np.asarray(inner(one)) - np.asarray(inner(images))).sum(axis=(0, 3)) > 0
    assert changed.any(axis=0).sum() == pytest.approx(suggest.receptive_field(levels), abs=2 ** (levels - 1))


@pytest.mark.parametrize("pixel", [None, 0.113, 12.0])
@pytest.mark.parametrize("diameter", [3, 28, 300])
@pytest.mark.parametrize("groups", [1, 2, 3, 50])
def test_every_suggestion_is_a_legal_config(pixel, diameter, groups):
    made = suggested([diameter], (700, 900), groups, pixel)
    text = suggest.config_text("a", "größe: #1.tsv", made, ["A remark.\nOf two lines."])
    config = validation.complete(yaml.safe_load(text), validation.load_schema())
    assert config["samples"] == "größe: #1.tsv"
    assert text.startswith("# A remark.\n# Of two lines.\ndataset: a\n")
    assert len(text.splitlines()) <= 10
