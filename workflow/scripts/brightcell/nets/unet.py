"""The three U-Nets of Ghaznavi et al. 2022 (doi 10.1016/j.compbiomed.2022.105805), in Keras 3.

All layers are in the table of `layers`, so that a saved model can be loaded. A network of your own is one
more entry in `ARCHITECTURES`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from brightcell.errors import InputError

NEGATIVE_SLOPE = 0.3  # the study's LeakyReLU; Keras' string "leaky_relu" would mean 0.2


def plain_block(x: keras.KerasTensor, filters: int, dropout: float, name: str) -> keras.KerasTensor:
    """Apply (Conv 3×3 → BN → LeakyReLU) twice, then Dropout."""
    for step in ("1", "2"):
        x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv{step}")(x)
        x = layers.BatchNormalization(name=f"{name}_bn{step}")(x)
        x = layers.LeakyReLU(negative_slope=NEGATIVE_SLOPE, name=f"{name}_relu{step}")(x)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x)


def residual_block(x: keras.KerasTensor, filters: int, dropout: float, name: str) -> keras.KerasTensor:
    """Apply two convolutions with a 1×1 shortcut around them; the sum is activated."""
    shortcut = layers.Conv2D(filters, 1, padding="same", name=f"{name}_shortcut_conv")(x)
    shortcut = layers.BatchNormalization(name=f"{name}_shortcut_bn")(shortcut)
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv1")(x)
    x = layers.BatchNormalization(name=f"{name}_bn1")(x)
    x = layers.LeakyReLU(negative_slope=NEGATIVE_SLOPE, name=f"{name}_relu1")(x)
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv2")(x)
    x = layers.BatchNormalization(name=f"{name}_bn2")(x)
    x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.LeakyReLU(negative_slope=NEGATIVE_SLOPE, name=f"{name}_relu2")(x)


def gating_signal(coarse: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """Bring the coarser decoder tensor to the filters of the skip: Conv 1×1 → BN → ReLU."""
    x = layers.Conv2D(filters, 1, padding="same", name=f"{name}_conv")(coarse)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def attention_gate(
    skip: keras.KerasTensor, gating: keras.KerasTensor, filters: int, name: str
) -> keras.KerasTensor:
    """Weight the skip by a map of attention coefficients, computed at the coarser level.

    Additive attention after Oktay et al. 2018 (arXiv 1804.03999), with the study's transposed 3×3
    convolution on the gating signal and its Conv 1×1 → BN on the result. There is no batch
    normalisation on θ, φ and ψ.
    """
    theta = layers.Conv2D(filters, 2, strides=2, padding="same", name=f"{name}_theta")(skip)
    phi = layers.Conv2D(filters, 1, padding="same", name=f"{name}_phi")(gating)
    phi = layers.Conv2DTranspose(filters, 3, strides=1, padding="same", name=f"{name}_phi_transposed")(phi)
    x = layers.Add(name=f"{name}_add")([phi, theta])
    x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.Conv2D(1, 1, padding="same", name=f"{name}_psi")(x)
    x = layers.Activation("sigmoid", name=f"{name}_sigmoid")(x)
    coefficients = layers.UpSampling2D(2, name=f"{name}_up")(x)
    x = layers.Multiply(name=f"{name}_multiply")([coefficients, skip])
    x = layers.Conv2D(filters, 1, padding="same", name=f"{name}_out_conv")(x)
    return layers.BatchNormalization(name=f"{name}_out_bn")(x)


Block = Callable[[keras.KerasTensor, int, float, str], keras.KerasTensor]


@dataclass(frozen=True)
class Architecture:
    """How networks differ: in their block, and in whether their skips pass attention gates."""

    title: str
    block: Block
    gated: bool


ARCHITECTURES = {
    "simple": Architecture("simple U-Net", plain_block, gated=False),
    "attention": Architecture("attention U-Net", plain_block, gated=True),
    "residual_attention": Architecture("residual attention U-Net", residual_block, gated=True),
}


def build_unet(
    architecture: str,
    input_shape: tuple[int | None, int | None, int] = (512, 512, 3),
    filters: int = 64,
    levels: int = 5,
    dropout: float = 0.05,
    outputs: int = 1,
) -> keras.Model:
    """Build one of the networks of `ARCHITECTURES`.

    Parameters
    ----------
    architecture : str
        `simple`, `attention` or `residual_attention`.
    input_shape : (height, width, channels)
        Height and width are multiples of 2**(levels − 1), or None for any such size.
    filters : int
        Filters of the first level; each further level has twice as many.
    levels : int
        Number of levels, including the bottom; the study has 5.
    dropout : float
        Share of activations dropped at the end of each block, in training only.
    outputs : int
        Number of output maps, each through a sigmoid: the first is the foreground probability, the second
        the normalised distance to the cell's edge.

    Returns
    -------
    keras.Model
        From (batch, height, width, channels) to float32 (batch, height, width, outputs) in 0..1.
        With the defaults the three networks have 31,402,501, 37,334,665 and 39,090,377 parameters.

    Raises
    ------
    InputError
        For an unknown architecture or a size that cannot be halved `levels − 1` times.

    Examples
    --------
    >>> build_unet("simple", (64, 64, 1), filters=4, levels=3).output_shape
    (None, 64, 64, 1)
    """
    if architecture not in ARCHITECTURES:
        raise InputError(f"{architecture!r} is no network; expected one of {', '.join(ARCHITECTURES)}.")
    multiple = 2 ** (levels - 1)
    if any(side is not None and side % multiple for side in input_shape[:2]):
        raise InputError(
            f"A U-Net of {levels} levels halves its input {levels - 1} times: height and width must be multiples "
            f"of {multiple}, found {input_shape[0]} × {input_shape[1]}. Take another patch size, or pad."
        )
    kind = ARCHITECTURES[architecture]

    inputs = keras.Input(input_shape, name="image")
    x, skips = inputs, []
    for level in range(levels - 1):
        x = kind.block(x, filters * 2**level, dropout, f"encoder{level + 1}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"encoder{level + 1}_pool")(x)
    x = kind.block(x, filters * multiple, dropout, "bottom")
    for level in reversed(range(levels - 1)):
        skip, width, name = skips[level], filters * 2**level, f"decoder{level + 1}"
        if kind.gated:
            gating = gating_signal(x, width, f"{name}_gating")
            skip = attention_gate(skip, gating, width, f"{name}_attention")
        x = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_up")(x)
        x = layers.Concatenate(name=f"{name}_concatenate")([x, skip])
        x = kind.block(x, width, dropout, name)
    x = layers.Conv2D(outputs, 1, padding="same", name="head_conv")(x)
    x = layers.BatchNormalization(name="head_bn")(x)
    x = layers.Activation("sigmoid", dtype="float32", name="head_sigmoid")(x)
    return keras.Model(inputs, x, name=architecture)


def count_parameters(model: keras.Model) -> tuple[int, int]:
    """Return the number of all parameters of a model and that of the trainable ones.

    Dropout's random state (a Keras variable) is no parameter and is not counted, as in `model.summary()`.
    """
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return trainable + sum(math.prod(weight.shape) for weight in model.non_trainable_weights), trainable
