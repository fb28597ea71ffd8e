"""Read the networks of the study from legacy Keras HDF5 files: whole models, or weights alone.

Nothing but arrays is read: layers in the file's description, `Lambda` among them, are not looked at. The network is one of
this project's three, found by the number and the shapes of the arrays. Keras numbered layers of a class as they were made
(conv2d, conv2d_1, …), so their order is that in which the study's networks were written down.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brightcell.errors import InputError

from .hdf5 import Weights
from .model_file import MOST_PARAMETERS, Network, checked, describe, reported

if TYPE_CHECKING:
    import keras

KINDS = {
    "conv2d": ("kernel:0", "bias:0"),
    "conv2d_transpose": ("kernel:0", "bias:0"),
    "batch_normalization": ("gamma:0", "beta:0", "moving_mean:0", "moving_variance:0"),
}
DEEPEST = 4  # groups between a layer's own and its arrays


def read_legacy_file(path: str | Path) -> tuple[Network, list[list[np.ndarray]]]:
    """Return the network in a legacy file, and the float32 arrays of each of its nodes.

    Architecture, filters, levels, channels and outputs follow from the shapes. Raises InputError if no network of
    `unet.ARCHITECTURES` has such arrays.
    """
    with reported(path):
        if Path(path).stat().st_size > 4 * MOST_PARAMETERS + 2**26:
            raise InputError(f"It is larger than any network of {MOST_PARAMETERS:,} parameters.")
        found = _arrays(Weights(Path(path).read_bytes()))
        network, order = _network(found)
        layers = {
            name: own for kind, names in order.items() for name, own in zip(names, found[kind], strict=True)
        }
        arrays = []
        for node in network.nodes:
            own = layers.get(node.name, [])
            if len(own) != len(node.shapes):
                raise InputError(
                    f"The layer {node.name!r} needs {len(node.shapes)} arrays; found {len(own)}."
                )
            arrays.append(
                [checked(values, shape, node) for values, shape in zip(own, node.shapes, strict=True)]
            )
        return network, arrays


def architecture_of(model: "keras.Model") -> str:
    """Return the key of `unet.ARCHITECTURES` whose layers a network has, or "other"."""
    from . import unet

    names = {layer.name for layer in model.layers}
    levels = 1 + sum(name.startswith("encoder") and name.endswith("_pool") for name in names)
    for architecture in unet.ARCHITECTURES:
        wanted = {name for kind in KINDS for name in _names(architecture, levels, kind)}
        if wanted == {layer.name for layer in model.layers if layer.weights}:
            return architecture
    return "other"


def _arrays(file: Weights) -> dict[str, list[list[np.ndarray]]]:
    """Return the arrays of every layer with weights, in the order of their numbers, by kind of layer."""
    top = "model_weights/" if "model_weights" in file.names("") else ""
    numbered: dict[str, dict[int, list[np.ndarray]]] = {kind: {} for kind in KINDS}
    for name in file.names(top.rstrip("/")):
        match = re.fullmatch(r"([a-z0-9_]*?[a-z0-9])(?:_(\d{1,6}))?", name)
        kind, number = match.groups() if match else ("", None)
        if kind in KINDS:
            place = _place(file, f"{top}{name}", KINDS[kind][0])
            found = [file.array(f"{place}/{each}") for each in KINDS[kind]]
            if any(values is None for values in found):
                raise InputError(f"The layer {name!r} lacks some of {', '.join(KINDS[kind])}.")
            numbered[kind][int(number or 0)] = [values for values in found if values is not None]
    return {kind: [of_kind[number] for number in sorted(of_kind)] for kind, of_kind in numbered.items()}


def _place(file: Weights, group: str, array: str) -> str:
    """Return the group, at or below `group`, that holds an array of this name."""
    for _ in range(DEEPEST):
        names = file.names(group)
        if array in names or len(names) != 1:
            return group
        group = f"{group}/{next(iter(names))}"
    return group


def _network(found: dict[str, list[list[np.ndarray]]]) -> tuple[Network, dict[str, list[str]]]:
    """Return the network whose arrays these are, and the names of its layers in the order of the file, by kind."""
    from . import unet

    if not found["conv2d"] or not found["batch_normalization"]:
        raise InputError("It holds no convolutions with batch normalisation, as the study's networks have.")
    first, last = found["conv2d"][0][0].shape, found["conv2d"][-1][0].shape
    widest = max(arrays[0].shape[-1] for arrays in found["conv2d"])
    if len(first) != 4 or first[-1] < 1 or not 1 <= first[-2] <= 64 or widest > 4096:
        raise InputError(f"Its first convolution has weights of {first}, those of no network for images.")
    levels = max(1, round(np.log2(widest / first[-1])) + 1)
    tried = []
    for architecture in unet.ARCHITECTURES:
        order = {kind: list(_names(architecture, levels, kind)) for kind in KINDS}
        numbers = {kind: len(names) for kind, names in order.items()}
        if numbers != {kind: len(arrays) for kind, arrays in found.items()}:
            tried.append(f"{architecture} {numbers}")
            continue
        model = unet.build_unet(architecture, (None, None, first[-2]), first[-1], levels, outputs=last[-1])
        return describe(json.loads(model.to_json())), order
    raise InputError(
        f"It has { ({kind: len(arrays) for kind, arrays in found.items()}) } layers. Expected, with {levels} levels, those of one "
        f"of the study's networks: {'; '.join(tried)}."
    )


def _names(architecture: str, levels: int, kind: str) -> Iterator[str]:
    """Yield the names that layers of a kind have here, in the order in which the study made them."""
    from . import unet

    residual = unet.ARCHITECTURES[architecture].block is unet.residual_block
    gated = unet.ARCHITECTURES[architecture].gated
    suffix, shortcut = ("conv", "shortcut_conv") if kind == "conv2d" else ("bn", "shortcut_bn")

    def block(name: str) -> Iterator[str]:
        if kind != "conv2d_transpose":
            yield from (f"{name}_{suffix}1", f"{name}_{suffix}2")
            if residual:
                yield f"{name}_{shortcut}"

    for level in range(levels - 1):
        yield from block(f"encoder{level + 1}")
    yield from block("bottom")
    for level in reversed(range(levels - 1)):
        name = f"decoder{level + 1}"
        if gated and kind == "conv2d":
            yield f"{name}_gating_conv"
            yield from (f"{name}_attention_{part}" for part in ("theta", "phi", "psi", "out_conv"))
        elif gated and kind == "conv2d_transpose":
            yield f"{name}_attention_phi_transposed"
        elif gated:
            yield from (f"{name}_gating_bn", f"{name}_attention_out_bn")
        yield from block(name)
    if kind != "conv2d_transpose":
        yield f"head_{suffix}"
