"""The watershed of the study (Ghaznavi et al. 2022), step by step and with its faults; for comparison only.

1. `published_mask`: a pixel is cell above a threshold of 0.55 to 0.60, chosen by eye.
2. `published_seeds`: seeds are the pixels above 0.48 × the *global* maximum of the distance transform. One big cell
   so erases the seeds of small ones: a cell of radius 30 erases those of all cells of radius 14 and less.
3. `label_cells_published`: the watershed on the distance transform. A piece of foreground without a seed is lost.

The study then measures the objects and filters them, which empties its tables: docs/study.md.
"""

import numpy as np
from scipy import ndimage
from skimage import segmentation

from .distance import distance_to_background
from .labelling import EIGHT, blocks_of_pieces

THRESHOLD = 0.55
SEED_SHARE = 0.48


def published_mask(foreground: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """Threshold the foreground probability (height, width; 0..1); bool."""
    return np.asarray(foreground) > threshold


def published_seeds(mask: np.ndarray) -> np.ndarray:
    """Number the seeds of a mask (height, width); int32, 0 elsewhere."""
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    distance = distance_to_background(mask)
    return ndimage.label(distance > SEED_SHARE * distance.max(), structure=EIGHT)[0]


def label_cells_published(foreground: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """Label cells as the study does, steps 1 to 3.

    Takes float (height, width) in 0..1, returns int32 (height, width): 0 for background, cells from 1.
    """
    mask = published_mask(foreground, threshold)
    distance, seeds = distance_to_background(mask), published_seeds(mask)
    labels = np.zeros(mask.shape, np.int32)
    for window, inside in blocks_of_pieces(mask):
        found = segmentation.watershed(-distance[window], np.where(inside, seeds[window], 0), mask=inside)
        labels[window][inside] = found[inside]
    return labels
