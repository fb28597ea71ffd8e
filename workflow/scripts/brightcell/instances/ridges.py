"""Say how sure the border between two touching cells is: how high the pass over it is, beside the cells' tops."""

import numpy as np
from scipy import ndimage


def ridges(labels: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Return how doubtful the least sure border of each cell is, float (cells,), from 0 to 1.

    Of every two cells that touch along a side of a pixel, the highest point of their common border is divided by the lower
    of their two tops. Near 1 there is no dip between them, so that they may be one cell; cells that touch no other have 0.

    labels : int (height, width), cells from 1 without gaps; height : float (height, width), high inside of cells: the
    learned distance to the edge, or the foreground probability

    >>> labels = np.array([[1, 1, 1, 2, 2, 2, 0, 3]])
    >>> ridges(labels, np.array([[0.5, 1.0, 0.5, 0.2, 0.8, 0.2, 0.0, 1.0]])).tolist()
    [0.25, 0.25, 0.0]
    """
    number = int(labels.max(initial=0))
    found = np.zeros(number)
    if not number:
        return found
    tops = np.concatenate([[np.inf], ndimage.maximum(height, labels, np.arange(1, number + 1))])
    for one, other in (
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ):
        border = (labels[one] != labels[other]) & (labels[one] > 0) & (labels[other] > 0)
        pair = labels[one][border], labels[other][border]
        passes = np.minimum(height[one][border], height[other][border])
        doubt = passes / np.maximum(np.minimum(tops[pair[0]], tops[pair[1]]), 1e-6)
        for cell in pair:
            np.maximum.at(found, cell - 1, doubt)
    return np.minimum(found, 1.0)
