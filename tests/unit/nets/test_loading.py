"""A model file is data: what is not made of the allowed layers and finite numbers is refused, and nothing in it runs."""

import io
import json
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from brightcell.errors import InputError
from brightcell.nets import build_unet, hdf5, layers, load_model, loading, unet

ROOT = Path(__file__).parents[3]
CONV = "encoder1_conv1"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """The members of a sound file: a small network of every kind of layer that the three have."""
    path = tmp_path_factory.mktemp("model") / "model.keras"
    build_unet("residual_attention", (None, None, 1), filters=2, levels=2, outputs=2).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class Model:
    """A model file to be spoilt: its config and its weights can be edited, and then it is written."""

    def __init__(self, members: dict[str, bytes], path: Path):
        self.members, self.path = dict(members), path
        self.config = json.loads(members["config.json"])

    def layer(self, name: str) -> dict:
        return next(each for each in self.config["config"]["layers"] if each["name"] == name)

    def weights(self) -> tuple[io.BytesIO, h5py.File]:
        content = io.BytesIO(self.members["model.weights.h5"])
        return content, h5py.File(content, "r+")

    def write(self, compression: int = zipfile.ZIP_STORED) -> Path:
        self.members["config.json"] = json.dumps(self.config).encode()
        with zipfile.ZipFile(self.path, "w", compression) as archive:
            for name, content in self.members.items():
                archive.writestr(name, content)
        return self.path

    def refused(self, words: str) -> None:
        with pytest.raises(InputError, match=words) as caught:
            load_model(self.write())
        assert str(self.path) in str(caught.value)
        assert "can be loaded safely" in str(caught.value)


@pytest.fixture
def model(whole, tmp_path) -> Model:
    return Model(whole, tmp_path / "model.keras")


@pytest.mark.parametrize("architecture", unet.ARCHITECTURES)
def test_what_is_loaded_predicts_as_what_was_saved_and_as_keras_loads_it(architecture, tmp_path):
    random = np.random.default_rng(1)
    built = build_unet(architecture, (None, None, 2), filters=3, levels=3, outputs=2)
    built.set_weights([random.random(weight.shape) for weight in built.weights])
    built.save(tmp_path / "model.keras")
    image = random.random((1, 16, 16, 2), np.float32)
    loaded = load_model(tmp_path / "model.keras")
    kept = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(image), built.predict_on_batch(image))
    np.testing.assert_array_equal(loaded.predict_on_batch(image), kept.predict_on_batch(image))
    assert [weight.path for weight in loaded.weights] == [weight.path for weight in kept.weights]


def test_a_network_of_all_allowed_layers_loads(tmp_path):
    """Each layer of the table, built by Keras with other arguments than the defaults."""
    kl = keras.layers
    x = inputs = kl.Input((None, None, 3))
    x = kl.Rescaling(0.5, offset=-1.0)(x)
    x = kl.SeparableConv2D(6, (3, 5), depth_multiplier=2, padding="same", activation="relu")(x)
    x = kl.Conv2D(4, 3, groups=2, use_bias=False, dilation_rate=2, padding="same")(x)
    y = kl.AveragePooling2D(2)(kl.BatchNormalization(scale=False)(x))
    y = kl.MaxPooling2D(2, strides=1, padding="same")(y)
    y = kl.Conv2DTranspose(4, 3, strides=2, padding="same")(kl.LeakyReLU(0.1)(y))
    y = kl.UpSampling2D(2, interpolation="bilinear")(kl.Conv2D(4, 1, strides=2)(kl.Dropout(0.5)(y)))
    x = kl.Concatenate()([kl.Add()([x, y]), kl.Multiply()([x, y]), kl.Maximum()([x, y])])
    outputs = kl.Activation("sigmoid")(kl.ReLU(max_value=6, negative_slope=0.1)(x))
    built = keras.Model(inputs, outputs, name="all")
    assert {type(layer).__name__ for layer in built.layers} == set(layers.LAYERS)
    built.save(tmp_path / "model.keras")
    image = np.random.default_rng(2).random((2, 16, 16, 3), np.float32)
    loaded = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(image), built.predict_on_batch(image))


