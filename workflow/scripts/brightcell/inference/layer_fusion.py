"""Convert a trained U-Net to a network that predicts the same with fewer operations.

Three steps, exact up to rounding: batch normalisations are merged into the weights of the convolutions before them;
dropout is removed; and a 3×3 convolution of a tensor that was doubled in size (nearest neighbour) and joined with a skip
becomes a transposed 4×4 convolution of the small tensor plus a 3×3 convolution of the skip. That takes four ninths of
the operations, and neither the large nor the joined tensor is ever written. It saves a sixth to a fifth of all
operations of the study's networks.
"""

import keras
import numpy as np
from keras import layers

# Row t: the rows of a 3×3 kernel that an input row meets at row t of the 4×4 kernel, because it is there twice.
SPREAD = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)
COPIED = (
    layers.Activation,
    layers.Add,
    layers.BatchNormalization,
    layers.Conv2DTranspose,
    layers.LeakyReLU,
    layers.MaxPooling2D,
    layers.Multiply,
    layers.ReLU,
)
KNOWN = (*COPIED, layers.InputLayer, layers.Conv2D, layers.Dropout, layers.Concatenate, layers.UpSampling2D)


MOST_PARTS = 8  # of a tensor that are convolved one by one


class Parts(list[tuple[keras.KerasTensor, bool]]):
    """A tensor as parts along its channels, (tensor, doubled): doubled parts are kept at half the size."""

    is_sum = False

    def tensor(self, precision: str) -> keras.KerasTensor:
        """Return the tensor itself."""
        whole = [layers.UpSampling2D(2, dtype=precision)(part) if doubled else part for part, doubled in self]
        return whole[0] if len(whole) == 1 else layers.Concatenate(dtype=precision)(whole)


def fuse_layers(
    model: keras.Model, precision: str = "float32", leaky_sums: bool = False
) -> keras.Model | None:
    """Return a faster network that predicts the same as `model`; None if it has unknown layers or settings.

    precision is the dtype policy of all layers but the last, as in `loading.load_model`. TensorFlow 2.21 fuses
    convolution, sum and LeakyReLU but loses the slope; the LeakyReLU of a sum is therefore written as a maximum, unless
    leaky_sums says that another engine runs the network.
    """
    if not all(_is_known(layer) for layer in model.layers):
        return None
    users: dict[int, list] = {}
    for layer in model.layers:
        if not isinstance(layer, layers.InputLayer):
            for tensor in keras.tree.flatten(layer.input):
                users.setdefault(id(tensor), []).append(layer)
    parts_of: dict[int, Parts] = {}
    weights: list[tuple[keras.Layer, list[np.ndarray]]] = []
    folded: set[str] = set()
    for layer in model.layers:
        key = id(layer.output)
        if isinstance(layer, layers.InputLayer):
            inputs = keras.Input(layer.batch_shape[1:], name=layer.name)
            parts_of[key] = Parts([(inputs, False)])
            continue
        sources = [parts_of[id(tensor)] for tensor in keras.tree.flatten(layer.input)]
        if isinstance(layer, layers.Dropout) or layer.name in folded:
            parts_of[key] = sources[0]
        elif isinstance(layer, layers.Concatenate):
            parts_of[key] = Parts(part for source in sources for part in source)
        elif _is_doubling(layer, sources[0]) and all(
            isinstance(user, layers.Concatenate) for user in users.get(key, [])
        ):
            parts_of[key] = Parts([(sources[0][0][0], True)])
        elif type(layer) is layers.Conv2D:
            kernel, bias = layer.get_weights()
            if len(users.get(key, [])) == 1 and isinstance(users[key][0], layers.BatchNormalization):
                kernel, bias = fold(kernel, bias, users[key][0])
                folded.add(users[key][0].name)
            parts_of[key] = _convolution(layer, sources[0], kernel, bias, precision, weights)
        elif isinstance(layer, layers.LeakyReLU) and sources[0].is_sum and not leaky_sums:
            total = sources[0].tensor(precision)
            low = layers.Rescaling(layer.negative_slope, dtype=precision)(total)
            parts_of[key] = Parts([(layers.Maximum(dtype=precision)([total, low]), False)])
        else:
            dtype = "float32" if layer is model.layers[-1] else precision
            copy = type(layer).from_config({**layer.get_config(), "dtype": dtype})
            tensors = [source.tensor(precision) for source in sources]
            parts_of[key] = Parts([(copy(tensors if len(tensors) > 1 else tensors[0]), False)])
            parts_of[key].is_sum = isinstance(layer, layers.Add)
            weights.append((copy, layer.get_weights()))
    result = keras.Model(inputs, parts_of[id(model.output)].tensor(precision), name=model.name)
    for layer, values in weights:
        layer.set_weights(values)
    return result


