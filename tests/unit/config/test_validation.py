import math
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

import manual
from brightcell.check.findings import FINDINGS, UNACCEPTABLE
from brightcell.config.manual import keys_of
from brightcell.config.validation import MOVED, SAMPLES_SCHEMA, complete, expectation, load_schema
from brightcell.errors import InputError, nearest
from brightcell.files import expand
from brightcell.nets import unet

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = load_schema()
LEAST = {"dataset": "mine", "samples": "config/mine.tsv"}


def refuse(config):
    with pytest.raises(InputError) as raised:
        complete(config, SCHEMA, "config/mine.yaml")
    return str(raised.value)


def entries(schema, path=""):
    for key, entry in keys_of(schema).items():
        yield f"{path}{key}", entry
        yield from entries(entry, f"{path}{key}.")


def test_the_schemas_are_schemas():
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator.check_schema(load_schema(SAMPLES_SCHEMA))


@pytest.mark.parametrize(("path", "entry"), list(entries(SCHEMA)))
def test_every_key_has_a_description_and_a_default_and_is_strict(path, entry):
    assert len(entry["description"]) > 20
    assert ("default" in entry) != (path == "dataset")
    assert "properties" not in entry or entry["additionalProperties"] is False


def test_every_pattern_is_told_in_words():
    every = [entry for _, entry in [*entries(SCHEMA), *entries(load_schema(SAMPLES_SCHEMA))]]
    assert sum("pattern" in entry for entry in every) == sum("x-expected" in entry for entry in every) > 5
    assert all("pattern" not in entry or entry["x-expected"] in expectation(entry) for entry in every)


def test_defaults_are_filled_in_at_every_depth():
    config = complete(LEAST | {"training": {"augmentation": {"zoom": 0.1}}}, SCHEMA)
    assert config["training"]["augmentation"]["zoom"] == 0.1
    assert config["training"]["augmentation"]["rotation"] == 180
    assert config["training"]["learning_rate"] == 0.003
    assert config["network"] == {"filters": 16, "levels": 4, "dropout": 0.05, "target": "auto"}
    assert config["simulate"] is None
    assert complete(config, SCHEMA) == config


@pytest.mark.parametrize(
    ("given", "ordered"),
    [
        (["sheet", "random", "grouped"], ["grouped", "sheet", "random"]),
        (["grouped", "random"], ["grouped", "random"]),
        (["sheet", "random"], ["sheet", "random"]),
    ],
)
def test_the_scheme_grouped_comes_first(given, ordered):
    config = LEAST | {"folds": {"schemes": given}}
    before = list(given)
    assert complete(config, SCHEMA)["folds"]["schemes"] == ordered
    assert given == before, "the config that was given is not changed"


# As Snakemake reads `--config`: everything within brackets and braces is text.
GIVEN = {
    "seeds": ["1", "2"],
    "training": {"epochs": "7", "learning_rate": "1e-3", "augmentation": {"zoom": "0.1"}},
    "prediction": {"symmetries": "true", "overlap": "null"},
    "guards": {"leftovers": "false"},
    "images": {"percentiles": ["0", "99.5"], "channels": "null"},
    "segment": {"network": "null"},
}


def from_command_line(given, config=LEAST):
    return complete(config | given, SCHEMA, "config/mine.yaml", given)


def test_text_from_the_command_line_gets_the_type_of_the_schema():
    meant = {
        "seeds": [1, 2],
        "training": {"epochs": 7, "learning_rate": 1e-3, "augmentation": {"zoom": 0.1}},
        "prediction": {"symmetries": True, "overlap": None},
        "guards": {"leftovers": False},
        "images": {"percentiles": [0, 99.5], "channels": None},
        "segment": {"network": None},
    }
    assert from_command_line(GIVEN) == complete(LEAST | meant, SCHEMA)


def test_text_that_is_meant_as_text_stays_text():
    given = {"dataset": "007", "samples": "1.tsv", "networks": ["simple"]}
    assert {key: from_command_line(given)[key] for key in given} == given


