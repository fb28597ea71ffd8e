"""Borders between cells, on height maps whose passes and tops are known."""

import numpy as np
import pytest

from brightcell.instances.ridges import ridges


def hills(pass_height):
    """Two cells side by side: tops of 1.0 and 0.8, and a border of which one place is `pass_height` high."""
    labels = np.repeat([[1, 1, 1, 2, 2, 2]], 5, axis=0)
    height = np.full((5, 6), 0.05)
    height[2] = [0.5, 1.0, pass_height, pass_height, 0.8, 0.4]
    return labels, height


@pytest.mark.parametrize("pass_height", [0.2, 0.8])
def test_the_pass_is_told_beside_the_lower_top(pass_height):
    assert ridges(*hills(pass_height)) == pytest.approx([pass_height / 0.8] * 2)


def test_the_least_sure_neighbour_counts_whichever_way_it_lies():
    labels, height = hills(0.4)
    labels = np.vstack([labels, np.full((2, 6), 3)])
    height = np.vstack([height, np.full((1, 6), 0.05), np.full((1, 6), 0.9)])
    assert ridges(labels, height) == pytest.approx([0.5, 0.5, 0.05 / 0.8])  # from the third to the second
    height[-2] = 0.9
    height[-3, 0] = 0.6  # the first, up to the third
    assert ridges(labels.T, height.T) == pytest.approx([0.6 / 0.9, 0.5, 0.6 / 0.9])


def test_cells_apart_have_no_border():
    assert ridges(np.array([[1, 0, 2]]), np.ones((1, 3))).tolist() == [0, 0]
    assert ridges(np.zeros((3, 3), int), np.ones((3, 3))).tolist() == []
