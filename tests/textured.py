"""Frames of cells for tests: discs with texture on an even, noisy background, and their masks."""

import numpy as np
from scipy import ndimage


def scene(seed: int = 1, side: int = 160, radius: int = 7, cells: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Draw textured discs, none touching another, at random; uint16 frame and int32 labels (side, side)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.int32)
    for _ in range(2000):
        row, column = rng.uniform(radius + 1, side - radius - 1, 2)
        disc = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        if not labels[ndimage.binary_dilation(disc, iterations=3)].any():
            labels[disc] = labels.max() + 1
        if labels.max() == cells:
            break
    texture = ndimage.gaussian_filter(rng.normal(0, 1, labels.shape), 1.2)
    noise = ndimage.gaussian_filter(rng.normal(0, 40, labels.shape), 1)
    image = 1000 + 300 * texture / texture.std() * (labels > 0) + noise
    return np.clip(image, 1, 65535).astype(np.uint16), labels
