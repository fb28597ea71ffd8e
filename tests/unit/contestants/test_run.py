"""The runner with a tool that needs nothing: what it is given, what is written, what is refused."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brightcell import contestants, files
from brightcell.errors import InputError
from brightcell.io import stacks

ROOT = Path(__file__).resolve().parents[3]
TOOL = '''
"""Cells are what is brighter than the mean of the training frames; the number of trainings is kept."""
import os
import numpy as np

TITLE = "Threshold"
PROBABILITY = True
OPTIONS = {"add": 0.0}


def train(training, validation, folder, settings):
    os.write(1, b"said on stdout by C\\n")
    seen = folder / "trained.txt"
    number = int(seen.read_text()) if seen.exists() else 0
    seen.write_text(str(number + 1))
    np.save(folder / "mean.npy", np.mean([image.mean() for image, _ in training]) + settings["options"]["add"])
    return {"trained": number + 1, "given": [len(training), len(validation)], "channels": training[0][0].shape[-1]}


def predict(folder, image, settings):
    return {"probability": (image[..., 0] > np.load(folder / "mean.npy")).astype(np.float32)}


def labels(folder, raw, settings):
    return (raw["probability"] > 0.5).astype(np.int32)
'''


@pytest.fixture
def run():
    spec = importlib.util.spec_from_file_location("run", ROOT / "workflow/contestants/run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def study(tmp_path):
    """Three groups of one frame: a trains, b validates, c is tested; left half dark, right half a cell. Gives the job."""
    labels = np.zeros((20, 30), np.int32)
    labels[:, 15:] = 1
    for group in "abc":
        folder = tmp_path / "prepared" / group
        stacks.write_stack(folder / "frames.tif", [(f"{group}1", (50 + 100 * labels).astype(np.uint8))])
        stacks.write_stack(folder / "truth.tif", [(f"{group}1", labels)])
    paths = ([tmp_path / f"prepared/{group}/{name}.tif" for group in "abc"] for name in ("frames", "truth"))
    stacks.list_groups(*paths, tmp_path / "prepared.tsv")
    samples = pd.DataFrame({"sample": ["a1", "b1", "c1"], "group": list("abc"), "pixel_size_um": np.nan})
    files.write_table(samples, tmp_path / "samples.tsv")
    folds = samples[["sample", "group"]].assign(scheme="grouped", fold=1, role=["train", "validate", "test"])
    files.write_table(folds, tmp_path / "folds.tsv")
    (tmp_path / "threshold.py").write_text(TOOL)
    (tmp_path / "threshold.txt").write_text("numpy==1")
    names = {
        "prepared": "prepared.tsv",
        "samples": "samples.tsv",
        "folds": "folds.tsv",
        "tool": "threshold.py",
    }
    outputs = {
        "folder": "state",
        "recipe": "recipe.json",
        "labels": "labels.tif",
        "probabilities": "test.tif",
        "speed": "speed.json",
    }
    return {
        "rule": "train_contestant",
        "run": {"dataset": "d", "scheme": "grouped", "network": "mine", "fold": 1, "seed": 7},
        "entry": dict.fromkeys(("tool", "minutes", "weights", "labels"))
        | {"epochs": 3, "options": {}, "held_out": False},
        "training": {"minutes": None, "epochs": 100},
        "title": "mine (Threshold)",
        "packages": ["numpy"],
        "inputs": {name: str(tmp_path / path) for name, path in names.items()}
        | {"preflight": "", "weights": "", "recipe": "", "packages": [str(tmp_path / "threshold.txt")]},
        "outputs": {name: str(tmp_path / path) for name, path in outputs.items()},
        "log": str(tmp_path / "job.log"),
    }


def edited(study, old, new):
    path = Path(study["inputs"]["tool"])
    path.write_text(path.read_text().replace(old, new))


def recipe(study):
    return files.read_json(study["outputs"]["recipe"])


def test_a_tool_is_trained_and_its_labels_and_probabilities_are_written(run, study):
    run.main("train", study, 2)
    made = recipe(study)
    assert made["given"] == [1, 1]
    assert made["channels"] == 1
    assert (made["budget"], made["epochs"], made["minutes"]) == ("epochs", 3, None)
    assert made["title"] == "mine (Threshold)"
    assert made["versions"]["numpy"] == np.__version__
    assert made["memory_mb"] > 10
    assert "said on stdout by C" in Path(study["log"]).read_text()
    run.main("predict", study, 2)
    found = stacks.read_stack(study["outputs"]["labels"])
    assert list(found) == ["c1"]
    assert found["c1"].dtype == np.int32
    np.testing.assert_array_equal(found["c1"][:, 15:], 1)
    np.testing.assert_array_equal(found["c1"][:, :15], 0)
    np.testing.assert_array_equal(
        stacks.open_maps(study["outputs"]["probabilities"])["c1"].foreground, found["c1"]
    )
    assert files.read_json(study["outputs"]["speed"])["test"]["frames"] == 1


def test_the_folder_is_kept_until_something_changes(run, study):
    run.main("train", study, 2)
    run.main("train", study, 1)  # more cores change nothing
    assert recipe(study)["trained"] == 2
    study["entry"]["options"] = {"add": 1.0}
    run.main("train", study, 2)
    assert recipe(study)["trained"] == 1
    edited(study, "brighter", "lighter")
    run.main("train", study, 2)
    assert recipe(study)["trained"] == 1
    Path(study["inputs"]["packages"][0]).write_text("numpy==2")
    run.main("train", study, 2)
    assert recipe(study)["trained"] == 1


def test_the_first_call_is_not_timed_and_files_are(run, study, monkeypatch):
    run.main("train", study, 2)
    events, load = [], contestants.load

    def loaded(path):
        tool = load(path)
        tool.predict, tool.labels = (noted(getattr(tool, name), name) for name in ("predict", "labels"))
        return tool

    def noted(function, name):
        def call(*arguments):
            events.append(name)
            return function(*arguments)

        call.__name__ = name
        return call

    def clock():
        events.append(("clock", Path(study["outputs"]["labels"]).exists()))
        return 10.0 * len(events)

    monkeypatch.setattr(run.contestants, "load", loaded)
    monkeypatch.setattr(run.time, "perf_counter", clock)
    run.main("predict", study, 2)
    assert events == ["predict", "labels", ("clock", False), "predict", "labels", ("clock", True)]
    assert files.read_json(study["outputs"]["speed"])["test"] == {"frames": 1, "seconds": 30.0}


def test_what_train_returns_is_kept_as_plain_values(run, study):
    edited(
        study,
        'return {"trained": number + 1',
        'return {"fold": 9, "loss": np.float32(0.5), "trained": number + 1',
    )
    run.main("train", study, 2)
    assert recipe(study)["loss"] == 0.5
    assert recipe(study)["fold"] == 1  # the workflow's own


@pytest.mark.parametrize(
    ("returned", "kept"),
    [
        (None, {}),
        ({"a": np.int64(3), "b": np.array([[1, 2]]), "c": (True, "x", None)}, {"a": 3, "b": [[1, 2]], "c": [True, "x", None]}),
        ({"a": float("nan"), "b": np.float64("inf"), 0.5: {"c": 1}}, {"a": None, "b": None, "0.5": {"c": 1}}),
    ],
)  # fmt: skip
def test_values_of_a_training_become_json(returned, kept):
    found = contestants.plain_values(returned, "tool.py")
    assert found == kept
    assert json.loads(json.dumps(found, allow_nan=False)) == kept


@pytest.mark.parametrize("returned", [[], 0, np.float32(1), "done", {"model": Path("a")}, {"z": 1j}])
def test_other_values_of_a_training_are_refused(returned):
    with pytest.raises(
        InputError, match=r"^tool\.py: train returned .* Expected a dictionary of plain values"
    ):
        contestants.plain_values(returned, "tool.py")


def test_without_probabilities_their_file_is_empty(run, study):
    edited(study, "PROBABILITY = True", "")
    run.main("train", study, 2)
    run.main("predict", study, 2)
    assert Path(study["outputs"]["probabilities"]).stat().st_size == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("astype(np.int32)", "astype(float)", "mine, fold 1, sample c1: labels of type float64"),
        ("astype(np.int32)", "astype(float)", "add `.astype(np.int32)`"),
        ("astype(np.int32)", "astype(bool)", "labels of type bool. Expected whole numbers: 0 for background, cells from 1; a mask"),
        ("    return (raw", "    (raw", "mine, fold 1, sample c1: labels returned None. Expected an array of 20 × 30 px"),
        ("astype(np.int32)", "astype(np.int32) - 1", "labels from -1 to 0"),
        ("astype(np.int32)", "astype(np.int32)[1:]", "labels of 19 × 30 px. Expected 20 × 30 px"),
        ('"probability": (image', '"other": (image', "failed with KeyError: 'probability'"),
        ("np.float32)}", "np.float32) * 2}", "no probabilities"),
        ("    return (raw", '    raise SystemExit("w.pt: no weights. Expected some.")\n    return (raw', ": w.pt: no weights. Expected"),
    ],
)  # fmt: skip
def test_what_a_tool_must_not_do(run, study, old, new, told):
    edited(study, old, new)
    run.main("train", study, 2)
    with pytest.raises(InputError) as error:
        run.main("predict", study, 2)
    assert told in str(error.value)
    assert not Path(study["outputs"]["labels"]).exists()  # nothing half-written
    if "KeyError" in told:
        assert "Traceback" in Path(study["log"]).read_text()
        assert study["log"] in str(error.value)


def test_a_job_is_described_on_the_command_line(run, study):
    given = run.read_arguments(["train", json.dumps(study), "4"])
    assert given.job == study
    assert given.threads == 4


def config_of(**entries):
    least = dict.fromkeys(("tool", "minutes", "epochs", "weights", "labels")) | {
        "options": {},
        "held_out": False,
    }
    return {
        "contestants": {name: least | entry for name, entry in entries.items()},
        "training": {"minutes": None, "epochs": 9},
        "networks": ["simple"],
        "seeds": [4, 5],
        "folds": {"schemes": ["grouped"], "number": 3},
    }


def test_every_row_has_its_runs():
    config = config_of(forest={}, shot={"tool": "forest", "epochs": 0}, gui={"labels": "a.tif"})
    runs = contestants.every_run(config)
    number = {
        name: sum(run["network"] == name for run in runs) for name in ("simple", *config["contestants"])
    }
    assert number == {"simple": 6, "forest": 6, "shot": 3, "gui": 3}
    assert {run["seed"] for run in runs if run["network"] in ("shot", "gui")} == {4}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"tool": "forrest"}, "contestants.mine: there is no tool 'forrest'"),
        ({"tool": "forrest"}, "did you mean forest?"),
        ({"tool": "forest", "options": {"pixel": 3}}, "mine.options.pixel: unknown option; did you mean pixels?"),
        ({"tool": "forest", "options": {"pixels": "3"}}, "mine.options.pixels: found '3'; expected a value like its default, 4000"),
        ({"tool": "forest", "options": {"pixels": True}}, "found True"),
        ({"tool": "forest", "options": {"pixels": 2.5}}, "found 2.5; expected a value like its default, 4000"),
        ({"tool": "forest", "options": {"largest_scale_px": "8"}}, "found '8'; expected a value like its default, 8.0"),
        ({"tool": "forest", "weights": "/no/where.pt"}, "mine.weights: /no/where.pt: no such file. Nothing is downloaded"),
        ({"tool": "forest", "epochs": 0}, "mine.weights: missing"),
    ],
)  # fmt: skip
def test_faults_of_the_config_are_told_before_any_job(entry, told):
    with pytest.raises(InputError) as error:
        contestants.check_tools(config_of(mine=entry), ROOT)
    assert told in str(error.value)


def test_the_budget_of_the_networks_counts_where_there_is_no_other():
    tool = contestants.load(ROOT / "workflow/contestants/forest.py")
    entry = config_of(forest={})["contestants"]["forest"]
    assert contestants.settings(entry, tool, {"minutes": 20, "epochs": 9})["minutes"] == 20
    assert contestants.settings(entry, tool, {"minutes": None, "epochs": 9})["epochs"] == 9
    assert contestants.settings(entry | {"epochs": 2}, tool, {"minutes": 20, "epochs": 9})["minutes"] is None


def test_a_file_without_the_functions_is_no_tool(tmp_path):
    (tmp_path / "odd.py").write_text("def train(): pass")
    with pytest.raises(InputError, match="no function predict, labels"):
        contestants.load(tmp_path / "odd.py")
    (tmp_path / "odd.py").write_text("import no_such_package")
    with pytest.raises(InputError, match="import them in the functions"):
        contestants.load(tmp_path / "odd.py")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1\ndef train(:\n", "odd.py, line 2: SyntaxError: "),
        ("\n\nx = y\n", "odd.py, line 3: NameError: name 'y' is not defined"),
        ("import sys\nsys.exit(3)\n", "odd.py, line 2: SystemExit: 3"),
        ("\nimport no_such_package\n", "odd.py, line 2: No module named"),
        ("OPTIONS = ['depth']\ntrain = predict = labels = print\n", "odd.py: OPTIONS is ['depth']. Expected a dictionary"),
        ("OPTIONS = {3: 1}\ntrain = predict = labels = print\n", "odd.py: OPTIONS is {3: 1}. Expected a dictionary of names"),
    ],
)  # fmt: skip
def test_faults_of_a_tools_file_name_the_line(tmp_path, source, told):
    (tmp_path / "odd.py").write_text(source)
    with pytest.raises(InputError) as error:
        contestants.load(tmp_path / "odd.py")
    assert told in str(error.value)


def test_a_check_that_fails_is_a_message(tmp_path):
    file = tmp_path / contestants.FOLDER / "odd.py"
    file.parent.mkdir(parents=True)
    file.write_text("train = predict = labels = print\n\ndef check(settings):\n    settings['seed']\n")
    with pytest.raises(
        InputError, match=r"contestants\.odd: .*odd\.py, line 4: check failed with KeyError: 'seed'"
    ):
        contestants.check_tools(config_of(odd={}), tmp_path)


def test_a_contestant_can_have_any_name_where_others_are_not_there():
    source = (ROOT / "workflow/rules/common.smk").read_text()
    functions = {"re": re}
    exec(re.search(r"^def one_of\(names\):\n(?: .*\n)+", source, re.MULTILINE)[0], functions)
    assert re.fullmatch(functions["one_of"](["a.b", "none"]), "a.b")
    assert not any(re.fullmatch(functions["one_of"]([]), name) for name in ("none", "", "a"))


def test_an_environment_is_that_of_its_list_or_refused(tmp_path):
    def refused():
        with pytest.raises(InputError) as error:
            contestants.check_environment(tmp_path, "mine")
        return str(error.value)

    assert "requirements/contestants/mine.txt: no such file" in refused()
    packages = tmp_path / "requirements/contestants/mine.txt"
    packages.parent.mkdir(parents=True)
    packages.write_text("numpy==1")
    assert "has no environment. Make it: `make contestant NAME=mine`" in refused()
    made = tmp_path / ".venv-contestants/mine/installed"
    made.parent.mkdir(parents=True)
    made.write_text(f"mine.txt {files.digest(packages)}\n")
    contestants.check_environment(tmp_path, "mine")
    packages.write_text("numpy==2")
    assert "was made from another list than mine.txt" in refused()


def test_labels_that_were_made_elsewhere_are_found_by_sample_and_group(tmp_path):
    rows = [{"sample": "a", "group": "g"}, {"sample": "b", "group": "h"}]
    found = contestants.files_of("masks/{group}/{sample}.png", tmp_path, rows)
    assert found["b"] == f"{tmp_path}/masks/h/b.png"
    with pytest.raises(InputError, match=r"only \{sample\} and \{group\} are replaced"):
        contestants.files_of("{samples}.png", tmp_path, rows)
    (tmp_path / "masks/g").mkdir(parents=True)
    (tmp_path / "masks/g/a.png").touch()
    with pytest.raises(InputError) as error:
        contestants.check_files("gui", found)
    assert "contestants.gui.labels: 1 of 2 frames have no file" in str(error.value)
    assert f"sample b: {tmp_path}/masks/h/b.png" in str(error.value)
