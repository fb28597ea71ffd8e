"""Make training patches from the batches of `patches`: one warp for image and labels, then light, on the device.

Everything here is keras.ops, runs on TensorFlow, JAX and PyTorch, and is meant to be compiled (`backend.compiled`).
"""

import numpy as np
from keras import KerasTensor, ops


def make_patches(drawn: dict[str, KerasTensor], patch: int, outputs: int) -> tuple[KerasTensor, KerasTensor]:
    """Turn drawn crops (tensors, see `patches.draw_batch`) into images and targets.

    Returns image float32 (batch, patch, patch, channels) and target float32 (batch, patch, patch, outputs): the
    foreground, where the warped labels are above 0, and for two outputs the distance. Where they are below 0, which are
    pixels that do not count, the foreground is -1.
    """
    smooth, labels = warp(drawn, patch)
    channels = drawn["planes"].shape[-1] - outputs
    foreground = ops.clip(labels, -1.0, 1.0)
    target = ops.concatenate([foreground, smooth[..., channels:]], -1) if outputs == 2 else foreground
    return change_light(smooth[..., :channels], drawn), target


def warp(drawn: dict[str, KerasTensor], patch: int) -> tuple[KerasTensor, KerasTensor]:
    """Cut patches from crops: the last plane, the labels, by nearest neighbour, all others bilinear.

    Beyond its frame a picture is reflected. Returns float32 (batch, patch, patch, planes − 1) and (…, 1).
    """
    row, column = positions(drawn, patch)
    top, left = ops.floor(row), ops.floor(column)
    down, right = ops.expand_dims(row - top, -1), ops.expand_dims(column - left, -1)
    top, left = ops.cast(top, "int32"), ops.cast(left, "int32")
    batch, height, width, planes = drawn["planes"].shape
    flat = ops.reshape(drawn["planes"], (-1, planes))
    first = ops.reshape(ops.arange(batch, dtype="int32") * height, (-1, 1, 1))
    rows = [first + inside(top + step, drawn, 0, height) for step in (0, 1)]
    columns = [inside(left + step, drawn, 1, width) for step in (0, 1)]
    upper_left, upper_right, lower_left, lower_right = (
        ops.take(flat, each_row * width + each_column, axis=0) for each_row in rows for each_column in columns
    )
    upper = upper_left[..., :-1] + right * (upper_right[..., :-1] - upper_left[..., :-1])
    lower = lower_left[..., :-1] + right * (lower_right[..., :-1] - lower_left[..., :-1])
    upper_label = ops.where(right < 0.5, upper_left[..., -1:], upper_right[..., -1:])
    lower_label = ops.where(right < 0.5, lower_left[..., -1:], lower_right[..., -1:])
    return upper + down * (lower - upper), ops.where(down < 0.5, upper_label, lower_label)


def positions(drawn: dict[str, KerasTensor], patch: int) -> tuple[KerasTensor, KerasTensor]:
    """Return row and column in the crop, float32 (batch, patch, patch), of every pixel of the patches."""
    offset = np.arange(patch, dtype=np.float32) - (patch - 1) / 2
    down, right = ops.reshape(offset, (1, patch, 1)), ops.reshape(offset, (1, 1, patch))
    if "bend" in drawn:
        bend = along_both(spline(drawn["bend"].shape[1], patch), drawn["bend"])
        down, right = down + bend[..., 0], right + bend[..., 1]
    matrix, centre = (
        ops.reshape(drawn[key], (-1, size, 1, 1)) for key, size in (("matrix", 4), ("centre", 2))
    )
    return (
        centre[:, 0] + matrix[:, 0] * down + matrix[:, 1] * right,
        centre[:, 1] + matrix[:, 2] * down + matrix[:, 3] * right,
    )


def inside(index: KerasTensor, drawn: dict[str, KerasTensor], axis: int, length: int) -> KerasTensor:
    """Reflect int32 positions in the crop at the frame's borders (d c b a | a b c d | d c b a)."""
    size, corner = (ops.reshape(drawn[key][:, axis], (-1, 1, 1)) for key in ("size", "corner"))
    folded = ops.mod(index + corner, 2 * size)
    folded = ops.minimum(folded, 2 * size - 1 - folded)
    return ops.clip(folded - corner, 0, length - 1)


def spline(knots: int, patch: int) -> np.ndarray:
    """Return cubic B-spline weights that spread values at evenly spaced knots over a patch, float32 (patch, knots).

    The weights of a pixel are positive and sum to 1, so that spread values never exceed those at the knots; with
    values below 0.48 of the knots' distance nothing folds (Choi & Lee 2000, doi 10.1006/gmod.2000.0531).
    """
    place = np.arange(patch)[:, None] * (knots - 3) / patch - np.arange(knots)[None] + 1
    away = np.abs(place)
    near = 2 / 3 - away**2 + away**3 / 2
    far = np.maximum(2 - away, 0) ** 3 / 6
    return np.where(away < 1, near, far).astype(np.float32)


def along_both(matrix: KerasTensor, values: KerasTensor) -> KerasTensor:
    """Multiply (…, new, old) along both axes of (batch, old, old, channels): (batch, new, new, channels)."""
    for _ in range(2):
        batch, rows, columns, channels = values.shape
        values = ops.matmul(matrix, ops.reshape(values, (batch, rows, columns * channels)))
        values = ops.transpose(ops.reshape(values, (batch, -1, columns, channels)), (0, 2, 1, 3))
    return values


def change_light(image: KerasTensor, drawn: dict[str, KerasTensor]) -> KerasTensor:
    """Change gamma, contrast, sharpness and noise of normalised patches by the values drawn."""
    if "gamma" in drawn:
        exponent = ops.reshape(drawn["gamma"], (-1, 1, 1, 1))
        image = ops.sign(image) * ops.power(ops.abs(image), exponent)
    if "contrast" in drawn:
        gain, lift = (ops.reshape(drawn["contrast"][:, which], (-1, 1, 1, 1)) for which in (0, 1))
        image = (image - 0.5) * gain + 0.5 + lift
    if "blur" in drawn:
        image = along_both(drawn["blur"], image)
    if "noise" in drawn:
        image = image + drawn["noise"]
    return image
