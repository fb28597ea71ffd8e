"""The layers that a model file may hold: their arguments, and the weights they need.

A file from elsewhere is read as data, never by Keras: `loading` looks every layer up here and builds it again. A layer
that is not in `LAYERS`, an argument that is not in its entry, or a value out of bounds is refused. A layer of your own is
one more entry: its arguments with what each may be, its weights and its channels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from brightcell.values import NAME, Rule, is_number, number, one_of, optional, pair, square, whole

Arguments = Mapping[str, Any]
Shape = tuple[int, ...]


class Ignored(Rule):
    """The rule of an argument that is checked but not used, such as how weights start."""


def _is_policy(found: object) -> bool:
    if isinstance(found, dict):
        plain = found.get("module") == "keras" and found.get("class_name") == "DTypePolicy"
        inner = found.get("config")
        found = inner.get("name") if plain and isinstance(inner, dict) and set(inner) == {"name"} else None
    return isinstance(found, str) and found in POLICIES


def _is_initializer(found: object) -> bool:
    if found is None or NAME.allows(found):
        return True
    if not isinstance(found, dict) or found.get("module") != "keras.initializers":
        return False
    inner = found.get("config")
    return (
        found.get("registered_name") is None
        and isinstance(inner, dict)
        and all(map(_is_plain, inner.values()))
    )


def _is_plain(found: object) -> bool:
    return found is None or isinstance(found, str | bool) or is_number(found)


POLICIES = ("float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")
ACTIVATIONS = (
    *("linear", "sigmoid", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "tanh"),
    *("hard_sigmoid", "relu6"),
)
FLAG = one_of(True, False)
NOTHING = one_of(None)
KERNEL, STEP = pair(31), square(8)
ACTIVATION = one_of(*ACTIVATIONS)
CHANNELS_LAST = one_of("channels_last")
PADDING = one_of("same", "valid")
INITIALIZER = Ignored("an initializer of Keras", _is_initializer)
COMMON = {
    "name": NAME,
    "trainable": FLAG,
    "dtype": Ignored(f"one of {', '.join(POLICIES)}", _is_policy),
}


@dataclass(frozen=True)
class Layer:
    """A layer that a model file may hold.

    arguments : what each may be, beside those of `COMMON`; Ignored ones are not handed to Keras
    weights : shapes of its arrays in Keras' order, from the arguments and the channels of its input
    channels : of its output, from the arguments and the channels of its inputs; by default those of the first input
    scale : by how much it enlarges an image
    inputs : how many tensors it takes, at least and at most
    fault : says what is wrong with arguments that do not go together, or returns ""
    """

    arguments: Mapping[str, Rule]
    weights: Callable[[Arguments, int], list[Shape]] = lambda arguments, channels: []
    channels: Callable[[Arguments, Sequence[int]], int] = lambda arguments, inputs: inputs[0]
    scale: Callable[[Arguments], Fraction] = lambda arguments: Fraction(1)
    inputs: tuple[int, int] = (1, 1)
    fault: Callable[[Arguments], str] = lambda arguments: ""


def _sizes(value: int | list[int]) -> Shape:
    return (value, value) if isinstance(value, int) else tuple(value)


def _shrinks(name: str) -> Callable[[Arguments], Fraction]:
    def scale(arguments: Arguments) -> Fraction:
        return Fraction(1, _sizes(arguments[name] or arguments["pool_size"])[0])

    return scale


def _grows(name: str) -> Callable[[Arguments], Fraction]:
    return lambda arguments: Fraction(_sizes(arguments[name])[0])


def _loses_pixels(window: str) -> Callable[[Arguments], str]:
    """Return the check that a layer keeps the size of the image, divided or multiplied by its strides.

    Without padding, maps would be some pixels smaller or larger, and fit neither each other nor the tiles.
    """

    def fault(arguments: Arguments) -> str:
        size = _sizes(arguments[window])
        fits = size in ((1, 1), _sizes(arguments.get("strides") or arguments[window]))
        return (
            ""
            if arguments["padding"] == "same" or fits
            else f"padding 'valid' and {window} {size}. Expected padding 'same'"
        )

    return fault


def _bias(arguments: Arguments, filters: int) -> list[Shape]:
    return [(filters,)] if arguments["use_bias"] else []


def _convolution(arguments: Arguments, channels: int) -> list[Shape]:
    kernel = (*_sizes(arguments["kernel_size"]), channels // arguments["groups"], arguments["filters"])
    return [kernel, *_bias(arguments, arguments["filters"])]


def _transposed(arguments: Arguments, channels: int) -> list[Shape]:
    kernel = (*_sizes(arguments["kernel_size"]), arguments["filters"], channels)
    return [kernel, *_bias(arguments, arguments["filters"])]


def _separable(arguments: Arguments, channels: int) -> list[Shape]:
    multiplied = channels * arguments["depth_multiplier"]
    depthwise = (*_sizes(arguments["kernel_size"]), channels, arguments["depth_multiplier"])
    return [depthwise, (1, 1, multiplied, arguments["filters"]), *_bias(arguments, arguments["filters"])]


def _normalisation(arguments: Arguments, channels: int) -> list[Shape]:
    return [(channels,)] * (2 + bool(arguments["scale"]) + bool(arguments["center"]))


def _largest(arguments: Arguments, inputs: Sequence[int]) -> int:
    return max(inputs)


_FILTERS = {"filters": whole(1, 4096)}
_BIAS = {
    "use_bias": FLAG,
    "bias_initializer": INITIALIZER,
    **dict.fromkeys(("bias_regularizer", "bias_constraint", "activity_regularizer"), NOTHING),
}
_KERNEL = {
    "kernel_size": KERNEL,
    "strides": STEP,
    "padding": PADDING,
    "data_format": CHANNELS_LAST,
    "dilation_rate": pair(31),
    "activation": ACTIVATION,
    **_BIAS,
}
_PLAIN_KERNEL = {
    "kernel_initializer": INITIALIZER,
    **dict.fromkeys(("kernel_regularizer", "kernel_constraint"), NOTHING),
}
_POOL = {
    "pool_size": square(8),
    "strides": optional(STEP),
}
_POOL |= {"padding": PADDING, "data_format": CHANNELS_LAST}
_LAST_AXIS = {"axis": one_of(-1, 3)}
_MERGED = Layer({}, channels=_largest, inputs=(2, 16))


def _of_filters(arguments: Arguments, inputs: Sequence[int]) -> int:
    return arguments["filters"]


LAYERS: dict[str, Layer] = {
    "InputLayer": Layer(
        {
            "batch_shape": Rule(
                "[null, height, width, channels] with 1 to 64 channels",
                lambda found: (
                    isinstance(found, list)
                    and len(found) == 4
                    and found[0] is None
                    and all(side is None or whole(1, 2**16).allows(side) for side in found[1:3])
                    and whole(1, 64).allows(found[3])
                ),
            ),
            **dict.fromkeys(("sparse", "ragged", "optional"), one_of(False)),
        },
        channels=lambda arguments, inputs: arguments["batch_shape"][3],
        inputs=(0, 0),
    ),
    "Conv2D": Layer(
        _FILTERS | _KERNEL | _PLAIN_KERNEL | {"groups": whole(1, 4096)},
        _convolution,
        _of_filters,
        _shrinks("strides"),
        fault=_loses_pixels("kernel_size"),
    ),
    "Conv2DTranspose": Layer(
        _FILTERS | _KERNEL | _PLAIN_KERNEL | {"output_padding": NOTHING},
        _transposed,
        _of_filters,
        _grows("strides"),
        fault=_loses_pixels("kernel_size"),
    ),
    "SeparableConv2D": Layer(
        _FILTERS
        | _KERNEL
        | {"depth_multiplier": whole(1, 16)}
        | dict.fromkeys(("depthwise_initializer", "pointwise_initializer"), INITIALIZER)
        | dict.fromkeys(
            (
                "depthwise_regularizer",
                "pointwise_regularizer",
                "depthwise_constraint",
                "pointwise_constraint",
            ),
            NOTHING,
        ),
        _separable,
        _of_filters,
        _shrinks("strides"),
        fault=_loses_pixels("kernel_size"),
    ),
    "BatchNormalization": Layer(
        {
            **_LAST_AXIS,
            "momentum": number(0, 1),
            "epsilon": number(1e-12, 1),
            **dict.fromkeys(("center", "scale"), FLAG),
            **dict.fromkeys(
                (
                    "beta_initializer",
                    "gamma_initializer",
                    "moving_mean_initializer",
                    "moving_variance_initializer",
                ),
                INITIALIZER,
            ),
            **dict.fromkeys(
                ("beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint"), NOTHING
            ),
            **dict.fromkeys(("synchronized", "renorm"), one_of(False)),
            "renorm_clipping": NOTHING,
            "renorm_momentum": Ignored("a number from 0 to 1", number(0, 1).allows),
        },
        _normalisation,
    ),
    "Activation": Layer({"activation": ACTIVATION}),
    "LeakyReLU": Layer({"negative_slope": number(0, 10)}),
    "ReLU": Layer(
        {
            "max_value": optional(number(0, 1e6)),
            "negative_slope": number(0, 10),
            "threshold": number(0, 1e6),
        }
    ),
    "Dropout": Layer(
        {
            "rate": number(0, 0.99),
            "seed": Ignored("a whole number or nothing", _is_plain),
            "noise_shape": NOTHING,
        }
    ),
    "Rescaling": Layer(dict.fromkeys(("scale", "offset"), number(-1000, 1000))),
    "MaxPooling2D": Layer(_POOL, scale=_shrinks("strides"), fault=_loses_pixels("pool_size")),
    "AveragePooling2D": Layer(_POOL, scale=_shrinks("strides"), fault=_loses_pixels("pool_size")),
    "UpSampling2D": Layer(
        {"size": STEP, "data_format": CHANNELS_LAST, "interpolation": one_of("nearest", "bilinear")},
        scale=_grows("size"),
    ),
    "Add": _MERGED,
    "Multiply": _MERGED,
    "Maximum": _MERGED,
    "Concatenate": Layer(_LAST_AXIS, channels=lambda arguments, inputs: sum(inputs), inputs=(2, 16)),
}
