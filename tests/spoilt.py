"""Label images made by code, and predictions of them with errors of every kind."""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree


def boxes(*corners: tuple[int, int, int, int], shape: tuple[int, int] = (40, 40)) -> np.ndarray:
    """Draw boxes (top, bottom, left, right), numbered from 1; int32."""
    labels = np.zeros(shape, np.int32)
    for number, (top, bottom, left, right) in enumerate(corners, start=1):
        labels[top:bottom, left:right] = number
    return labels


def draw_cells(seed: int, size: int = 256, number: int = 24) -> np.ndarray:
    """Draw irregular cells, some touching, some cut by the edge; int32 (size, size), numbered from 1."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(number)))
    step = size / side
    grid = np.stack(np.divmod(rng.permutation(side**2)[:number], side), axis=1)
    centres = (grid + 0.5) * step + rng.normal(0, 0.15 * step, (number, 2))
    radii = rng.uniform(0.3, 0.55, number) * step
    distance, nearest = cKDTree(centres).query(np.argwhere(np.ones((size, size), bool)))
    ripple = ndimage.gaussian_filter(rng.normal(size=size**2).reshape(size, size), 4).ravel() * step / 2
    labels = np.where(distance + ripple < radii[nearest], nearest + 1, 0).reshape(size, size)
    return labels.astype(np.int32)


def spoil(truth: np.ndarray, seed: int) -> np.ndarray:
    """Predict as a network might: outlines off by pixels, cells lost, joined, cut and invented; int32."""
    rng = np.random.default_rng(seed)
    ids = np.arange(truth.max() + 1)
    lost, joined, cut = (rng.random(len(ids)) < share for share in (0.06, 0.08, 0.08))
    ids[joined] = np.roll(ids, 1)[joined]  # neighbours in the order of numbers, touching or not
    ids[lost] = 0
    ids[0] = 0
    shift = ndimage.gaussian_filter(rng.normal(size=(2, *truth.shape)), (0, 9, 9)) * 40
    moved = np.indices(truth.shape) + shift
    labels = ndimage.map_coordinates(truth, moved, order=0, mode="nearest")
    rows, _ = np.indices(truth.shape)
    middle = ndimage.mean(rows, labels, np.arange(len(ids)))
    predicted = ids[labels] + np.where(cut[labels] & (rows > middle[labels]), len(ids), 0) * (ids[labels] > 0)
    centres = rng.uniform(0, truth.shape, (max(1, len(ids) // 20), 2))
    for number, centre in enumerate(centres, start=2 * len(ids)):
        invented = ((np.indices(truth.shape) - centre[:, None, None]) ** 2).sum(axis=0) < 36
        predicted[invented] = number
    return predicted.astype(np.int32)


def doubt(truth: np.ndarray, seed: int) -> np.ndarray:
    """Give foreground probabilities, better on cells than off them; uint16 (0..65,535) as stored."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=truth.shape), 2) * 1.5
    blurred = ndimage.gaussian_filter((truth > 0).astype(float), 2)
    return np.round(np.clip(blurred * 0.9 + 0.05 + noise * 0.5, 0, 1) * 65535).astype(np.uint16)
