"""TensorFlow, JAX and PyTorch: the same code trains on each; same weights predict, same seeds draw the same.

JAX and PyTorch are no dependencies: BRIGHTCELL_BACKENDS names a Python that has them beside the project's packages.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
OTHERS = ("jax", "torch")


def run(backend: str, folder: Path) -> np.ndarray:
    """Train a little and predict with the shared weights, in a process of its own."""
    python = sys.executable if backend == "tensorflow" else os.environ["BRIGHTCELL_BACKENDS"]
    search = os.pathsep.join(str(ROOT / part) for part in ("workflow/scripts", "tests"))
    done = subprocess.run(
        [python, __file__, str(folder)],
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": search},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return dict(np.load(folder / f"{backend}.npz"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A folder with one model an architecture, and what TensorFlow predicts with them."""
    if "BRIGHTCELL_BACKENDS" not in os.environ:
        pytest.skip("BRIGHTCELL_BACKENDS names no Python with JAX and PyTorch")
    folder = tmp_path_factory.mktemp("backends")
    return folder, run("tensorflow", folder)


@pytest.mark.parametrize("backend", OTHERS)
def test_backends_agree_and_train(reference, backend):
    folder, expected = reference
    found = run(backend, folder)
    assert found.pop("iou") > 0.8
    np.testing.assert_allclose(found.pop("gradient"), expected["gradient"], rtol=1e-3, atol=1e-7)
    if backend == "torch":
        np.testing.assert_array_equal(found.pop("resumed"), found.pop("undisturbed"))
    patches, targets = found.pop("patches"), found.pop("targets")
    np.testing.assert_allclose(patches, expected["patches"], atol=1e-3)
    assert (
        np.abs(targets - expected["targets"]).max(axis=-1) < 1e-3
    ).mean() > 0.999  # a label may tip at a tie
    assert len(found) == 3
    for name, maps in found.items():
        assert np.ptp(expected[name]) > 0.01, "a constant map shows nothing"
        np.testing.assert_allclose(maps, expected[name], atol=1e-4, err_msg=name)


def main(folder: Path) -> None:
    """Run in the child: TensorFlow makes the weights, everyone predicts with them and trains a small network."""
    from brightcell.compute import backend

    backend.start(1, "cpu", "float32")
    import keras
    from discs import SETTINGS, discs
    from gradients import focal_gradient
    from test_checkpoints import interrupted
    from test_checkpoints import run as run_dropping
    from test_patches import ALL

    from brightcell.nets import loading, unet
    from brightcell.training import loop, patches, warping

    name = keras.backend.backend()
    assert name == os.environ["KERAS_BACKEND"]
    image = np.random.default_rng(0).normal(size=(1, 32, 32, 1)).astype("float32")
    content = {}
    for architecture in unet.ARCHITECTURES:
        path = folder / f"{architecture}.keras"
        if name == "tensorflow":
            keras.utils.set_random_seed(3)
            unet.build_unet(architecture, (None, None, 1), filters=4, levels=3, outputs=2).save(path)
        model = loading.load_model(path)
        content[architecture] = keras.ops.convert_to_numpy(model.predict_on_batch(image))
    keras.utils.set_random_seed(1)
    model = unet.build_unet("attention", (32, 32, 1), filters=4, levels=3, outputs=2)
    history = loop.train(model, [discs(1), discs(2)], [discs(3)], SETTINGS, seed=1)
    content["iou"] = history["val_cell_iou"].max()
    if name == "torch":  # has random state beside Keras' variables
        ends = {
            "undisturbed": run_dropping(),
            "resumed": interrupted(folder / name, 11, pytest.MonkeyPatch()),
        }
        content |= {
            end: np.concatenate([weight.ravel() for weight in weights]) for end, (weights, _) in ends.items()
        }
    content["gradient"] = focal_gradient(2)[-1]
    drawn = patches.draw_batch([discs(1), discs(2)], 4, 32, 2, ALL, np.random.default_rng(7))
    make = backend.compiled(lambda tensors: warping.make_patches(tensors, 32, 2))
    made = make({key: keras.ops.convert_to_tensor(values) for key, values in drawn.items()})
    content["patches"], content["targets"] = (keras.ops.convert_to_numpy(part) for part in made)
    np.savez(folder / f"{name}.npz", **content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
