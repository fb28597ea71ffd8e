"""Discs whose cells are known."""

import numpy as np


def draw(size: tuple[int, int], *discs: tuple[int, int, int]) -> np.ndarray:
    """Draw discs (row, column, radius), numbered from 1; int32."""
    y, x = np.mgrid[: size[0], : size[1]]
    labels = np.zeros(size, np.int32)
    for number, (row, column, radius) in enumerate(discs, start=1):
        labels[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = number
    return labels
