"""Map the grey values of an image to the range that networks see."""

import logging
import math

import numpy as np

logger = logging.getLogger("brightcell")

MEASURED = 2**25  # frames with more pixels, unless of 8 or 16 bits, have their percentiles measured on a part


def normalise(image: np.ndarray, percentiles: tuple[float, float] = (0.5, 99.5)) -> np.ndarray:
    """Map two percentiles of each channel of a frame (height, width, channels) to 0 and 1; float32.

    A constant channel becomes zero. The whole frame is measured, so that crops of it use the same numbers.
    """
    low, span = grey_range(image, percentiles)
    return (image.astype(np.float32) - low) / span


def grey_range(image: np.ndarray, percentiles: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the grey value that becomes 0 and the range that becomes 1 in `normalise`, each float32 (channels,).

    Exact for 8 and 16 bits, by histograms. In other frames of more than `MEASURED` pixels only every n-th row and
    column is measured, to limit memory.
    """
    image = np.atleast_3d(image)
    if image.dtype in (np.uint8, np.uint16) and image.size:
        low, high = _integer_percentiles(image, percentiles)
    else:
        step = math.ceil(math.sqrt(image.shape[0] * image.shape[1] / MEASURED))
        if step > 1:
            logger.info("percentiles of the grey values: measured in every %dth row and column", step)
        low, high = np.percentile(image[::step, ::step].astype(np.float32), percentiles, axis=(0, 1))
    return low.astype(np.float32), np.maximum(high - low, 1e-6).astype(np.float32)


def _integer_percentiles(image: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    """Return np.percentile(image, percentiles, axis=(0, 1)) for unsigned integers, without sorting copies."""
    height, width, channels = image.shape
    bins = int(np.iinfo(image.dtype).max) + 1
    result = np.empty((len(percentiles), channels))
    rows = max(1, 2**22 // width)
    for channel in range(channels):
        counts = np.zeros(bins, np.int64)
        for top in range(0, height, rows):
            counts += np.bincount(image[top : top + rows, :, channel].ravel(), minlength=bins)
        upto = np.cumsum(counts)
        place = np.asarray(percentiles) / 100 * (height * width - 1)
        below, above = (
            np.searchsorted(upto, side, side="right") for side in (np.floor(place), np.ceil(place))
        )
        result[:, channel] = below + (above - below) * (place - np.floor(place))
    return result