def ours(name: str) -> dict:
    """Arguments of a layer, as Keras writes them."""
    kind = getattr(keras.layers, name)
    needed = {
        "Conv2D": (1, 1), "Conv2DTranspose": (1, 1), "SeparableConv2D": (1, 1), "Activation": ("relu",), "Dropout": (0.1,),
        "Rescaling": (1.0,), "InputLayer": ((None, None, 1),), "AveragePooling2D": (2,),
    }  # fmt: skip
    return kind(*needed.get(name, ())).get_config()


@pytest.mark.parametrize("name", layers.LAYERS)
def test_the_table_knows_every_argument_of_its_layers(name):
    """Fails where a later Keras has another argument: decide what it may be before it is allowed."""
    assert set(ours(name)) == {*layers.LAYERS[name].arguments, *layers.COMMON} - (
        {"trainable"} if name == "InputLayer" else set()
    )


def test_every_layer_of_keras_is_allowed_or_refused_on_purpose():
    """Fails where a later Keras has another layer: add it to `LAYERS` if it can neither run nor read anything, or here."""
    refused = set((ROOT / "tests/data/refused-layers.txt").read_text().split())
    found = {
        name for name, value in vars(keras.layers).items()
        if isinstance(value, type) and issubclass(value, keras.layers.Layer) and value.__name__ == name
    }  # fmt: skip
    assert found == refused | set(layers.LAYERS)
    assert not refused & set(layers.LAYERS)
    assert {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "StringLookup", "Wrapper"} <= refused


