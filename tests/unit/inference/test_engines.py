"""Engines, precisions and tiles on a network that has learned: what it finds does not depend on how it is run."""

import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tifffile
from defaults import defaults
from project import ROOT
from skimage import measure
from textured import scene

import segment_chunk
from brightcell import files
from brightcell.compute import backend
from brightcell.errors import InputError
from brightcell.inference import engines, tiling
from brightcell.nets import loading, unet
from brightcell.preprocessing import normalisation

RECIPE = {"percentiles": [0.5, 99.5], "levels": 5, "network": "residual_attention"}
SETTINGS = defaults("prediction", engine="keras", tile=512, symmetries=False)
needs_openvino = pytest.mark.skipif(not engines.has_openvino(), reason="`make engines` was not run")


def picture(seed: int, side: int = 256) -> tuple[np.ndarray, np.ndarray]:
    image, labels = scene(seed, side, cells=side * side // 3000)
    return np.atleast_3d(image), labels


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network of five levels that was trained until it finds cells."""
    keras.utils.set_random_seed(1)
    model = unet.build_unet("residual_attention", (None, None, 1), filters=4, levels=5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # the statistics follow within few steps
    given = [picture(seed) for seed in range(4)]
    frames = np.stack([normalisation.normalise(image) for image, _ in given])
    masks = np.stack([(labels > 0)[..., None] for _, labels in given]).astype(np.float32)
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy")
    rng = np.random.default_rng(1)
    for _ in range(50):
        top, left = rng.integers(0, 9, 2) * 16
        part = np.s_[:, top : top + 128, left : left + 128]
        model.train_on_batch(frames[part], masks[part])
    path = tmp_path_factory.mktemp("trained") / "model.keras"
    model.save(path)
    frame, labels = picture(9, 512)
    maps = loading.load_model(path).predict_on_batch(normalisation.normalise(frame)[None])[0]
    found = maps[..., 0] > 0.5
    assert (found & (labels > 0)).sum() / (found | (labels > 0)).sum() > 0.6, (
        "the network has learned nothing"
    )
    return path, frame, maps


def test_the_default_engine_predicts_what_the_model_does(trained):
    path, frame, expected = trained
    predict = engines.load_predictor(path)
    assert (predict.engine, predict.precision, predict.receptive_px) == ("keras", "float32", 137)
    found = predict(normalisation.normalise(frame)[None])[0]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-3)


@needs_openvino
def test_openvino_predicts_the_same_in_float32_for_any_shape(trained):
    path, frame, expected = trained
    predict = engines.load_predictor(path, engine="openvino")
    assert predict.engine == "openvino"
    found = predict(normalisation.normalise(frame)[None])
    np.testing.assert_allclose(found[0], expected, atol=2e-3)
    two = np.stack([normalisation.normalise(frame)[:64, :128]] * 2)
    np.testing.assert_allclose(predict(two), engines.load_predictor(path)(two), atol=2e-3)
    assert sys.modules["openvino_telemetry"] is None


@pytest.mark.parametrize("engine", ["keras", pytest.param("openvino", marks=needs_openvino)])
def test_bfloat16_finds_the_same_cells(trained, engine):
    path, frame, expected = trained
    predict = engines.load_predictor(path, "mixed_bfloat16", engine)
    maps = predict(normalisation.normalise(frame)[None])[0]
    if engine == "keras" or backend.has_amx():
        assert np.abs(maps - expected).max() > 1e-6, "this was not bfloat16"
    found, truth = maps[..., 0] > 0.5, expected[..., 0] > 0.5
    assert (found & truth).sum() / (found | truth).sum() >= 0.98
    cells = [
        sum(region.area >= 30 for region in measure.regionprops(measure.label(mask)))
        for mask in (found, truth)
    ]
    assert cells[0] == cells[1] > 20


@pytest.mark.parametrize(("height", "width"), [(512, 512), (500, 441)])
def test_tiles_make_no_difference(trained, height, width):
    path, frame, _ = trained
    predict, frame = engines.load_predictor(path), frame[:height, :width]
    whole = tiling.predict_frame(predict, frame, RECIPE, SETTINGS)
    tiled = tiling.predict_frame(predict, frame, RECIPE, SETTINGS | {"tile": 320})
    assert np.abs(tiled - whole).max() < 1e-3
    careless = tiling.predict_frame(predict, frame, RECIPE, SETTINGS | {"tile": 320, "overlap": 16})
    assert np.abs(careless - whole).max() > 1e-3, "an overlap so small would do as well"


def test_symmetries_make_a_network_blind_to_how_a_frame_is_turned(trained):
    path, frame, _ = trained
    predict, frame = engines.load_predictor(path), frame[:150, :230]
    options = SETTINGS | {"symmetries": True, "tile": 128, "overlap": 48}
    upright = tiling.predict_frame(predict, frame, RECIPE, options)
    turned = tiling.predict_frame(predict, np.rot90(frame)[::-1], RECIPE, options)
    np.testing.assert_allclose(np.rot90(turned[::-1], -1), upright, atol=1e-5)
    single = tiling.predict_frame(predict, frame, RECIPE, options | {"symmetries": False})
    assert np.abs(single - upright).max() > 0.01


def test_a_predictor_blind_to_turning_is_not_changed_by_symmetries():
    frame = np.random.default_rng(0).integers(0, 255, (40, 70, 1)).astype(np.uint8)

    def predict(tiles):
        return np.concatenate([tiles, tiles**2], axis=-1)

    found = tiling.predict_frame(predict, frame, RECIPE, SETTINGS | {"symmetries": True})
    np.testing.assert_allclose(found, tiling.predict_frame(predict, frame, RECIPE, SETTINGS), atol=1e-6)


def test_auto_takes_openvino_where_it_pays(monkeypatch):
    monkeypatch.setattr(backend, "has_gpu", lambda: False)
    monkeypatch.setattr(engines, "has_openvino", lambda: True)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert engines.choose_engine(2e6, 80 * 512 * 512)[0] == "openvino"
    engine, reason = engines.choose_engine(2e6, 8 * 256 * 256)
    assert engine == "keras"
    assert "TFLOP are too few" in reason
    of_16_filters = 8.1e9 / 256**2
    engine, reason = engines.choose_engine(of_16_filters, 1000 * 256 * 256)
    assert engine == "keras"
    assert "operations a pixel" in reason
    assert engines.choose_engine(16 * of_16_filters, 1000 * 256 * 256)[0] == "openvino"
    monkeypatch.setattr(backend, "has_gpu", lambda: True)
    assert engines.choose_engine(2e6, 80 * 512 * 512)[0] == "keras"
    monkeypatch.setattr(backend, "has_gpu", lambda: False)
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    assert "make engines" in engines.choose_engine(2e6, None)[1]


def test_an_engine_that_is_not_there_is_told(monkeypatch, trained):
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    with pytest.raises(InputError, match="`make engines`"):
        engines.load_predictor(trained[0], engine="openvino")
    with pytest.raises(InputError, match="'onnx' is no engine; expected one of auto, keras, openvino"):
        engines.load_predictor(trained[0], engine="onnx")


def test_the_engine_chosen_is_logged(trained, caplog):
    with caplog.at_level(logging.INFO, "brightcell"):
        predict = engines.load_predictor(trained[0], engine="auto", pixels=1000)
    assert predict.engine == "keras"
    assert any(message.startswith("engine keras: ") for message in caplog.messages)


def test_a_file_that_carries_code_is_refused(tmp_path):
    inputs = keras.Input((16, 16, 1))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs)).save(tmp_path / "code.keras")
    with pytest.raises(InputError, match=r"code\.keras: not a model that can be loaded safely"):
        engines.load_predictor(tmp_path / "code.keras")


def code_in_it(channels=1, outputs=1):
    inputs = keras.Input((None, None, channels))
    return keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs))


def small(channels=1, outputs=1):
    return unet.build_unet("simple", (None, None, channels), filters=2, levels=2, outputs=outputs)


@pytest.mark.parametrize(
    ("model", "shape", "said"),
    [
        (code_in_it, {}, "not a model that can be loaded safely"),
        (
            small,
            {"channels": 3},
            r"a network of 3 channels and 1 outputs; recipe\.json next to it says 1 and 1",
        ),
        (small, {"outputs": 2}, "a network of 1 channels and 2 outputs"),
        (small, {}, None),
    ],
)
def test_recordings_are_segmented_by_models_that_fit_their_recipe_alone(
    tmp_path, monkeypatch, model, shape, said
):
    monkeypatch.setattr(backend, "start", lambda *arguments: "float32")
    keras.utils.set_random_seed(1)
    model(**shape).save(tmp_path / "model.keras")
    recipe = {**RECIPE, "network": "simple", "channels": 1, "outputs": 1, "levels": 2}
    files.write_json(recipe | {"working_pixel_size_um": None}, tmp_path / "recipe.json")
    watershed = {"threshold": 0.5, "smoothing_px": 1.0, "depth": 0.1, "minimum_area_px": 10}
    calibration = {"parameters": watershed, "score": "mean_ap", "value": 0.5}
    files.write_json(calibration, tmp_path / "calibration.json")
    tifffile.imwrite(tmp_path / "new.tif", picture(1, 64)[0][..., 0])
    rows = [{"sample": "new", "image": str(tmp_path / "new.tif"), "frame": "0"}]
    beside = [[tmp_path / name] for name in ("model.keras", "recipe.json", "calibration.json")]
    settings = {name: defaults(name) for name in ("images", "preprocess")}
    settings |= {"prediction": SETTINGS | {"tile": 64}, "border": "keep"}
    settings |= {"precision": "float32", "device": "cpu"}
    names = ("labels.tif", "cells.tsv", "frames.tsv", "made_of.json")
    out = {Path(name).stem: tmp_path / "out" / name for name in names}
    if said is None:
        segment_chunk.main(rows, [], *beside, None, settings, out, 1)
        assert len(files.read_table(out["frames"])) == 1
        return
    with pytest.raises(InputError, match=rf"model\.keras: {said}"):
        segment_chunk.main(rows, [], *beside, None, settings, out, 1)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_network_of_somebody_else_is_run_as_it_is(tmp_path):
    inputs = keras.Input((None, None, 1))
    mixed = keras.layers.SeparableConv2D(2, 3, padding="same")(inputs)
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(mixed))
    model.save(tmp_path / "own.keras")
    predict = engines.load_predictor(tmp_path / "own.keras")
    assert predict.receptive_px is None
    given = np.random.default_rng(0).normal(size=(1, 16, 16, 1)).astype(np.float32)
    np.testing.assert_allclose(predict(given), model(given), atol=1e-6)
    frame = np.random.default_rng(0).integers(0, 255, (40, 40, 1)).astype(np.uint8)
    with pytest.raises(InputError, match=r"set prediction\.overlap"):
        tiling.predict_frame(predict, frame, {**RECIPE, "network": "own"}, SETTINGS | {"tile": 16})


EXPORT = """
import sys
from brightcell.inference import engines
engines.export_onnx(sys.argv[1], sys.argv[2])
"""
RUN = """
import sys
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
given = {session.get_inputs()[0].name: np.load(sys.argv[2])}
np.save(sys.argv[3], session.run(None, given)[0])
assert not {"keras", "tensorflow"} & set(sys.modules)
"""


def alone(script: str, *arguments: str | Path) -> None:
    """Run a script in a process of its own, as the workflow's jobs and others' tools do."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"


def test_an_export_to_onnx_predicts_the_same_without_keras(trained, tmp_path):
    for package in ("onnxruntime", "tf2onnx"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: `make engines` was not run")
    path, frame, expected = trained
    np.save(tmp_path / "given.npy", normalisation.normalise(frame)[None])
    alone(EXPORT, path, tmp_path / "model.onnx")
    alone(RUN, tmp_path / "model.onnx", tmp_path / "given.npy", tmp_path / "found.npy")
    np.testing.assert_allclose(np.load(tmp_path / "found.npy")[0], expected, atol=2e-3)


def test_an_export_without_its_packages_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="make engines"):
        engines.export_onnx(tmp_path / "model.keras", tmp_path / "model.onnx")
