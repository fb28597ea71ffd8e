"""recipe.json, calibration.json and expected.tsv from elsewhere: what is used of them is checked, key by key."""

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


EXPECTED = {
    **{"scheme": "grouped", "network": "simple", "score": "ap50", "mean": 0.8, "low": 0.7, "high": 0.9},
    **{"groups": 8, "frames": 40, "seeds": 3, "trainings": 12, "leaky": False},
}


def write_expected(path, **changes):
    columns = {name: value for name, value in (EXPECTED | changes).items() if value is not None}
    lines = ["\t".join(columns), "\t".join(map(str, columns.values()))]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_expected_scores_are_read_as_they_are(tmp_path):
    assert trained.read_expected(write_expected(tmp_path / "a.tsv")).to_dict("records") == [EXPECTED]
    one_group = trained.read_expected(write_expected(tmp_path / "b.tsv", low="nan", high="nan", groups=1))
    assert one_group[["low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network", "<script>"), ("score", "a b"), ("scheme", ""), ("mean", "nan"), ("mean", 1.1), ("low", "inf"),
        ("high", "x"), ("groups", 0), ("groups", 2.5), ("seeds", -1), ("trainings", 10**30), ("leaky", "maybe"), ("leaky", 1),
    ],
)  # fmt: skip
def test_odd_expected_scores_are_refused(tmp_path, key, value):
    path = write_expected(tmp_path / "expected.tsv", **{key: value})
    with pytest.raises(
        InputError, match=rf"expected\.tsv: {key} is .* in row 1\. Expected .*get the file again"
    ):
        trained.read_expected(path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "no table can be read"),
        (b"\xff\xfe\x00\x01", "no table can be read"),
        (b"scheme\tnetwork\n1\t2\n3\t4\t5\t6\n", "no table can be read"),
        (b"scheme\tnetwork\n", "no column score, mean, low"),
        (("\t".join(EXPECTED) + "\n").encode(), "0 rows"),
        (("\t".join(EXPECTED) + "\n" + 101 * ("\t".join(map(str, EXPECTED.values())) + "\n")).encode(), "101 rows"),
        (bytes(trained.LARGEST + 1), "larger than 1,048,576 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_expected_scores_is_refused(tmp_path, content, found):
    path = tmp_path / "expected.tsv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"expected\.tsv: {found}.* Expected .*get the file again"):
        trained.read_expected(path)


def test_expected_scores_lie_beside_the_folders_of_models(tmp_path):
    models = [tmp_path / f"{network}/fold{fold}/model.keras" for network in "ab" for fold in (1, 2)]
    (tmp_path / "a").mkdir()
    write_expected(tmp_path / "a/expected.tsv")
    assert trained.expected_beside(models) == [str(tmp_path / "a/expected.tsv")]
    assert trained.expected_beside([model.parent for model in models]) == trained.expected_beside(models)
    assert trained.expected_beside(models[2:]) == []