def test_a_file_must_write_its_numbers_as_numbers():
    assert "config/mine.yaml: training.epochs: found '7' (text)" in refuse(
        LEAST | {"training": {"epochs": "7"}}
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"training": {"epochs": "seven"}}, "training.epochs: found 'seven' (text)"),
        ({"training": {"epochs": "[7"}}, "training.epochs: found '[7' (text)"),
        ({"training": {"epoch": "7"}}, "training.epoch: unknown key; did you mean epochs?"),
        ({"seeds": ["1", "x"]}, "seeds[1]: found 'x' (text)"),
        ({"seeds": 1}, "seeds: found 1 (number); expected a list"),
        ({"network": {"levels": "9"}}, "network.levels: found 9"),
        ({"training": {"learning_rate": ".inf"}}, "training.learning_rate: found inf"),
        ({"prediction": {"tile": "32"}}, "prediction.overlap: found 64; expected less than prediction.tile"),
        ({"dataset": 2024}, """write it in quotes: 'dataset="2024"'"""),
    ],
)
def test_the_command_line_is_blamed_for_what_it_says(given, problem):
    file = LEAST | {"report": {"frames": -1}, "prediction": {"overlap": 64}}
    with pytest.raises(InputError) as raised:
        complete(file | given | {"prediction": {**file["prediction"], **given.get("prediction", {})}},
                 SCHEMA, "config/mine.yaml", given)  # fmt: skip
    lines = str(raised.value).splitlines()
    assert any("--config on the command line: " in line and problem in line for line in lines), lines
    assert any(line.startswith("  config/mine.yaml: report.frames") for line in lines)


def test_a_module_is_not_given_what_the_command_line_says_of_another_config():
    config = LEAST | {"seeds": [3]}
    assert complete(config, SCHEMA, given={"seeds": ["1", "2"], "other": "x"})["seeds"] == [3]


ALIASES = {
    "within itself": "seeds: &all [1, *all]",
    "of aliases": "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 1}]" for n in range(9)),
}


@pytest.mark.parametrize("text", ALIASES.values(), ids=ALIASES)
def test_aliases_without_end(text):
    assert "config/mine.yaml: more than 100,000 values" in refuse(LEAST | yaml.safe_load(text))


def test_neither_the_config_nor_the_schema_is_changed():
    given = {**LEAST, "training": {}}
    complete(given, SCHEMA)["seeds"].append(7)
    assert given == {**LEAST, "training": {}}
    assert complete(LEAST, SCHEMA)["seeds"] == [1]


def test_the_children_of_simulate_are_filled_in_only_where_it_is_given():
    assert complete(LEAST | {"simulate": {"size": 128}}, SCHEMA)["simulate"]["sequences"] == 6


def test_a_parent_whose_children_are_commented_out_has_the_defaults():
    assert complete(LEAST | {"training": None}, SCHEMA)["training"]["batch_size"] == 4


