"""Which trained networks segment together."""

import json

import numpy as np
import pytest

from brightcell.errors import InputError
from brightcell.recordings import ensemble

RECIPE = {
    "network": "simple",
    "channels": 1,
    "outputs": 1,
    "levels": 2,
    "percentiles": [0.5, 99.5],
    "working_pixel_size_um": 0.5,
}


PARAMETERS = {"threshold": 0.5, "smoothing_px": 1.0, "depth": 0.1, "minimum_area_px": 20}


def calibration(value, **parameters):
    return {"score": "mean_ap", "value": value, "parameters": parameters}


def test_the_best_network_on_validation_frames_is_taken_with_all_its_trainings():
    recipes = [RECIPE | {"network": name} for name in ("simple", "attention", "simple", "attention")]
    calibrations = [
        calibration(value, depth=depth) for value, depth in ((0.9, 1), (0.6, 2), (0.1, 3), (0.6, 4))
    ]
    found = ensemble.choose(recipes, calibrations)
    assert (found.network, found.members, found.parameters) == ("attention", [1, 3], {"depth": 3})
    assert ensemble.choose(recipes, calibrations, "simple").members == [0, 2]


def test_parameters_are_medians_and_words_the_most_frequent():
    calibrations = [
        calibration(1, area=value, border=word) for value, word in ((10, "b"), (30, "a"), (20, "a"))
    ]
    assert ensemble.common_parameters(calibrations) == {"area": 20, "border": "a"}


def test_members_must_fit_together():
    other = RECIPE | {"working_pixel_size_um": 1.0}
    with pytest.raises(InputError, match=r"second: pixel size in µm 1.0; first has 0.5"):
        ensemble.choose([RECIPE, other], [calibration(1)] * 2, names=["first", "second"])
    close = RECIPE | {"working_pixel_size_um": 0.501}
    assert ensemble.choose([RECIPE, close], [calibration(1)] * 2).members == [0, 1]
    with pytest.raises(InputError, match="channels 3"):
        ensemble.choose([RECIPE, RECIPE | {"channels": 3}], [calibration(1)] * 2)


def test_scores_of_different_kinds_are_not_compared():
    calibrations = [calibration(1), calibration(1) | {"score": "seg"}]
    with pytest.raises(InputError, match=r"mean_ap, seg.*segment\.network"):
        ensemble.choose([RECIPE, RECIPE | {"network": "attention"}], calibrations)


def test_maps_are_averaged_and_their_spread_told():
    tiles = np.zeros((2, 4, 4, 1), np.float32)
    members = [
        lambda tiles, value=value: np.stack([tiles[..., 0] + value, tiles[..., 0] + 1], -1)
        for value in (0.2, 0.6)
    ]
    maps = ensemble.Averaged(members)(tiles)
    assert maps.shape == (2, 4, 4, 3)
    assert maps[0, 0, 0] == pytest.approx([0.4, 1, 0.2])
    assert ensemble.Averaged(members[:1])(tiles)[0, 0, 0] == pytest.approx([0.2, 1, 0])


@pytest.fixture
def models(tmp_path):
    for number, network in enumerate(("simple", "attention", "simple")):
        folder = tmp_path / f"lab/{network}/fold{number}"
        folder.mkdir(parents=True)
        (folder / "model.keras").write_bytes(b"")
        (folder / "recipe.json").write_text(json.dumps(RECIPE | {"network": network}))
        (folder / "calibration.json").write_text(json.dumps(calibration(0.5, **PARAMETERS)))
    return tmp_path / "lab"


def test_models_from_elsewhere_are_found(models):
    assert len(ensemble.find_models(models)) == 3
    assert ensemble.find_models(models, "attention") == [str(models / "attention/fold1")]
    assert ensemble.find_models(models / "attention/fold1") == [str(models / "attention/fold1")]


@pytest.mark.parametrize(
    ("key", "title", "values"),
    [("scheme", "schemes", ("grouped", "random")), ("dataset", "data sets", ("hela", "t98g"))],
)
def test_models_of_several_schemes_or_data_sets_are_not_averaged(models, key, title, values):
    for number, value in zip((0, 2), values, strict=True):
        path = models / f"simple/fold{number}/recipe.json"
        path.write_text(json.dumps(RECIPE | {key: value}))
    said = rf"several {title}: {values[0]} \(.*fold0\), {values[1]} \(.*fold2\).*name the folder of one"
    with pytest.raises(InputError, match=said):
        ensemble.find_models(models)
    with pytest.raises(InputError, match=said):
        ensemble.find_models(models, "simple")
    assert ensemble.find_models(models, "attention") == [str(models / "attention/fold1")]
    assert ensemble.find_models(models / "simple/fold2") == [str(models / "simple/fold2")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("recipe.json", "", r"recipe\.json: empty, or larger"),
        ("recipe.json", "[]", r"recipe\.json: found '\[\]'; expected names and values"),
        ("recipe.json", "{}", r"recipe\.json: no network and no channels and"),
        ("calibration.json", '{"value": 1, "parameters": {}}', r"calibration\.json: no score in it"),
        ("calibration.json", b"\xff\xfe", r"calibration\.json: damaged"),
    ],
)
def test_what_lies_beside_a_model_may_be_damaged(models, name, content, said):
    path = models / "simple/fold2" / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=rf"fold2/{said}"):
        ensemble.find_models(models)


def test_models_that_are_not_there_or_not_whole(models):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        ensemble.find_models(models / "nowhere")
    with pytest.raises(InputError, match="the models of this config's own data set"):
        ensemble.find_models(models, own=models.parent)
    (models / "empty").mkdir()
    with pytest.raises(InputError, match=r"no model\.keras in or below it"):
        ensemble.find_models(models / "empty")
    with pytest.raises(InputError, match=r"found 'simpel'; .* of attention, simple; did you mean 'simple'"):
        ensemble.find_models(models, "simpel")
    (models / "simple/fold0/calibration.json").unlink()
    with pytest.raises(InputError, match=r"fold0: no calibration\.json beside model\.keras"):
        ensemble.find_models(models)
