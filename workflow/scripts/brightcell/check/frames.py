"""Look for faults in one frame: no contents, nothing but noise, or grey values cut off.

Large frames are measured on a part of their pixels, so that a check needs little more memory than the frame itself.
"""

import numpy as np

from brightcell.preprocessing.statistics import sharpness

SATURATED_SHARE = 0.05
NOISE_CORRELATION = 0.2
MEASURED_PX = 1024  # side of the part in which sharpness is measured
PERCENTILES = (0.5, 50, 99.5)
# The eight orientations of a picture (height, width).
TURNS = {
    "": lambda picture: picture,
    "turned by 180°": lambda picture: picture[::-1, ::-1],
    "mirrored left to right": lambda picture: picture[:, ::-1],
    "mirrored top to bottom": lambda picture: picture[::-1],
    "turned by 90° to the left": lambda picture: np.rot90(picture),
    "turned by 90° to the right": lambda picture: np.rot90(picture, -1),
    "with rows and columns exchanged": lambda picture: picture.T,
    "with rows and columns exchanged and turned by 180°": lambda picture: np.rot90(picture.T, 2),
}


def image_findings(image: np.ndarray) -> dict[str, str]:
    """Return the findings in a frame (height, width[, channels]), in words by name."""
    pixels = np.atleast_3d(image).reshape(-1, np.atleast_3d(image).shape[-1])
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    if (low == high).all():
        return {"constant": f"all pixels are {', '.join(f'{value:g}' for value in low)}"}
    findings: dict[str, str] = {}
    bright = np.where(
        low < high, [np.mean(channel == top) for channel, top in zip(pixels.T, high, strict=True)], 0
    )
    black = np.where((low < high) & (low == 0), [np.mean(channel == 0) for channel in pixels.T], 0)
    for share, values, word in ((bright, high, "the brightest value"), (black, low, "black")):
        if share.max() > SATURATED_SHARE:
            worst = int(share.argmax())
            text = f"{share[worst]:.0%} of the pixels have {word}, {values[worst]:g}"
            findings["saturated"] = "; ".join(filter(None, [findings.get("saturated"), text]))
    correlation = neighbour_correlation(image)
    if correlation < NOISE_CORRELATION:
        findings["blank"] = (
            f"neighbouring pixels are as unlike as in pure noise (correlation {correlation:.2f})"
        )
    return findings


def measure_frame(image: np.ndarray) -> dict[str, float]:
    """Return contrast and sharpness of a frame (height, width[, channels]), both without unit.

    contrast: range between the percentiles 0.5 and 99.5, as a share of the median.
    sharpness: see `statistics.sharpness`.
    """
    low, median, high = np.percentile(np.asarray(thinned(image), np.float32), PERCENTILES)
    part = grey(centre(image, MEASURED_PX))
    return {
        "contrast": float((high - low) / max(abs(median), 1e-3 * (high - low), 1e-12)),
        "sharpness": sharpness(part),
    }


def neighbour_correlation(image: np.ndarray) -> float:
    """Return the larger correlation, of pixels two apart or of neighbouring 4 × 4 blocks: 0 for noise, near 1 for cells."""
    part = grey(centre(image, MEASURED_PX))
    return max(_correlation(part, 2), _correlation(block_mean(part, 4), 1))


def _correlation(values: np.ndarray, distance: int) -> float:
    pairs = (values[distance:], values[:-distance]), (values[:, distance:], values[:, :-distance])
    if min(values.shape) < 8 or any(side.std() == 0 for pair in pairs for side in pair):
        return 1.0  # too few pixels, or constant ones
    return float(np.mean([np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs]))


def grey(image: np.ndarray) -> np.ndarray:
    """Average the channels of a frame (height, width[, channels]) to float32 (height, width)."""
    return np.atleast_3d(image).mean(axis=-1, dtype=np.float32)


def thinned(image: np.ndarray, pixels: int = 1_000_000) -> np.ndarray:
    """Return every n-th row and column, so that about `pixels` remain."""
    step = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / pixels)))
    return image[::step, ::step]


def centre(image: np.ndarray, side: int) -> np.ndarray:
    """Return the middle of a frame, at most `side` × `side` pixels."""
    top, left = (max(0, (length - side) // 2) for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def block_mean(image: np.ndarray, size: int) -> np.ndarray:
    """Average blocks of `size` × `size` pixels of (height, width[, channels]) to float32; incomplete blocks are cut off."""
    if size == 1:
        return image.astype(np.float32)
    height, width = (max(1, length // size) for length in image.shape[:2])
    tall, wide = (min(size, length) for length in image.shape[:2])
    blocks = image[: height * tall, : width * wide].reshape(height, tall, width, wide, *image.shape[2:])
    return blocks.mean(axis=(1, 3), dtype=np.float32)
