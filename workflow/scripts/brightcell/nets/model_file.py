"""Read a .keras file as data: its network as layers and arrays, checked before anything is built.

A .keras file is a ZIP archive of metadata.json, config.json and model.weights.h5. Keras would turn config.json into
objects, whatever classes and functions it names. Here it is only compared with `layers.LAYERS`, and nothing in it is
imported, called or followed: no module, no path, no link out of the HDF5 file.
"""

import json
import math
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from brightcell.errors import InputError, nearest
from brightcell.values import Rule, shortened

from .hdf5 import Weights
from .layers import COMMON, LAYERS, Ignored, Shape

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
LARGEST_CONFIG = 2**24
LARGEST_DIRECTORY = 2**16
ROOM_IN_WEIGHTS = 2**25  # bytes of model.weights.h5 beside the numbers
MOST_PARAMETERS = 160_000_000  # four times those of the study's largest network
LARGEST_WEIGHT = 1e8
# Of a network, with maps counted in values per pixel of the image. The study's largest has 110 layers, 76 of them in a row,
# 192 values in one map and 3,700 in all, and a million multiplications per pixel.
MOST_LAYERS, DEEPEST = 1000, 400
LARGEST_MAP, MOST_IN_MAPS, MOST_MULTIPLICATIONS = 2048, 32_768, 20_000_000
SMALLEST_SCALE = Fraction(1, 2**10)
LAYER_KEYS = {"module", "class_name", "config", "registered_name", "build_config", "name", "inbound_nodes"}
CALL_ARGUMENTS = {"training": (None, False), "mask": (None,)}


class Node(NamedTuple):
    """A layer of a network, and where it gets its tensors from.

    arguments : of the layer's class, without those that do not matter after training
    sources : names of layers; shapes : of the arrays that the layer needs
    """

    kind: str
    name: str
    arguments: dict[str, Any]
    sources: list[str]
    shapes: list[Shape]


class Network(NamedTuple):
    """A network as a file describes it: one input, one output, layers in an order in which they can be built."""

    nodes: list[Node]
    input: str
    output: str

    def parameters(self) -> int:
        """Count the parameters."""
        return sum(math.prod(shape) for node in self.nodes for shape in node.shapes)


def read_model_file(path: str | Path) -> tuple[Network, list[list[np.ndarray]]]:
    """Return the network in a .keras file, and the float32 arrays of each of its nodes.

    Raises InputError, with what was found, for whatever is not a network of the allowed layers and finite weights.
    """
    with reported(path):
        _check_directory(Path(path))
        with zipfile.ZipFile(path) as archive:
            _check_members(archive)
            network = describe(json.loads(_read(archive, "config.json", LARGEST_CONFIG)))
            most = 4 * network.parameters() + ROOM_IN_WEIGHTS
            return network, _read_weights(_read(archive, "model.weights.h5", most), network)


