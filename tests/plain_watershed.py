"""The watershed of `labelling.label_cells`, written down plainly with scikit-image and scipy; slow, to compare with."""

import numpy as np
from scipy import ndimage
from skimage import measure, morphology, segmentation
from spoilt import doubt

from brightcell.training import patches

EIGHT = np.ones((3, 3))


def draw_maps(truth: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the foreground and the distance to the cell's edge as a network might predict them; float32, 0..1."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(scale=0.3, size=truth.shape), 2)
    foreground = doubt(truth, seed).astype(np.float32) / np.float32(65535)
    return foreground, np.clip(patches.normalised_distance(truth) + noise, 0, 1).astype(np.float32)


def label_plainly(
    foreground: np.ndarray,
    distance: np.ndarray | None,
    threshold: float = 0.5,
    smoothing_px: float = 1.0,
    depth: float = 0.1,
    minimum_area_px: int = 20,
    radius_px: float = 10.0,
) -> np.ndarray:
    """Label cells; the arguments of `labelling.label_cells`."""
    mask = foreground >= threshold
    holes = measure.label(~mask, connectivity=1)
    mask |= (np.bincount(holes.ravel()) <= minimum_area_px)[holes] & ~mask
    height = ndimage.distance_transform_edt(mask) / radius_px if distance is None else distance
    height = np.where(mask, ndimage.gaussian_filter(height, smoothing_px, truncate=3), -1 - depth)
    lowered = morphology.reconstruction(height - depth, height, method="dilation", footprint=EIGHT)
    tops = morphology.local_maxima(np.pad(lowered, 1, constant_values=-2 - 2 * depth), connectivity=2)
    markers = measure.label(tops[1:-1, 1:-1] & mask, connectivity=2)
    labels = segmentation.watershed(-height, markers, mask=mask, connectivity=2)
    labels[(np.bincount(labels.ravel()) < minimum_area_px)[labels]] = 0
    for cell in measure.regionprops(labels):
        window = labels[cell.slice]
        window[cell.image_filled & (window == 0)] = cell.label
    return segmentation.relabel_sequential(labels)[0].astype(np.int32)
