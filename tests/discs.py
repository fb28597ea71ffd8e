"""Frames of bright discs, which a small network learns within seconds, and settings to train it with."""

import numpy as np

from brightcell.training import patches

SETTINGS = {
    "epochs": 6, "minutes": None, "steps_per_epoch": 8, "batch_size": 4, "patch": 32, "learning_rate": 0.01, "schedule": "constant",
    "gamma": 2, "patience": 10, "statistics_momentum": 0.9,
    "augmentation": dict.fromkeys(
        ("rotation", "shift", "shear", "zoom", "scale", "elastic_px", "gamma", "contrast", "noise", "blur"), 0
    ) | {"flip": True},
}  # fmt: skip


def discs(seed):
    """A frame of bright discs on noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    labels = np.zeros((64, 64), np.int32)
    for cell in range(1, 6):
        row, column = rng.uniform(8, 56, 2)
        labels[(y - row) ** 2 + (x - column) ** 2 < 49] = cell
    image = (labels > 0) + rng.normal(0, 0.2, labels.shape)
    return patches.TrainingFrame.from_labels(image.astype(np.float32)[..., None], labels)