def test_numbers_that_yaml_reads_as_text_or_as_floats():
    text = "dataset: a\nsamples: b\ntraining: {learning_rate: 1e-4, epochs: 1e2}\nfolds: {number: 4.0}"
    config = complete(yaml.safe_load(text), SCHEMA)
    assert config["training"]["learning_rate"] == 1e-4
    assert config["training"]["epochs"] == 100
    assert isinstance(config["folds"]["number"], int)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"batchsize": 4}}, "training.batchsize: unknown key; did you mean batch_size?"),
        ({"batch_size": 4}, "batch_size: unknown key; did you mean training.batch_size?"),
        (
            {"training": {"augmentation": {"zom": 0}}},
            "training.augmentation.zom: unknown key; did you mean zoom?",
        ),
        ({1: 2}, "1: unknown key; expected one of dataset, samples"),
        (
            {"networks": ["simple", "atention"]},
            "networks[1]: 'atention' is not a network; expected one of simple, attention, residual_attention; "
            "did you mean 'attention'?",
        ),
        ({"networks": []}, "networks: found []"),
        ({"networks": ["simple", "simple"]}, "all different"),
        ({"seeds": [1, 1]}, "seeds: found [1, 1]"),
        ({"seeds": 3}, "seeds: found 3 (number); expected a list in [ ]"),
        (
            {"training": {"batch_size": 0}},
            "training.batch_size: found 0; expected a whole number, at least 1",
        ),
        ({"training": {"batch_size": True}}, "training.batch_size: found True (yes or no)"),
        ({"training": {"batch_size": 2.5}}, "training.batch_size: found 2.5"),
        ({"training": {"learning_rate": "10e -3"}}, "training.learning_rate: found '10e -3' (text)"),
        (
            {"training": {"learning_rate": math.nan}},
            "training.learning_rate: found nan; expected a finite number",
        ),
        (
            {"training": {"learning_rate": []}},
            "training.learning_rate: found []; expected a number, above 0, at most 1; or a list in [ ], each a number, above",
        ),
        ({"training": {"learning_rate": [0.1, "fast"]}}, "training.learning_rate[1]: found 'fast' (text)"),
        ({"training": {"learning_rate": [0.1, 2]}}, "training.learning_rate[1]: found 2; expected a number"),
        ({"training": {"minutes": 0}}, "training.minutes: found 0; expected a number, above 0"),
        (
            {"training": {"minutes": 5, "deterministic": True}},
            "training.minutes: found with deterministic true",
        ),
        (
            {"training": {"learning_rate": [0.1, 0.01, 0.001], "epochs": 3}},
            "training.learning_rate: found 3 rates to try, each for 0.33 of the training, which leaves nothing",
        ),
        (
            {"training": {"learning_rate": [0.1, 0.01], "minutes": 3, "rate_share": 0.5}},
            "training.learning_rate: found 2 rates to try, each for 0.5 of the training",
        ),
        ({"compute": {"precision": "float16"}}, "did you mean 'float32'?"),
        (
            {"training": {"device": "cpu"}},
            "training.device: this key has moved to compute.device; delete it here, and write `compute: {device: cpu}`",
        ),
        (
            {"training": {"precision": "float32"}},
            "training.precision: this key has moved to compute.precision; delete it here, and write "
            "`compute: {precision: float32}`",
        ),
        ({"comparison": {"seed": 2}}, "comparison.seed: this key is gone, and its value is fixed; delete it"),
        ({"device": "cpu"}, "device: unknown key; did you mean compute.device?"),
        ({"training": {"patch": 100}}, "take 96 or 104"),
        ({"training": {"patch": 60}, "network": {"levels": 7}}, "expected a multiple of 64"),
        ({"training": 5}, "training: found 5 (number); expected keys"),
        ({"prediction": {"tile": 516}}, "prediction.tile: found 516; expected a multiple of 8"),
        (
            {"prediction": {"tile": 64, "overlap": 64}},
            "prediction.overlap: found 64; expected less than prediction.tile, 64",
        ),
        (
            {"images": {"percentiles": [99, 1]}},
            "images.percentiles: found [99, 1]; expected the smaller first",
        ),
        ({"images": {"percentiles": [1, 101]}}, "images.percentiles[1]: found 101"),
        (
            {"images": {"pixel_size_um": 0}},
            "images.pixel_size_um: found 0; expected a number, above 0; or null",
        ),
        ({"images": {"mask_type": "binary"}, "network": {"target": "foreground+distance"}}, "network.target"),
        ({"network": {"filters": 0}}, "network.filters: found 0"),
        ({"network": {"levels": 8}}, "network.levels: found 8"),
        ({"dataset": "../elsewhere"}, "dataset: found '../elsewhere'; expected a name"),
        ({"dataset": ".hidden"}, "dataset"),
        (
            {"networks": ["simple", "attention"], "contestants": {"residual_attention": {}}},
            "contestants.residual_attention: found the name of a network",
        ),
        ({"contestants": {"Simple": {}}}, "expected another, such as Simple_tool"),
        (
            {"contestants": {"ALL": {}}},
            "contestants.ALL: found the name of a network or one that the tables use",
        ),
        ({"dataset": "two words"}, "dataset"),
        (
            {"archive": {"package": "cells"}},
            "found 'cells'; expected a package and its version, joined by `==`; or null",
        ),
        (
            {"archive": {"file": "a.zip", "sha256": "2f1c"}},
            "found '2f1c'; expected 64 hexadecimal digits; or null",
        ),
        ({"training": {"init_weights": "{net}.keras"}}, "expected a path, which may hold `{network}`"),
        (
            {"preprocess": {"bayer": "none"}},
            "found 'none'; expected one of RGGB, GRBG, GBRG, BGGR; or null; did you mean null?",
        ),
        ({"images": {"mask_type": None}}, "images.mask_type: found null; expected one of auto"),
        ({"dataset": "mine\n"}, "dataset"),
        ({"dataset": 2024}, "write it in quotes: '2024'"),
        ({"check": {"ignore": ["duplicates"]}}, "'duplicates' is not a finding"),
        ({"folds": {"schemes": ["group"]}}, "did you mean 'grouped'?"),
    ],
)
def test_a_bad_value_is_told_with_its_place(changes, message):
    text = refuse(LEAST | changes)
    assert message in text
    assert "a setting is wrong" in text
    assert "\n  config/mine.yaml: " in text


