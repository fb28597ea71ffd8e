"""The study's networks from legacy Keras HDF5 files: layers found by order and shape, nothing in the file run."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

import import_model
from brightcell import trained
from brightcell.errors import InputError
from brightcell.nets import build_unet, legacy, load_model, unet

REAL = Path(os.environ.get("BRIGHTCELL_REAL_DATA", "nowhere"), "pretrained")


def write_legacy(model, architecture: str, levels: int, path: Path, top: str = "", first: int = 0) -> None:
    """Write a network's weights as Keras 2 did: layers numbered from `first` in the order in which they were made."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.3.1"
        group = file.require_group(top) if top else file
        for kind, arrays in legacy.KINDS.items():
            for number, name in enumerate(legacy._names(architecture, levels, kind), start=first):
                own = f"{kind}_{number}" if number else kind
                for each, values in zip(arrays, model.get_layer(name).get_weights(), strict=True):
                    group[f"{own}/{own}/{each}"] = values
        group.create_group("lambda_1")


@pytest.fixture(params=unet.ARCHITECTURES)
def network(request):
    model = build_unet(request.param, (None, None, 3), filters=2, levels=3)
    random = np.random.default_rng(3)
    model.set_weights([random.random(weight.shape) for weight in model.weights])
    return request.param, model


@pytest.mark.parametrize(("top", "first"), [("", 0), ("model_weights", 7)])
def test_weights_find_their_layers_by_order_and_shape(network, tmp_path, top, first):
    architecture, model = network
    write_legacy(model, architecture, 3, tmp_path / "old.hdf5", top, first)
    loaded = load_model(tmp_path / "old.hdf5")
    image = np.random.default_rng(4).random((1, 16, 16, 3), np.float32)
    np.testing.assert_allclose(loaded.predict_on_batch(image), model.predict_on_batch(image), atol=1e-6)
    assert legacy.architecture_of(loaded) == architecture


def test_other_networks_are_refused(network, tmp_path):
    architecture, model = network
    path = tmp_path / "old.h5"
    write_legacy(model, architecture, 3, path)
    with h5py.File(path, "r+") as file:
        del file["batch_normalization_3"]
    with pytest.raises(
        InputError,
        match=r"old\.h5: not a model .* layers\. Expected, with 3 levels, those of one of the study",
    ):
        load_model(path)
    write_legacy(model, architecture, 3, path)
    with h5py.File(path, "r+") as file:
        del file["conv2d_1/conv2d_1/kernel:0"]
        file["conv2d_1/conv2d_1/kernel:0"] = np.zeros((3, 3, 2, 7), np.float32)
    with pytest.raises(InputError, match=r"found those of \(3, 3, 2, 7\); expected numbers of"):
        load_model(path)


def test_an_imported_model_is_a_folder_that_segments(network, tmp_path, capsys):
    architecture, model = network
    write_legacy(model, architecture, 3, tmp_path / "old.h5")
    folder = tmp_path / "study"
    import_model.main([str(tmp_path / "old.h5"), str(folder), "--pixel-size-um", "0.65", "--depth", "0.2"])
    assert f"{architecture} U-Net" in capsys.readouterr().out
    recipe = trained.read_recipe(folder / "recipe.json")
    assert (recipe["network"], recipe["levels"], recipe["channels"], recipe["outputs"]) == (
        architecture,
        3,
        3,
        1,
    )
    assert trained.read_calibration(folder / "calibration.json")["parameters"]["depth"] == 0.2
    image = np.random.default_rng(4).random((1, 16, 16, 3), np.float32)
    np.testing.assert_array_equal(
        load_model(folder / "model.keras").predict_on_batch(image), model.predict_on_batch(image)
    )
    with pytest.raises(InputError, match=r"has a model\.keras already"):
        import_model.main([str(tmp_path / "old.h5"), str(folder)])


@pytest.mark.skipif(not REAL.is_dir(), reason="BRIGHTCELL_REAL_DATA has no folder pretrained")
@pytest.mark.parametrize("architecture", unet.ARCHITECTURES)
def test_real_legacy_files_predict_what_they_did(architecture):
    predicted = load_model(REAL / f"{architecture}.h5").predict_on_batch(np.load(REAL / "input.npy")[None])
    np.testing.assert_allclose(predicted[0, ..., 0], np.load(REAL / f"{architecture}.npy"), atol=1e-5)
