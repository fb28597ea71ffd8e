"""Correct uneven light in frames, with a flat field or with the frame's own background."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from skimage import transform

from brightcell.errors import InputError

WINDOW_PX = 15  # side to which a median's window is reduced before the median is computed


def flat_field(image: np.ndarray, flat: np.ndarray, dark: np.ndarray | None) -> np.ndarray:
    """Correct uneven light and sensitivity: (I - D) / (F - D) · mean(F - D), for each channel; float32.

    flat : picture of an empty field; dark : picture without light, 0 if None; InputError unless both have the frame's size
    Source: J. C. Russ, The Image Processing Handbook, "Correcting image defects".
    """
    for name, reference in (("flat", flat), ("dark", dark)):
        if reference is not None and reference.shape != image.shape:
            raise InputError(
                f"preprocess.{name}: a picture of {_size(reference)}; the frame is {_size(image)} (height × width × "
                "channels). Expected the same size: record it with the settings of the frames."
            )
    offset: np.ndarray | np.float32 = np.float32(0) if dark is None else dark.astype(np.float32)
    gain = flat.astype(np.float32) - offset
    average = gain.mean(axis=(0, 1), keepdims=True)
    gain = np.maximum(gain, 0.01 * average)  # a dead pixel of the flat field must not become bright
    return (image.astype(np.float32) - offset) / gain * average


def background(image: np.ndarray, method: str, size_px: float) -> np.ndarray:
    """Divide by a background estimated from the frame itself: I / B · mean(B), for each channel; float32.

    B is a Gaussian of standard deviation `size_px`, or a median in a window of that side, computed on a coarser grid.
    The size must be much larger than a cell, or cells are taken for background. For frames without a flat field.
    Source: linear and median filtering in D. Tomaževič, B. Likar, F. Pernuš, "Comparative evaluation of retrospective
    shading correction methods", J. Microsc. 208:212 (2002).
    """
    image = image.astype(np.float32)
    estimate = np.empty_like(image)
    for channel in range(image.shape[-1]):
        estimate[..., channel] = BACKGROUNDS[method](image[..., channel], size_px)
    floor = 0.01 * np.abs(estimate).mean(axis=(0, 1), keepdims=True) + np.float32(1e-6)
    return image / np.maximum(estimate, floor) * estimate.mean(axis=(0, 1), keepdims=True)


def _gaussian(image: np.ndarray, size_px: float) -> np.ndarray:
    return _coarsely(image, size_px / 4, lambda small, step: ndimage.gaussian_filter(small, size_px / step))


def _median(image: np.ndarray, size_px: float) -> np.ndarray:
    return _coarsely(
        image,
        size_px / WINDOW_PX,
        lambda small, step: ndimage.median_filter(small, max(3, round(size_px / step))),
    )


def _coarsely(
    image: np.ndarray, reduction: float, estimate: Callable[[np.ndarray, int], np.ndarray]
) -> np.ndarray:
    """Estimate something smooth on means of blocks of pixels: a wide window then costs no more than a narrow one."""
    step = max(1, min(int(reduction), *image.shape))
    small = transform.downscale_local_mean(_whole_blocks(image, step), (step, step)).astype(np.float32)
    smooth = estimate(small, step)
    rows, columns = (
        np.clip((np.arange(side) + 0.5) / step - 0.5, 0, length - 1)
        for side, length in zip(image.shape, smooth.shape, strict=True)
    )
    return _bilinear(smooth, rows, columns)


def _whole_blocks(image: np.ndarray, step: int) -> np.ndarray:
    return np.pad(image, [(0, -side % step) for side in image.shape], mode="edge")


def _bilinear(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Interpolate at the crossings of rows and columns, along one axis after the other."""
    for axis, places in ((0, rows), (1, columns)):
        low = places.astype(int)
        high = np.minimum(low + 1, image.shape[axis] - 1)
        share = (places - low).astype(np.float32)
        share = share[:, None] if axis == 0 else share[None]
        image = np.take(image, low, axis) * (1 - share) + np.take(image, high, axis) * share
    return image


BACKGROUNDS = {"gaussian": _gaussian, "median": _median}


def _size(image: np.ndarray) -> str:
    return " × ".join(map(str, image.shape))