def test_all_errors_are_told_at_once():
    text = refuse({"dataset": "x y", "training": {"patch": 100, "epochs": 0}, "seed": [1]})
    assert "5 settings are wrong" in text
    for place in ("dataset:", "samples: missing", "training.patch:", "training.epochs:", "seed: unknown key"):
        assert f"config/mine.yaml: {place}" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"samples": None},
            "samples: missing; expected the path of the sample sheet. Only a config with segment.models",
        ),
        ({"samples": None, "archive": {"file": "a.zip"}}, "samples: missing beside archive"),
        ({"segment": {"models": "lab"}}, "segment.models: found without recordings"),
        ({"segment": {"samples": "new.tsv", "images": "new/*.tif"}}, "segment: found samples and images"),
        (
            {"segment": {"samples": "new.tsv", "pattern": "{group}"}},
            "segment.pattern: found without segment.images",
        ),
        ({"segment": {"network": "simpel"}}, "segment.network: found 'simpel'"),
        ({"retrain": {"networks": ["simple_retrained"]}}, "retrain.networks: found 'simple_retrained'"),
    ],
)
def test_recordings_and_their_networks_are_named_as_they_must_be(changes, message):
    assert message in refuse(LEAST | changes)


def test_models_from_elsewhere_need_no_sheet():
    config = complete({"dataset": "new", "segment": {"models": "lab", "images": "new/*.tif"}}, SCHEMA)
    assert config["samples"] is None
    other = {
        "models": "lab",
        "images": "new/*.tif",
        "network": "of_a_colleague",
    }  # told where the models are read
    assert complete({"dataset": "new", "segment": other}, SCHEMA)["segment"]["network"] == "of_a_colleague"


def test_a_config_that_is_a_list_is_refused():
    assert "found [1] (list)" in refuse([1])


def test_the_legal_networks_are_those_that_can_be_built():
    assert SCHEMA["properties"]["networks"]["items"]["enum"] == list(unet.ARCHITECTURES)


def test_every_finding_can_be_ignored_but_those_that_no_training_survives():
    legal = SCHEMA["properties"]["check"]["properties"]["ignore"]["items"]["enum"]
    assert set(legal) == set(FINDINGS) - UNACCEPTABLE


def test_variables_in_paths_are_replaced(monkeypatch):
    monkeypatch.setenv("CELLS", "/data")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert expand("$CELLS/a.tsv") == expand("${CELLS}/a.tsv") == "/data/a.tsv"
    assert not expand("~/a.tsv").startswith("~")
    with pytest.raises(InputError, match="variable NOWHERE is not set"):
        expand("$NOWHERE/a.tsv")


def test_nothing_is_near_to_nonsense():
    assert nearest("qqqq", ["sample", "image"]) is None


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_the_configs_in_the_repository_are_legal(path):
    content = yaml.safe_load(path.read_text())
    if "samples" not in content:  # read on top of the demo's
        content = yaml.safe_load((ROOT / "config/config.yaml").read_text()) | content
    config = complete(content, SCHEMA, str(path))
    assert config["dataset"] == {"config": "demo", "short": "demo", "leakage": "demo_leakage"}.get(
        path.stem, path.stem
    )


