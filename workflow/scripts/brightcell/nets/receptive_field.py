"""What a network sees and costs: its receptive field and its number of operations, from its layers."""

import math
from typing import NamedTuple

import keras
from keras import layers

from brightcell.errors import InputError

ELEMENTWISE = (
    layers.Activation,
    layers.BatchNormalization,
    layers.Dropout,
    layers.InputLayer,
    layers.LeakyReLU,
    layers.ReLU,
    layers.Rescaling,
)
MERGING = (layers.Add, layers.Concatenate, layers.Maximum, layers.Multiply)


class Reach(NamedTuple):
    """Element i of a tensor depends on the pixels step·i − before … step·i + after of the image, along both axes."""

    step: float
    before: float
    after: float


def receptive_radius(model: keras.Model) -> int:
    """Return how far, in pixels, an image pixel can be from an output pixel and still influence it.

    The receptive field is at most 2 · radius + 1 pixels wide; how much of it a pixel uses depends on its place in the
    raster of the pooling. Raises InputError for a layer of unknown reach.

    >>> inputs = keras.Input((None, None, 1))
    >>> receptive_radius(keras.Model(inputs, layers.Conv2D(1, 5, padding="same")(inputs)))
    2
    """
    reaches: dict[int, Reach] = {}
    for layer in model.layers:
        sources = [reaches[id(tensor)] for tensor in _inputs(layer)]
        reach = _through(layer, sources)
        for tensor in keras.tree.flatten(layer.output):
            reaches[id(tensor)] = reach
    last = reaches[id(model.outputs[0])]
    return math.ceil(max(last.before, last.after))


def operations(model: keras.Model, height: int, width: int) -> int:
    """Count the floating-point operations of a frame's convolutions: a multiplication and an addition are two."""
    steps: dict[int, Reach] = {}
    total = 0.0
    for layer in model.layers:
        sources = [steps[id(tensor)] for tensor in _inputs(layer)]
        step = _through(layer, sources).step
        for tensor in keras.tree.flatten(layer.output):
            steps[id(tensor)] = Reach(step, 0, 0)
        if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
            # A convolution applies its kernel once per output, a transposed one once per input.
            places = max(step, sources[0].step)
            total += 2 * math.prod(layer.kernel.shape) * height * width / places**2
    return round(total)


def _inputs(layer: keras.Layer) -> list:
    return [] if isinstance(layer, layers.InputLayer) else keras.tree.flatten(layer.input)


def _through(layer: keras.Layer, sources: list[Reach]) -> Reach:
    """Return the reach of a layer's output, from that of its inputs."""
    if not sources:
        return Reach(1, 0, 0)
    step, before, after = (
        sources[0].step,
        max(source.before for source in sources),
        max(source.after for source in sources),
    )
    if isinstance(layer, ELEMENTWISE + MERGING):
        return Reach(step, before, after)
    if isinstance(layer, layers.UpSampling2D):
        step /= layer.size[0]
        return Reach(step, before + step * (layer.size[0] - 1), after)
    if isinstance(layer, layers.Conv2DTranspose):
        # Output o takes inputs i with i · stride − left ≤ o < i · stride − left + kernel.
        kernel, stride = layer.kernel_size[0], layer.strides[0]
        left = max(kernel - stride, 0) // 2
        step /= stride
        return Reach(step, before + step * (kernel - 1 - left), after + step * left)
    if isinstance(layer, layers.Conv2D | layers.MaxPooling2D):
        window = layer.kernel_size if isinstance(layer, layers.Conv2D) else layer.pool_size
        kernel, stride = window[0], layer.strides[0]
        left = max(kernel - stride, 0) // 2
        return Reach(step * stride, before + step * left, after + step * (kernel - 1 - left))
    raise InputError(
        f"The layer {layer.name} is of a kind, {type(layer).__name__}, whose reach is not known: add it to "
        "nets/receptive_field.py, "
        "or set prediction.overlap."
    )
