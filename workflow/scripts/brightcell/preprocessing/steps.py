"""Prepare raw recordings for the networks: one table of steps, all off unless the config asks for them.

Frames are (height, width, channels); steps run in the order of the table PREPROCESS. Steps that move pixels move the
labels, too, by nearest neighbour, so that cells never grow.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage import restoration

from brightcell.errors import InputError

from .rescaling import resize_labels
from .shading import background, flat_field

BAYER_RED = {
    "RGGB": (0, 0),
    "GRBG": (0, 1),
    "GBRG": (1, 0),
    "BGGR": (1, 1),
}  # row and column of the red pixel
DEPTH = 255  # the largest value after `bit_depth`
THINNED = 1_000_000  # grey values of each frame that determine those of its group
SEARCH_PX, LEAST_NOISE = 11, 1e-6


def bayer_to_rgb(image: np.ndarray, pattern: str) -> np.ndarray:
    """Convert each quadruplet of a Bayer mosaic to one RGB pixel: R, (G1 + G2) / 2, B; half the sides, no interpolation.

    pattern : colours of the first two rows, such as RGGB; (height, width, 1) in, (height // 2, width // 2, 3) out, same
    dtype, the mean of the greens rounded down.
    Source: Ghaznavi et al., Computers in Biology and Medicine 147:105805 (2022), section on image acquisition.
    """
    if image.shape[-1] != 1:
        raise InputError(
            f"preprocess.bayer: {image.shape[-1]} channels. Expected the raw mosaic of a colour camera, one channel: "
            "images that are in colour already need no step bayer."
        )
    image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2, 0]
    row, column = BAYER_RED[pattern]
    red, blue = image[row::2, column::2], image[1 - row :: 2, 1 - column :: 2]
    greens = image[row::2, 1 - column :: 2], image[1 - row :: 2, column::2]
    wide = np.float32 if image.dtype.kind == "f" else np.int64
    green = greens[0].astype(wide) + greens[1]
    green = green / 2 if image.dtype.kind == "f" else green // 2
    return np.stack([red, green.astype(image.dtype), blue], axis=-1)


def bit_depth(
    image: np.ndarray, percentiles: tuple[float, float], limits: tuple[float, float] | None = None
) -> np.ndarray:
    """Map grey values onto 8 bits: round(255 · clip((I - low) / (high - low), 0, 1)); uint8.

    low and high are `limits`, or else the percentiles of the frame; one pair for all channels keeps their balance.
    Source: the linear contrast stretch, R. C. Gonzalez and R. E. Woods, Digital Image Processing, section 3.2.
    """
    low, high = limits or np.percentile(image, percentiles)
    scaled = (image.astype(np.float32) - low) / max(high - low, 1e-6)
    return np.round(DEPTH * np.clip(scaled, 0, 1)).astype(np.uint8)


def denoise(image: np.ndarray, method: str, size_px: int) -> np.ndarray:
    """Remove noise, in each channel separately or, by non-local means, in all together; the dtype stays.

    `mean`: the mean of a window of `size_px` × `size_px`. `nonlocal`: the mean of pixels with similar surroundings of
    that size, weighted by exp(-max(d² - 2σ², 0) / h²), h = 0.8 σ, σ estimated from the frame.
    Source: A. Buades, B. Coll, J.-M. Morel, Image Processing On Line 1:208 (2011), as in scikit-image.
    """
    found = DENOISERS[method](image.astype(np.float32), size_px)
    if image.dtype.kind in "iu":
        limits = np.iinfo(image.dtype)
        found = np.clip(np.round(found), limits.min, limits.max)
    return found.astype(image.dtype)


def _mean(image: np.ndarray, size_px: int) -> np.ndarray:
    return ndimage.uniform_filter(image, (size_px, size_px, 0))


def _nonlocal(image: np.ndarray, size_px: int) -> np.ndarray:
    noise = noise_level(image)
    if noise < LEAST_NOISE:
        return image
    found = restoration.denoise_nl_means(
        image,
        size_px,
        SEARCH_PX,
        h=0.8 * noise,
        sigma=noise,
        fast_mode=True,
        channel_axis=-1,
        preserve_range=True,
    )
    return found.reshape(image.shape)  # the axis of a single channel was dropped


def noise_level(image: np.ndarray) -> float:
    """Estimate the standard deviation of white noise from the differences of diagonal neighbours.

    σ = median |a - b - c + d| / (2 · 0.6745), Haar's finest diagonal detail.
    Source: D. L. Donoho, I. M. Johnstone, Biometrika 81:425 (1994).
    """
    if min(image.shape[:2]) < 2:
        return 0.0
    detail = image[:-1, :-1] - image[:-1, 1:] - image[1:, :-1] + image[1:, 1:]
    return float(np.median(np.abs(detail))) / (2 * 0.6745)


DENOISERS = {"mean": _mean, "nonlocal": _nonlocal}


def crop(array: np.ndarray, box: Iterable[int]) -> np.ndarray:
    """Crop a frame or its labels to (top, left, height, width), in px of the frame after the previous steps."""
    top, left, height, width = box
    if top + height > array.shape[0] or left + width > array.shape[1]:
        raise InputError(
            f"preprocess.crop: [{top}, {left}, {height}, {width}] reaches to row {top + height} and column {left + width}; "
            f"the frame has {array.shape[0]} × {array.shape[1]} px (height × width, halved by bayer). Correct the config."
        )
    return array[top : top + height, left : left + width]


def halve(labels: np.ndarray) -> np.ndarray:
    """Return the labels of a frame that `bayer_to_rgb` halved."""
    height, width = (side // 2 for side in labels.shape)
    return resize_labels(labels[: height * 2, : width * 2], (height, width))


@dataclass(frozen=True)
class Step:
    """One step: its settings from the config (None if it is off), its effects on a frame and on its labels.

    shrinks : the factor by which it divides the sides of a frame and multiplies its pixel size
    """

    settings: Callable[[dict], dict | None]
    frame: Callable[..., np.ndarray]
    labels: Callable[..., np.ndarray] = lambda labels, **_: labels
    shrinks: int = 1


def _method(name: str) -> Callable[[dict], dict | None]:
    return lambda options: (
        None if options[name] == "none" else {"method": options[name], "size_px": options[f"{name}_px"]}
    )


# A step is one entry; they run in this order.
PREPROCESS = {
    "flat_field": Step(
        lambda options: (
            None if options["flat"] is None else {"flat": options["flat"], "dark": options["dark"]}
        ),
        flat_field,
    ),
    "bayer": Step(
        lambda options: options["bayer"] and {"pattern": options["bayer"]},
        bayer_to_rgb,
        lambda labels, pattern: halve(labels),
        shrinks=2,
    ),
    "background": Step(_method("background"), background),
    "bit_depth": Step(
        lambda options: (
            None
            if options["bit_depth"] == "none"
            else {"percentiles": tuple(options["bit_depth_percentiles"])}
        ),
        bit_depth,
    ),
    "denoise": Step(_method("denoise"), denoise),
    "crop": Step(lambda options: options["crop"] and {"box": tuple(options["crop"])}, crop, crop),
}
Plan = dict[str, dict]  # the steps that are on, with their settings


def plan(options: dict) -> Plan:
    """Return the steps that the config's `preprocess` asks for; `flat` and `dark` are arrays here, or None."""
    found = {name: step.settings(options) for name, step in PREPROCESS.items()}
    return {name: settings for name, settings in found.items() if settings}


def apply(image: np.ndarray, steps: Plan) -> np.ndarray:
    """Apply the steps to a frame (height, width, channels)."""
    for name, settings in steps.items():
        image = PREPROCESS[name].frame(image, **settings)
    return image


def apply_to_labels(labels: np.ndarray, steps: Plan) -> np.ndarray:
    """Move the labels of a raw frame along with its pixels."""
    for name, settings in steps.items():
        labels = PREPROCESS[name].labels(labels, **settings)
    return labels


def shrinkage(steps: Plan) -> int:
    """Return the factor by which the steps multiply the pixel size."""
    return int(np.prod([PREPROCESS[name].shrinks for name in steps], dtype=int))


def with_limits(steps: Plan, frames: Iterable[np.ndarray]) -> Plan:
    """Set the limits of the step bit_depth to the percentiles of several frames together."""
    before = {name: steps[name] for name in list(steps)[: list(steps).index("bit_depth")]}
    pixels = []
    for frame in frames:
        image = apply(frame, before)
        thin = max(1, int(np.sqrt(image.size / THINNED)))
        pixels.append(image[::thin, ::thin].ravel())
    if not pixels:
        return steps
    percentiles = steps["bit_depth"]["percentiles"]
    low, high = np.percentile(np.concatenate(pixels), percentiles)
    return steps | {"bit_depth": {"percentiles": percentiles, "limits": (float(low), float(high))}}