def test_the_config_of_the_study_names_the_values_of_the_study():
    """Written out, so that other defaults change nothing; the values are the published ones."""
    content = yaml.safe_load((ROOT / "config/hela.yaml").read_text())
    shape = {"rotation": 90, "shift": 0.3, "shear": 0.5, "zoom": 0.3, "flip": True}
    light = dict.fromkeys(("gamma", "contrast", "noise", "blur"), 0)
    assert content["training"] == {
        "epochs": 100,
        "steps_per_epoch": 100,
        "batch_size": 8,
        "patch": 512,
        "learning_rate": 0.001,
        "schedule": "constant",
        "gamma": 2,
        "patience": 15,
        "statistics_momentum": 0.99,
        "augmentation": shape | light,
    }
    assert content["network"] == {"filters": 64, "levels": 5, "dropout": 0.05, "target": "foreground"}
    assert content["images"]["percentiles"] == [0.5, 99.5]
    assert content["compute"]["precision"] == "float32"
    assert content["prediction"] == {"tile": 512, "overlap": 64, "symmetries": False}
    completed = complete(content, SCHEMA)["training"]["augmentation"]
    assert completed == shape | light | {"scale": 0, "elastic_px": 0, "elastic_scale_px": 32}


@pytest.mark.parametrize("name", ["hela_hour", "nih3t3"])
def test_what_worked_on_real_cells_is_the_default(name):
    tried = complete(yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()), SCHEMA)
    default = complete(LEAST, SCHEMA)
    assert tried["network"] == default["network"]
    shorter = {key: tried["training"][key] for key in ("epochs", "steps_per_epoch", "patience", "minutes")}
    assert tried["training"] == default["training"] | shorter
    assert (tried["prediction"]["tile"], tried["prediction"]["symmetries"]) == (256, True)
    assert (default["training"]["learning_rate"], default["training"]["schedule"]) == (0.003, "cosine")


def test_the_manual_is_made_from_the_schemas():
    assert manual.main(check=True) == 0


def test_keys_for_experts_stand_at_the_end_of_the_manual_alone():
    usual, experts = (ROOT / "config/README.md").read_text().split("\n## For experts\n")
    marked = {path for path, entry in entries(SCHEMA) if entry.get("x-expert")}
    assert set(re.findall(r"^\| `([\w.]+)` \|", experts, flags=re.MULTILINE)) == marked != set()
    training = usual.split("### `training`")[1].split("### ")[0]
    assert "| `epochs` |" in training and "| `statistics_momentum` |" not in training


def test_a_manual_that_differs_is_noticed(tmp_path):
    assert manual.main(check=True, folder=tmp_path) == 1
    manual.main(folder=tmp_path)
    assert manual.main(check=True, folder=tmp_path) == 0
    path = tmp_path / "config/README.md"
    path.write_text(path.read_text() + "more\n")
    assert manual.main(check=True, folder=tmp_path) == 1


def test_the_manual_shows_every_key_and_an_example_that_works():
    text = manual.pages()["config/README.md"]
    for path, entry in entries(SCHEMA):
        if not keys_of(entry):
            parent, _, rest = path.partition(".")
            shown = path if "x-expert" in entry else rest or parent
            assert f"| `{shown}` |" in text, path
    for row in re.findall(r"^\|.*\|$", text, flags=re.MULTILINE):
        assert len(re.findall(r"(?<!\\)\|", row)) in (3, 4, 5)
    example = re.search(r"```yaml\n(.*?)```", text, flags=re.DOTALL)[1]
    assert complete(yaml.safe_load(example), SCHEMA)["seeds"] == [1, 2, 3]


def test_keys_that_moved_lead_to_keys_that_are_there():
    paths = dict(entries(SCHEMA))
    assert {old for old, new in MOVED.items() if old in paths or (new and new not in paths)} == set()
