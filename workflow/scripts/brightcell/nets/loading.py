"""Load trained networks, and check that a network can be saved and loaded again."""

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brightcell.errors import InputError

from .hdf5 import SIGNATURE
from .layers import LAYERS
from .legacy import read_legacy_file
from .model_file import Network, describe, read_model_file

if TYPE_CHECKING:
    import keras


def load_model(path: str | Path, precision: str = "float32") -> "keras.Model":
    """Load a trained network from a file, whoever made it, without running anything in it.

    The file is read as data (`model_file`): its layers must be among `layers.LAYERS`, its arrays finite and of the right
    shapes. The network is then built again and given the arrays.

    Parameters
    ----------
    path : path
        A model.keras, or a legacy HDF5 file of one of the study's networks (`legacy`).
    precision : str
        Keras' dtype policy of all layers but the last, which computes in float32. What the file says does not matter.

    Returns
    -------
    keras.Model
        From (batch, height, width, channels) of any size to float32 (batch, height, width, outputs).

    Raises
    ------
    InputError
        For a file that is missing or damaged, or that holds anything but allowed layers and finite weights.
    """
    network, arrays = _read(path)
    try:
        model = build(network, precision)
        for node, values in zip(network.nodes, arrays, strict=True):
            model.get_layer(node.name).set_weights(values)
    except MemoryError:
        raise
    except (
        Exception
    ) as error:  # Keras finds what the tables cannot, such as groups that do not divide the channels
        raise InputError(
            f"{path}: not a model that can be loaded safely. Its layers do not fit together "
            f"({next(iter(str(error).splitlines()), '')})."
        ) from error
    return model


def _read(path: str | Path) -> tuple[Network, list[list[np.ndarray]]]:
    """Read a file by its first bytes, whatever its name."""
    with suppress(OSError), Path(path).open("rb") as file:
        if file.read(8) == SIGNATURE:
            return read_legacy_file(path)
    return read_model_file(path)


def build(network: Network, precision: str = "float32") -> "keras.Model":
    """Build a network, with weights of 0."""
    import keras

    tensors: dict[str, keras.KerasTensor] = {}
    for node in network.nodes:
        arguments = {
            key: tuple(value) if isinstance(value, list) else value for key, value in node.arguments.items()
        }
        if node.kind == "InputLayer":
            tensors[node.name] = keras.Input((None, None, arguments["batch_shape"][3]), name=node.name)
            continue
        arguments |= {key: "zeros" for key in LAYERS[node.kind].arguments if key.endswith("_initializer")}
        arguments["dtype"] = "float32" if node.name == network.output else precision
        layer = getattr(keras.layers, node.kind)(**arguments)
        sources = [tensors[source] for source in node.sources]
        tensors[node.name] = layer(sources if len(sources) > 1 else sources[0])
    return keras.Model(tensors[network.input], tensors[network.output])


def check_loadable(model: "keras.Model") -> None:
    """Raise InputError if the file of a network could not be loaded again, before it is trained."""
    try:
        describe(json.loads(model.to_json()))
    except InputError as error:
        raise InputError(f"The network {model.name} could be saved but not loaded again. {error}") from error
