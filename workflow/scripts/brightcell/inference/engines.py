"""Run trained networks by Keras, or by OpenVINO, which is faster on a CPU but takes some seconds to start."""

import importlib.util
import logging
import math
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from brightcell.compute import backend
from brightcell.errors import InputError
from brightcell.nets import receptive_field
from brightcell.nets.loading import load_model

from .layer_fusion import fuse_layers

logger = logging.getLogger("brightcell")

ENGINES = ("auto", "keras", "openvino")
# Below this many operations per pixel, OpenVINO is hardly faster; below this many in all, its export and compilation take
# longer than they save. Measured: docs/performance.md.
FASTER_FROM = 1e6
WORTH_EXPORTING = 5e12
LARGEST = 1e3  # of what a network may predict


@dataclass(frozen=True)
class Predictor:
    """A trained network as a function from float32 (n, height, width, channels) to float32 (n, height, width, outputs).

    engine is the one that runs, precision that of its computation, receptive_px how far a pixel sees (None: unknown).
    """

    run: Callable[[np.ndarray], np.ndarray]
    engine: str
    precision: str
    receptive_px: int | None = None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Predict; InputError where the network gives no usable numbers."""
        maps = np.asarray(self.run(images), np.float32)
        # NaN fails every comparison
        if maps.shape[:3] != images.shape[:3] or not (
            maps.min(initial=0) >= -LARGEST and maps.max(initial=0) <= LARGEST
        ):
            raise InputError(
                f"The network gave maps of {maps.shape} for images of {images.shape}, or numbers that are NaN or beyond ±{LARGEST:g}. "
                "Expected probabilities and distances from 0 to 1: its weights are damaged, or its training diverged."
            )
        return maps


def load_predictor(
    path: str | Path,
    precision: str = "float32",
    engine: str = "keras",
    pixels: int | None = None,
    threads: int | None = None,
    recipe: dict | None = None,
) -> Predictor:
    """Load a trained network for prediction.

    Parameters
    ----------
    path : path
        A model.keras of this workflow; loaded in safe mode.
    precision : str
        `float32` or `mixed_bfloat16`: multiplications in bfloat16, the last layer in float32.
    engine : str
        `keras`, `openvino` (on the CPU) or `auto`, the faster of those installed for this many pixels.
    pixels : int, optional
        How many pixels will be predicted in all, at the working pixel size; None stands for many.
    threads : int, optional
        Threads of OpenVINO; by default those given to `backend.prepare`. Keras has its own.
    recipe : dict, optional
        Recipe of the training: the network must have its channels and outputs.

    Raises
    ------
    InputError
        For a file that is missing, damaged or unsafe, an unknown engine, or one that is not installed.
    """
    if engine not in ENGINES:
        raise InputError(f"{engine!r} is no engine; expected one of {', '.join(ENGINES)}.")
    if engine == "openvino" and not has_openvino():
        raise InputError(
            "prediction.engine is openvino, which is not installed: run `make engines`, or set it to auto or keras."
        )
    network = load_model(path)
    if recipe is not None:
        check_shape(network, path, recipe)
    radius: int | None
    operations: float
    try:
        radius, operations = (
            receptive_field.receptive_radius(network),
            receptive_field.operations(network, 1, 1),
        )
    except InputError as error:  # a network from elsewhere
        logger.info("%s", error)
        radius, operations = None, math.inf
    reason = "as configured"
    if engine == "auto":
        engine, reason = choose_engine(operations, pixels)
    if engine == "openvino":
        run = openvino_function(network, precision, threads or int(os.environ.get("OMP_NUM_THREADS", 0)))
    else:
        network = fuse_layers(network, precision) or load_model(path, precision)
        run = keras_function(network)
    logger.info("engine %s: %s; %s", engine, reason, precision)
    return Predictor(run, engine, precision, radius)


def check_shape(network: keras.Model, path: str | Path, recipe: dict) -> None:
    """Raise InputError if a network has other channels or outputs than its recipe says."""
    found = {"channels": network.input_shape[-1], "outputs": network.output_shape[-1]}
    if any(found[name] != recipe[name] for name in found):
        raise InputError(
            f"{path}: a network of {found['channels']} channels and {found['outputs']} outputs; recipe.json next to it says "
            f"{recipe['channels']} and {recipe['outputs']}. Expected the files of one training: copy its whole folder again."
        )


def has_openvino() -> bool:
    """Return whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def choose_engine(operations: float, pixels: int | None) -> tuple[str, str]:
    """Return the faster engine for this many pixels with this many operations each, and the reason."""
    if backend.has_gpu():
        return "keras", "a GPU is there"
    if not has_openvino():
        return "keras", "OpenVINO is not installed (`make engines`)"
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return "keras", "the backend is not TensorFlow"
    if operations < FASTER_FROM:
        return "keras", f"OpenVINO is hardly faster at {operations / 1e6:.2g} million operations a pixel"
    if pixels is not None and operations * pixels < WORTH_EXPORTING:
        return "keras", f"{operations * pixels / 1e12:.2g} TFLOP are too few for OpenVINO's start to pay off"
    return "openvino", "no GPU is there, and OpenVINO is faster for a network so large"


def keras_function(network: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return the network as a function that Keras runs."""
    return lambda images: keras.ops.convert_to_numpy(network.predict_on_batch(images))


def openvino_function(
    network: keras.Model, precision: str, threads: int = 0
) -> Callable[[np.ndarray], np.ndarray]:
    """Export a network with Keras and compile it with OpenVINO for the CPU; with threads 0 it takes all cores."""
    # This package would report OpenVINO's use to its makers; None makes its import fail.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    network = fuse_layers(network, leaky_sums=True) or network
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/network.xml"
        network.export(path, format="openvino", verbose=False)
        compiled = openvino.Core().compile_model(
            path,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "f32" if precision == "float32" else "bf16",
                "INFERENCE_NUM_THREADS": threads,
                "PERFORMANCE_HINT": "LATENCY",
                "ENABLE_CPU_PINNING": False,  # others may use this machine, too
            },
        )
    return lambda images: compiled(np.ascontiguousarray(images, np.float32))[0].copy()


def export_onnx(path: str | Path, output: str | Path) -> None:
    """Write a model.keras as ONNX, for frames of any size; raises InputError if the packages for it are missing."""
    if importlib.util.find_spec("tf2onnx") is None:
        raise InputError(
            "the export to ONNX needs tf2onnx, which is not installed: run `make engines`, and export without containers."
        )
    network = load_model(path)
    network(np.zeros((1, 64, 64, network.input_shape[-1]), np.float32))  # Keras exports what was called
    network.export(str(output), format="onnx", verbose=False)


def onnx_operators(path: str | Path) -> int:
    """Return the version of the operators of an ONNX file."""
    import onnx

    return int(onnx.load(str(path), load_external_data=False).opset_import[0].version)