def function(module: str, name: str) -> dict:
    """A function or class that a config names, as Keras would look it up."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "registered_name": None,
    "build_config": {},
    "name": "x",
}
MARSHALLED = {"module": "builtins", "class_name": "__lambda__", "config": {"code": "4wEAAA=="}}
ATTACKS = {
    "CVE-2024-3660: code in a Lambda": {"config": {"name": "x", "function": MARSHALLED}},
    "CVE-2025-1550: a module and a function by name": {
        "config": {"name": "x", "function": function("os", "system"), "arguments": {"command": "touch /tmp/x"}}
    },
    "CVE-2025-8747: a harmless function of Keras that fetches a file": {
        "config": {"name": "x", "function": function("keras.utils", "get_file"), "arguments": {"origin": "http://x"}}
    },
    "CVE-2025-9906: safe mode switched off from within": {
        "config": {"name": "x", "function": function("keras.config", "enable_unsafe_deserialization")}
    },
    "CVE-2025-12058: a vocabulary that is a path": {
        "class_name": "StringLookup",
        "config": {"name": "x", "vocabulary": "/etc/passwd"},
    },
    "CVE-2025-49655: a pickle of PyTorch": {
        "class_name": "TorchModuleWrapper",
        "config": {"name": "x", "module": "gASVCgAA"},
    },
    "CVE-2026-1462: a SavedModel by path": {
        "class_name": "TFSMLayer",
        "config": {"name": "x", "filepath": "/tmp/evil", "call_endpoint": "serve"},
    },
    "the same, called by the function of a Lambda": {
        "config": {"name": "x", "function": {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/x"}}}
    },
    "the same, under its module's own path": {
        "module": "keras.src.export.tfsm_layer",
        "class_name": "TFSMLayer",
        "config": {"name": "x", "filepath": "/x"},
    },
    "a model within the model": {"class_name": "Functional", "config": {"name": "x", "layers": []}},
    "a layer around a layer": {"class_name": "TimeDistributed", "config": {"name": "x", "layer": LAMBDA}},
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_layers_that_can_run_or_read_are_refused(model, attack):
    model.layer("encoder1_relu1").update(LAMBDA | attack | {"name": "encoder1_relu1"})
    model.refused("It holds a layer")


@pytest.mark.parametrize(
    "key", ["activation", "kernel_initializer", "kernel_regularizer", "bias_constraint", "dtype"]
)
def test_arguments_that_are_objects_are_refused(model, key):
    model.layer(CONV)["config"][key] = function("os", "system")
    model.refused(f"layer '{CONV}' has {key}")


def test_names_that_point_elsewhere_are_refused(model):
    layer = model.layer(CONV)
    for change, words in (
        ({"registered_name": "evil>Conv2D"}, "holds a layer 'evil>Conv2D'"),
        ({"module": "evil"}, "not Keras' own: module 'evil'"),
        ({"config": layer["config"] | {"extra": 1}}, "unknown argument 'extra'"),
        ({"config": layer["config"] | {"name": "../x"}}, "a name of letters"),
        ({"inbound_nodes": [{"args": ["/etc/passwd"], "kwargs": {}}]}, "not another layer's output"),
        ({"inbound_nodes": [{"args": [], "kwargs": {"inputs": "/tmp/m.keras"}}]}, "called with inputs"),
    ):
        other = Model(model.members, model.path)
        other.layer(CONV).update(change)
        other.refused(words)
    model.config["class_name"] = "Sequential"
    model.refused("of the kind 'Sequential'")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("filters", 10**9, "filters 1000000000. Expected a whole number from 1 to 4096"),
        ("filters", 2000, "Of the weights of the layer .* found those of"),
        ("filters", True, "filters True"),
        ("filters", float("nan"), "filters nan"),
        ("kernel_size", [3, 999], "kernel_size"),
        ("kernel_size", [[3], 3], "kernel_size"),
        ("strides", [1, 2], "strides"),
        ("padding", "causal", "padding 'causal'. Expected 'same' or 'valid'"),
        ("groups", 3, "Of the weights of the layer"),
        ("padding", "valid", "padding 'valid' and kernel_size"),
    ],
)
def test_numbers_out_of_bounds_are_refused_before_anything_is_built(model, monkeypatch, key, value, words):
    if key != "groups":
        monkeypatch.setattr(loading, "build", lambda *args: pytest.fail("a network was built"))
    model.layer(CONV)["config"][key] = value
    model.refused(words)


def test_images_that_grow_and_channels_that_double_are_refused(model):
    model.layer("decoder1_up")["config"]["size"] = 8
    model.refused("makes 4 channels of 4 times the image's size")
    wide = Model(model.members, model.path)
    wide.layer("decoder1_up")["config"]["size"] = 2
    chain = wide.layer("decoder1_concatenate")
    for number in range(14):
        again = json.loads(json.dumps(chain))
        again["name"] = again["config"]["name"] = f"again{number}"
        source = chain["name"] if not number else f"again{number - 1}"
        for tensor in again["inbound_nodes"][0]["args"][0]:
            tensor["config"]["keras_history"][0] = source
        wide.config["config"]["layers"].append(again)
    wide.refused("at most 2048 values per pixel of the image")


def test_weights_that_are_not_plain_finite_numbers_of_their_shape_are_refused(model, tmp_path):
    place = "layers/conv2d/vars/0"
    secret = tmp_path / "secret"
    secret.write_bytes(b"1234" * 9 * 2)
    shape = (3, 3, 1, 2)

    def external(file):
        file.create_dataset(place, shape, "f4", external=[(str(secret), 0, 72)])

    def bomb(file):
        file.create_dataset(place, (10**6, 10**6, 10**3), "f4", chunks=(100, 100, 10))

    def unwritten(file):
        file.create_dataset(place, shape, "f4")

    def virtual(file):
        layout = h5py.VirtualLayout(shape, "f4")
        layout[:] = h5py.VirtualSource(str(secret), "x", shape)
        file.create_virtual_dataset(place, layout)

    def linked(file):
        file[place] = h5py.ExternalLink(str(secret), "x")

    def absurd(file):
        file[place] = np.full(shape, 1e30, np.float32)

    def missing_number(file):
        file[place] = np.full(shape, np.nan, np.float32)

    for spoil, words in {
        external: "is not a plain array",  # CVE-2026-1669: a file of the reader's machine as weights
        bomb: "is not",  # CVE-2026-0897: a shape that no memory holds
        unwritten: "not those of the shape|beyond its end",
        virtual: "not an HDF5 file as Keras writes it|is not|has a",
        linked: "found none|of another form|has a",
        absurd: "absurd numbers",
        missing_number: "NaN",
        lambda file: None: "Of the weights of the layer 'encoder1_conv1', found none; expected numbers of",
    }.items():
        content, file = model.weights()
        with file:
            del file[place]
            spoil(file)
        other = Model(model.members | {"model.weights.h5": content.getvalue()}, model.path)
        other.refused(words)


def test_networks_that_would_predict_nothing_useful_are_refused(model):
    half = Model(model.members, model.path)
    half.layer("decoder1_up")["config"]["size"] = 1
    half.refused("joins images of different sizes")
    small = Model(model.members, model.path)
    small.layer("head_conv")["config"]["strides"] = 2
    small.refused("output is as large as its input")
    content, file = model.weights()
    with file:
        file["layers/batch_normalization/vars/3"][:] = -1
    Model(model.members | {"model.weights.h5": content.getvalue()}, model.path).refused("negative variance")


def test_deep_networks_are_refused_before_keras_counts_their_layers(model):
    chain, last = model.config["config"]["layers"], "head_sigmoid"
    for number in range(500):
        each = json.loads(json.dumps(model.layer("head_sigmoid")))
        each["name"] = each["config"]["name"] = f"again{number}"
        each["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = last
        last = each["name"]
        chain.append(each)
    model.refused("comes after 400 others in a row")


def test_spoilt_weights_are_read_or_refused_and_nothing_else(model):
    """A few of what `benchmarks/nets/model_files.py` does thousands of times."""
    content, chance = model.members["model.weights.h5"], np.random.default_rng(5)
    structure = range(0, len(content), 97)
    for _ in range(300):
        spoilt = bytearray(content)
        for place in chance.choice(structure, 3):
            spoilt[place : place + 8] = chance.integers(0, 256, 8, np.uint8).tobytes()
        weights = None
        try:
            weights = hdf5.Weights(bytes(spoilt))
            found = weights.array("layers/conv2d/vars/0")
        except hdf5.Damaged:
            continue
        assert found is None or found.dtype == np.float32
    assert weights is not None


def test_archives_that_are_damaged_or_too_large_are_refused(model, monkeypatch):
    with pytest.raises(InputError, match="no such model"):
        load_model(model.path)
    model.path.write_bytes(b"PK not a model")
    with pytest.raises(InputError, match="damaged"):
        load_model(model.path)
    with h5py.File(
        model.path, "w"
    ) as file:  # CVE-2025-9905: the old format, in which safe mode was never looked at
        file.attrs["model_config"] = json.dumps({"class_name": "Lambda", "config": {"function": MARSHALLED}})
    with pytest.raises(InputError, match="holds no convolutions"):
        load_model(model.path)
    Model(model.members | {"assets/x": b""}, model.path).refused("Found 4 files in it")
    others = {name: content for name, content in model.members.items() if name != "metadata.json"}
    Model(others | {"assets/x": b""}, model.path).refused("Found the file 'assets/x'")
    with pytest.raises(InputError, match="compressed in a way"):
        load_model(Model(model.members, model.path).write(zipfile.ZIP_BZIP2))  # expands without a bound
    path = Model(model.members | {"model.weights.h5": bytes(2**27)}, model.path).write(zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match=r"model\.weights\.h5 has more than"):
        load_model(path)
    large = Model(model.members, model.path)
    large.config["padding"] = "x" * 2**24
    large.refused(r"config\.json has more than")
    nested = model.members | {"config.json": b"[" * 10**6}
    with zipfile.ZipFile(model.path, "w") as archive:
        for name, content in nested.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match="damaged"):
        load_model(model.path)


def test_a_network_that_could_not_be_loaded_again_is_refused_before_it_is_trained():
    loading.check_loadable(build_unet("simple", (None, None, 1), filters=2, levels=2))
    inputs = keras.Input((8, 8, 1))
    with pytest.raises(
        InputError, match=r"could be saved but not loaded again.*holds a layer 'Softmax'.*nets/layers\.py"
    ):
        loading.check_loadable(keras.Model(inputs, keras.layers.Softmax()(inputs)))
