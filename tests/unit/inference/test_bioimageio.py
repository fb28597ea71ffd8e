"""Packages of bioimage.io: what stands in them, and whether the tools of others accept and run them."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

import export_bioimageio
from brightcell import files
from brightcell.inference import bioimageio, engines
from brightcell.io import stacks
from brightcell.nets import unet

ROOT = Path(__file__).parents[3]
NEEDED = ("tf2onnx", "onnx", "onnxruntime")
EXPORT = "import sys; from brightcell.inference import engines; engines.export_onnx(sys.argv[1], sys.argv[2])"


@pytest.mark.parametrize(
    ("side", "levels", "radius", "size", "halo"),
    [(1000, 4, 46, 256, 46), (1000, 5, 200, 416, 200), (90, 4, 46, 88, 40), (300, 3, 8, 256, 8), (8, 4, 46, 8, 0)],
)  # fmt: skip
def test_the_test_frame_fits_network_and_halo(side, levels, radius, size, halo):
    frame = np.arange(side * side, dtype=np.float32).reshape(side, side, 1)
    part, rim = bioimageio.test_part(frame, levels, radius)
    assert part.shape == (1, size, size, 1)
    assert rim == halo
    top = (side - size) // 2
    assert part[0, 0, 0, 0] == frame[top, top, 0]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The package of a network that nobody trained, of two channels and outputs."""
    for package in NEEDED:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: `make engines` was not run")
    folder = tmp_path_factory.mktemp("model")
    keras.utils.set_random_seed(1)
    network = unet.build_unet("attention", (None, None, 2), filters=4, levels=3, outputs=2)
    network.save(folder / "model.keras")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    command = [sys.executable, "-c", EXPORT, str(folder / "model.keras"), str(folder / "model.onnx")]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    recipe = {
        "network": "attention", "dataset": "dish", "scheme": "grouped", "fold": 1, "seed": 1, "channels": 2, "outputs": 2,
        "levels": 3, "percentiles": [0.5, 99.5], "working_pixel_size_um": 0.5,
    }  # fmt: skip
    parameters = {"threshold": 0.5, "smoothing_px": 1.0, "depth": 0.1, "minimum_area_px": 10}
    files.write_json(recipe, folder / "recipe.json")
    files.write_json({"parameters": parameters, "score": "ap50", "value": 0.5}, folder / "calibration.json")
    (folder / "card.md").write_text("# A network\n")
    frame = np.random.default_rng(1).integers(0, 4000, (300, 280, 2)).astype(np.uint16)
    (folder / "g").mkdir()
    stacks.write_stack(folder / "g/frames.tif", [("s", frame)])
    row = {"sample": "s", "group": "g"}
    files.write_table(pd.DataFrame([row]), folder / "samples.tsv")
    assigned = row | {"scheme": "grouped", "fold": 1, "role": "test"}
    files.write_table(pd.DataFrame([assigned]), folder / "folds.tsv")
    names = (
        "model.keras",
        "model.onnx",
        "recipe.json",
        "calibration.json",
        "card.md",
        "samples.tsv",
        "folds.tsv",
    )
    inputs = SimpleNamespace(**{name.split(".")[0]: folder / name for name in names})
    inputs.onnx = folder / "model.onnx"
    inputs.model = folder / "model.keras"
    log = SimpleNamespace(info=lambda *words: None)
    export_bioimageio.main(inputs, [folder / "g/frames.tif"], folder / "bioimageio.zip", log)
    return folder / "bioimageio.zip"


def test_a_package_says_what_goes_in_and_comes_out(packed):
    with zipfile.ZipFile(packed) as archive:
        rdf = json.loads(archive.read("rdf.yaml"))
        assert rdf["weights"]["onnx"]["sha256"] == hashlib.sha256(archive.read("model.onnx")).hexdigest()
        assert archive.read("README.md").decode() == "# A network\n"
        for entry in (rdf["inputs"][0]["test_tensor"], rdf["outputs"][0]["test_tensor"], *rdf["attachments"]):
            assert entry["sha256"] == hashlib.sha256(archive.read(entry["source"])).hexdigest()
        with archive.open("test_output.npy") as file:
            assert np.load(file).shape == (1, 256, 256, 2)
    scaling = rdf["inputs"][0]["preprocessing"][1]["kwargs"]
    assert (scaling["min_percentile"], scaling["max_percentile"], scaling["axes"]) == (0.5, 99.5, ["y", "x"])
    assert rdf["inputs"][0]["axes"][1]["scale"] == 0.5
    assert rdf["outputs"][0]["axes"][1]["halo"] > 0
    assert rdf["outputs"][0]["axes"][3]["channel_names"] == ["foreground", "distance"]


def test_the_specification_of_bioimage_io_accepts_a_package(packed):
    spec = pytest.importorskip("bioimageio.spec", reason="bioimageio.spec is not installed")
    summary = spec.load_description_and_validate_format_only(packed)
    assert summary.status != "failed", summary.display()


def test_onnx_that_is_read_tells_its_operators(packed, tmp_path):
    with zipfile.ZipFile(packed) as archive:
        archive.extract("model.onnx", tmp_path)
    assert engines.onnx_operators(tmp_path / "model.onnx") >= 7