@contextmanager
def reported(path: str | Path) -> Iterator[None]:
    """Turn whatever fails in reading a model's file into an InputError that names the file."""
    try:
        if not Path(path).is_file():
            raise InputError(f"{path}: no such model. Train it first, or correct the path.")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: not a model that can be loaded safely. {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged archive, JSON or HDF5 fails in many ways, all of them harmless
        raise InputError(
            f"{path}: not a model that can be loaded safely: the file is damaged ({_first_line(error)}). Expected a "
            ".keras file of this workflow. If this project trained it, delete the file and run again; if it came from "
            "elsewhere, get it again."
        ) from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _check_directory(path: Path) -> None:
    """Refuse an archive whose directory is larger than that of a few files, before anything reads it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 22))
        end = file.read(22)
    if len(end) < 22 or end[:4] != b"PK\5\6" or end[20:] != b"\0\0":
        raise zipfile.BadZipFile("no ZIP archive, or one with a comment")
    number, length = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if number > len(MEMBERS) or length > LARGEST_DIRECTORY:
        raise InputError(f"Found {number} files in it. Expected {', '.join(MEMBERS)}, once each.")


def _check_members(archive: zipfile.ZipFile) -> None:
    if any(
        info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in archive.infolist()
    ):
        raise InputError(
            "It is compressed in a way that Keras does not use. Expected stored or deflated files."
        )
    names = archive.namelist()
    odd = next((name for name in names if name not in MEMBERS or names.count(name) > 1), None)
    missing = [name for name in MEMBERS if name not in names]
    if odd is not None or missing:
        raise InputError(
            (
                f"Found the file {odd[:100]!r} in it"
                if odd is not None
                else f"No {' and no '.join(missing)} in it"
            )
            + f". Expected {', '.join(MEMBERS)}, once each."
        )


def _read(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return the content of a member, whatever size the archive states; InputError if it is larger than it may be."""
    with archive.open(name) as member:
        content = member.read(most + 1)
    if len(content) > most:
        raise InputError(f"{name} has more than {most:,} bytes, the most that such a network needs.")
    return content


def describe(config: object) -> Network:
    """Return the network that a config.json of Keras describes; InputError for what `LAYERS` does not allow."""
    found = _mapping(config, "config.json")
    if found.get("class_name") != "Functional" or found.get("registered_name") not in (None, "Functional"):
        raise InputError(
            f"Found a model of the kind {shortened(found.get('class_name'))}. Expected a functional model of Keras, such as this workflow writes."
        )
    inner = _mapping(found.get("config"), "the model's config")
    stated = inner.get("layers")
    if not isinstance(stated, list) or not 0 < len(stated) <= MOST_LAYERS:
        raise InputError(f"Expected a list of 1 to {MOST_LAYERS} layers in config.json.")
    nodes: dict[str, Node] = {}
    seen: dict[str, _Map] = {}
    for each in stated:
        node = _node(each)
        if node.name in nodes:
            raise InputError(f"Two layers are named {node.name!r}.")
        for source in node.sources:
            if source not in nodes:
                raise InputError(
                    f"The layer {node.name!r} takes its input from {source!r}, which is no layer before it."
                )
        seen[node.name], shapes = _output(node, [seen[source] for source in node.sources])
        nodes[node.name] = node._replace(shapes=shapes)
    network = Network(
        list(nodes.values()), _end(inner, "input_layers", nodes), _end(inner, "output_layers", nodes)
    )
    if (
        sum(node.kind == "InputLayer" for node in network.nodes) != 1
        or nodes[network.input].kind != "InputLayer"
    ):
        raise InputError("Expected a network of one input.")
    if seen[network.output].scale != 1:
        raise InputError("Expected a network whose output is as large as its input.")
    multiplications = sum(
        math.prod(shape) * seen[node.name].scale ** 2
        for node in network.nodes
        for shape in node.shapes
        if len(shape) > 1
    )
    for found_number, most, what in (
        (network.parameters(), MOST_PARAMETERS, "parameters"),
        (
            sum(each.channels * each.scale**2 for each in seen.values()),
            MOST_IN_MAPS,
            "values in its maps per pixel",
        ),
        (multiplications, MOST_MULTIPLICATIONS, "multiplications per pixel"),
    ):
        if found_number > most:
            raise InputError(f"The network has {float(found_number):,.0f} {what}. Expected at most {most:,}.")
    return network


class _Map(NamedTuple):
    """A layer's output: its channels, its size in units of the image's, and how many layers lie before it in a row."""

    channels: int
    scale: Fraction
    depth: int


def _output(node: Node, inputs: list[_Map]) -> tuple[_Map, list[Shape]]:
    """Return a layer's output and the shapes of its weights; InputError if the output is too large or too small."""
    kind = LAYERS[node.kind]
    scales = {each.scale for each in inputs} or {Fraction(1)}
    if len(scales) > 1:
        raise InputError(f"The layer {node.name!r} joins images of different sizes.")
    channels = [each.channels for each in inputs]
    found = _Map(
        kind.channels(node.arguments, channels),
        scales.pop() * kind.scale(node.arguments),
        1 + max((each.depth for each in inputs), default=0),
    )
    shapes = kind.weights(node.arguments, channels[0] if channels else 0)
    widest = max(
        [found.channels, *(shape[-1] for shape in shapes), *(shape[-2] for shape in shapes if len(shape) > 1)]
    )
    if not SMALLEST_SCALE <= found.scale <= 1 or widest * found.scale**2 > LARGEST_MAP:
        raise InputError(
            f"The layer {node.name!r} makes {widest} channels of {float(found.scale):g} times the image's size. Expected "
            f"{float(SMALLEST_SCALE):g} to 1 times, and at most {LARGEST_MAP} values per pixel of the image."
        )
    if found.depth > DEEPEST:
        raise InputError(
            f"The layer {node.name!r} comes after {DEEPEST} others in a row, the most that is allowed."
        )
    return found, shapes


def _mapping(found: object, what: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise InputError(f"{what} is not a mapping.")
    return found


def _text(found: object) -> str:
    if not COMMON["name"].allows(found):
        raise InputError(f"Found the name {str(found)[:100]!r}. Expected {COMMON['name'].expected}.")
    return str(found)


def _named(found: dict) -> str:
    return str(found.get("registered_name") or found.get("class_name"))[:100]


def _end(inner: dict, key: str, nodes: dict[str, Node]) -> str:
    """Return the layer that is the network's only input or output."""
    found = inner.get(key)
    if isinstance(found, list) and len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    if not isinstance(found, list) or len(found) != 3 or found[1:] != [0, 0] or found[0] not in nodes:
        raise InputError(f"{key} is not one of the layers. Expected a network of one input and one output.")
    return found[0]


def _node(stated: object) -> Node:
    """Return a layer with its arguments checked; its shapes are not known yet."""
    found = _mapping(stated, "A layer")
    kind = found.get("class_name")
    if not isinstance(kind, str) or kind not in LAYERS or found.get("registered_name") not in (None, kind):
        raise InputError(
            f"It holds a layer {_named(found)!r}, which a model file may not. Allowed are {', '.join(LAYERS)}. A "
            "layer of your own is an entry in nets/layers.py (docs/add-a-network.md)."
        )
    if found.get("module") != "keras.layers" or set(found) - LAYER_KEYS:
        raise InputError(f"The layer {kind} is not Keras' own: module {str(found.get('module'))[:100]!r}.")
    config = _mapping(found.get("config"), f"The config of a layer {kind}")
    name = _text(config.get("name"))
    rules = {**COMMON, **LAYERS[kind].arguments}
    for key, value in config.items():
        if key not in rules:
            guess = nearest(str(key), rules)
            raise InputError(
                f"The layer {name!r} has an unknown argument {str(key)[:100]!r}"
                + (f" (known: {guess!r})." if guess else ".")
            )
        if not rules[key].allows(value):
            raise InputError(
                f"The layer {name!r} has {key} {shortened(value)}. Expected {rules[key].expected}."
            )
    lacking = [key for key, rule in rules.items() if key not in config and not _may_lack(key, rule)]
    if lacking:
        raise InputError(f"The layer {name!r} lacks {', '.join(lacking)}.")
    if fault := LAYERS[kind].fault(config):
        raise InputError(f"The layer {name!r} has {fault}.")
    arguments = {key: value for key, value in config.items() if not isinstance(rules[key], Ignored)}
    sources = _sources(found.get("inbound_nodes"), name)
    least, most = LAYERS[kind].inputs
    if not least <= len(sources) <= most:
        raise InputError(f"The layer {name!r} has {len(sources)} inputs. Expected {least} to {most}.")
    return Node(kind, name, arguments, sources, [])


def _may_lack(key: str, rule: Rule) -> bool:
    """Return whether an argument may be absent, as in files of earlier or later versions of Keras."""
    off = rule.allows(False) and not rule.allows(True)
    return isinstance(rule, Ignored) or rule.allows(None) or off or key == "trainable"


def _sources(nodes: object, name: str) -> list[str]:
    """Return the names of the layers whose outputs a layer takes, from its only call."""
    if nodes == []:
        return []
    if (
        not isinstance(nodes, list)
        or len(nodes) != 1
        or set(_mapping(nodes[0], "inbound_nodes")) != {"args", "kwargs"}
    ):
        raise InputError(f"The layer {name!r} is not called just once.")
    for key, value in _mapping(nodes[0]["kwargs"], "kwargs").items():
        if not any(value is allowed for allowed in CALL_ARGUMENTS.get(key, ())):
            raise InputError(
                f"The layer {name!r} is called with {str(key)[:100]} = {shortened(value)}, which is not allowed."
            )
    tensors = nodes[0]["args"]
    if isinstance(tensors, list) and len(tensors) == 1 and isinstance(tensors[0], list):
        tensors = tensors[0]
    sources = []
    for tensor in tensors if isinstance(tensors, list) else [None]:
        history = tensor.get("config", {}).get("keras_history") if isinstance(tensor, dict) else None
        if not isinstance(history, list) or len(history) != 3 or history[1:] != [0, 0]:
            raise InputError(
                f"The layer {name!r} is called with something that is not another layer's output."
            )
        sources.append(_text(history[0]))
    return sources


def _read_weights(content: bytes, network: Network) -> list[list[np.ndarray]]:
    """Return the arrays of each node; nothing is read whose shape is not the expected one."""
    file, used, arrays = Weights(content), dict[str, int](), []
    for node in network.nodes:
        # Keras numbers layers of a class in their order, whatever their names
        word = re.sub(
            r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", node.kind)
        ).lower()
        count = used[word] = used.get(word, -1) + 1
        place = f"layers/{word}_{count}" if count else f"layers/{word}"
        own = [
            checked(file.array(f"{place}/vars/{index}"), shape, node)
            for index, shape in enumerate(node.shapes)
        ]
        if node.kind == "BatchNormalization" and own[-1].min(initial=0) < 0:
            raise InputError(f"The layer {node.name!r} has a negative variance: the file is damaged.")
        arrays.append(own)
    return arrays


def checked(values: np.ndarray | None, shape: Shape, node: Node) -> np.ndarray:
    """Return an array if it is as the layer needs it: InputError if not."""
    if values is None or values.shape != shape:
        found = "none" if values is None else f"those of {values.shape}"
        raise InputError(
            f"Of the weights of the layer {node.name!r}, found {found}; expected numbers of {shape}."
        )
    # the least and the largest are NaN where any value is
    if not (values.min(initial=0) >= -LARGEST_WEIGHT and values.max(initial=0) <= LARGEST_WEIGHT):
        raise InputError(
            f"The weights of the layer {node.name!r} hold NaN, infinite or absurd numbers (beyond ±{LARGEST_WEIGHT:g}): "
            "the training diverged, or the file is damaged."
        )
    return values
