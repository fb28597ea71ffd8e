"""Frames of cells and predictions of them with known errors, for studies that nobody trained."""

import numpy as np
import pandas as pd
from scipy import ndimage

from brightcell.io import stacks
from brightcell.metrics import scoring
from brightcell.simulation import timelapse

# Errors of a frame, the best network last: cells missed, invented, merged in pairs, split; pixels shaved off.
ERRORS = {"simple": (2, 2, 1, 1, 1), "attention": (1, 1, 1, 0, 1), "residual_attention": (1, 0, 0, 0, 0)}


def simulate_scenes(number: int, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Simulate frames (size, size, 3) with their labels, each of a sequence of its own."""
    made = [timelapse.simulate_sequence(1, sequence, 1, size) for sequence in range(1, number + 1)]
    return [(each.images[0], each.labels[0].astype(np.int32)) for each in made]


def turned(picture: np.ndarray, number: int, scenes: int) -> np.ndarray:
    """Turn and mirror a scene's picture for the sample of a number: eight ways, the same for all pictures."""
    way = number // scenes % 8
    picture = np.rot90(picture, way % 4)
    return np.ascontiguousarray(picture[:, ::-1] if way >= 4 else picture)


def errors_of(network: str, scheme: str) -> tuple[int, ...]:
    """Errors of a network; where frames of a group stand in training and test it invents no cell."""
    missed, invented, *others = ERRORS[network]
    return (missed, 0 if scheme == "random" else invented, *others)


def predict(truth: np.ndarray, errors: tuple[int, ...], seed) -> np.ndarray:
    """Labels with the errors of `ERRORS` made to the truth (height, width); as many as the truth has cells for."""
    rng = np.random.default_rng(seed)
    missed, invented, merged, split, shaved = errors
    labels = truth.copy()
    pairs = {
        tuple(sorted(pair))
        for axis in (0, 1)
        for pair in zip(labels.ravel(), np.roll(labels, 2, axis).ravel(), strict=True)
        if 0 not in pair and pair[0] != pair[1]
    }
    touched: set[int] = set()
    for kept, gone in sorted(pairs)[:merged]:
        labels[labels == gone] = kept
        touched |= {int(kept), int(gone)}
    others = rng.permutation([cell for cell in np.unique(truth) if cell and cell not in touched])
    for cell in others[:missed]:
        labels[labels == cell] = 0
    for cell in others[missed : missed + split]:
        rows = np.nonzero(labels == cell)[0]
        half = (labels == cell) & (np.arange(len(labels))[:, None] > np.median(rows))
        labels[half] = labels.max() + 1
    inside = ndimage.grey_erosion(labels, size=2 * shaved + 1)
    labels = np.where(inside == labels, labels, 0)
    y, x = np.indices(labels.shape)
    for _ in range(invented):
        far = ndimage.distance_transform_edt((labels == 0) & (truth == 0))
        row, column = np.unravel_index(far.argmax(), far.shape)
        labels[np.hypot(y - row, x - column) < min(6, far.max() - 1)] = labels.max() + 1
    return labels.astype(np.int32)


def score_scene(truth: np.ndarray, labels: np.ndarray, samples: pd.DataFrame) -> scoring.Scores:
    """Tables of one predicted frame, as the workflow scores it; the names of the sample are filled in later."""
    row = samples.iloc[:1].assign(sample="one", group="one")
    away = ndimage.distance_transform_edt(labels > 0) - ndimage.distance_transform_edt(labels == 0)
    maps = stacks.Maps(1 / (1 + np.exp(-np.clip(away, -30, 30))))
    return scoring.score_frames({"one": truth}, {"one": labels}, row, {"one": maps})