def fold(
    kernel: np.ndarray, bias: np.ndarray, normalisation: layers.BatchNormalization
) -> tuple[np.ndarray, np.ndarray]:
    """Merge a batch normalisation (as in prediction) into kernel and bias of the convolution before it."""
    scale, shift, mean, variance = normalisation.get_weights()
    factor = scale / np.sqrt(variance + normalisation.epsilon)
    return kernel * factor, (bias - mean) * factor + shift


def doubled_kernel(kernel: np.ndarray) -> np.ndarray:
    """Return the 4×4 kernel of a transposed convolution, stride 2, equal to doubling, then convolving with a 3×3 one."""
    return np.einsum("ap,pqio,bq->aboi", SPREAD, kernel, SPREAD)


def _convolution(
    layer: layers.Conv2D,
    source: Parts,
    kernel: np.ndarray,
    bias: np.ndarray,
    precision: str,
    weights: list[tuple[keras.Layer, list[np.ndarray]]],
) -> Parts:
    """Convolve each part with its share of the kernel and add the results; the last one gets the bias."""
    terms, start = [], 0
    if len(source) > MOST_PARTS or layer.strides != (1, 1) or layer.kernel_size not in ((1, 1), (3, 3)):
        source = Parts([(source.tensor(precision), False)])
    for number, (part, doubled) in enumerate(source, start=1):
        share = kernel[:, :, start : start + part.shape[-1]]
        start += part.shape[-1]
        options = {
            "use_bias": number == len(source),
            "padding": "same",
            "dtype": precision,
            "kernel_initializer": "zeros",
            "name": layer.name if number == len(source) else f"{layer.name}_part{number}",
        }
        wide = doubled and layer.kernel_size == (3, 3)
        if wide:
            part_layer, share = (
                layers.Conv2DTranspose(layer.filters, 4, strides=2, **options),
                doubled_kernel(share),
            )
        else:
            part_layer = layers.Conv2D(layer.filters, layer.kernel_size, strides=layer.strides, **options)
        term = part_layer(part)
        # A 1×1 convolution commutes with doubling.
        terms.append(layers.UpSampling2D(2, dtype=precision)(term) if doubled and not wide else term)
        weights.append((part_layer, [share, bias] if options["use_bias"] else [share]))
    if len(terms) == 1:
        return Parts([(terms[0], False)])
    result = Parts([(layers.Add(dtype=precision)(terms), False)])
    result.is_sum = True
    return result


def _is_doubling(layer: keras.Layer, source: Parts) -> bool:
    """Return whether a layer doubles a whole tensor by nearest neighbour."""
    return isinstance(layer, layers.UpSampling2D) and len(source) == 1 and not source[0][1]


def _is_known(layer: keras.Layer) -> bool:
    """Return whether a layer has a kind and settings that the networks of this workflow use."""
    if type(layer) not in KNOWN or len(layer._inbound_nodes) != 1:
        return False
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return False
    if isinstance(layer, layers.UpSampling2D):
        return tuple(layer.size) == (2, 2) and layer.interpolation == "nearest"
    if isinstance(layer, layers.Concatenate | layers.BatchNormalization) and layer.axis not in (-1, 3):
        return False
    if isinstance(layer, layers.BatchNormalization):
        return layer.scale and layer.center
    if type(layer) is layers.Conv2D:
        plain = layer.use_bias and layer.padding == "same" and layer.groups == 1
        return plain and layer.dilation_rate == (1, 1) and layer.activation is keras.activations.linear
    return True
