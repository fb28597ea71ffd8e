"""recipe.json and calibration.json from elsewhere: what is used of them is checked, key by key."""

import json

import pytest

from brightcell import trained
from brightcell.errors import InputError

RECIPE = {
    "network": "simple", "channels": 1, "outputs": 2, "levels": 4, "percentiles": [0.5, 99.5], "working_pixel_size_um": 0.5,
    "dataset": "demo", "scheme": "grouped", "preprocess": {"flat": None, "bit_depth_percentiles": [1, 99]},
    "training_data": {"contrast": [0.1, 0.2, 0.3]}, "chosen_channels": None, "epochs_run": 9,
}  # fmt: skip
CALIBRATION = {
    "parameters": {"threshold": 0.5, "smoothing_px": 1.5, "depth": 0.1, "minimum_area_px": 20},
    "score": "mean_ap",
    "value": 0.8,
    "symmetries": True,
}
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("read", "content"), [(trained.read_recipe, RECIPE), (trained.read_calibration, CALIBRATION)]
)
def test_what_the_workflow_writes_is_read_as_it_is(tmp_path, read, content):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    assert read(path) == content


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network", "../x"), ("network", 3), ("channels", 0), ("channels", "1"), ("channels", True), ("levels", 10**9),
        ("levels", 2.0), ("outputs", None), ("percentiles", [99, 1]), ("percentiles", ["a", "b"]), ("percentiles", [NAN, 1]),
        ("percentiles", 5), ("working_pixel_size_um", 0), ("working_pixel_size_um", INF), ("working_pixel_size_um", "0.5"),
        ("training_data", {"contrast": [1]}), ("training_data", []), ("preprocess", {"flat": {}}), ("chosen_channels", [-1]),
        ("scheme", []),
    ],
)  # fmt: skip
def test_an_odd_recipe_is_refused(tmp_path, key, value):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(RECIPE | {key: value}))
    with pytest.raises(InputError, match=rf"recipe\.json: {key} is .*\. Expected .*get the file again"):
        trained.read_recipe(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("threshold", NAN), ("threshold", INF), ("threshold", 1e308), ("threshold", "0.5"), ("threshold", [0.5]),
        ("depth", -1), ("smoothing_px", 1e9), ("minimum_area_px", None), ("radius_px", 0),
    ],
)  # fmt: skip
def test_odd_parameters_of_the_watershed_are_refused(tmp_path, key, value):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(CALIBRATION | {"parameters": CALIBRATION["parameters"] | {key: value}}))
    with pytest.raises(InputError, match=rf"calibration\.json: parameters: {key} is "):
        trained.read_calibration(path)


def test_other_calibrations_and_files_are_refused(tmp_path):
    path = tmp_path / "calibration.json"
    for content, words in (
        (CALIBRATION | {"parameters": {"cutoff": 0.5}}, r"parameters has \['cutoff'\]"),
        (CALIBRATION | {"parameters": {}}, "parameters: no threshold and no smoothing_px"),
        (CALIBRATION | {"parameters": []}, "parameters is"),
        (CALIBRATION | {"value": NAN}, "value is nan"),
        (CALIBRATION | {"score": "../x"}, "score is"),
        ({"scores": 1}, "no parameters and no score and no value in it"),
        ([], "expected names and values"),
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=words):
            trained.read_calibration(path)
    path.write_bytes(b" " * (trained.LARGEST + 1))
    with pytest.raises(InputError, match="larger than"):
        trained.read_calibration(path)
    with pytest.raises(InputError, match="no such file"):
        trained.read_recipe(tmp_path / "recipe.json")
