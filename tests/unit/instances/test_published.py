"""The study's watershed with the faults that make it lose cells."""

import numpy as np
import pytest
from shapes import draw
from spoilt import doubt, draw_cells

from brightcell.instances import labelling, published


@pytest.mark.parametrize(("radius", "found"), [(12, False), (14, False), (16, True)])
def test_a_big_disc_erases_the_seeds_of_small_ones(radius, found):
    truth = draw((120, 160), (60, 50, 30), (60, 130, radius))
    labels = published.label_cells_published((truth > 0).astype(float))
    assert labels.dtype == np.int32
    assert labels[60, 50] > 0
    assert bool(labels[60, 130] > 0) is found


def test_nothing_and_everything():
    assert not published.label_cells_published(np.zeros((9, 9))).any()
    assert not published.label_cells_published(np.full((9, 9), 0.55)).any()
    assert published.label_cells_published(np.full((9, 9), 0.56)).max() == 1


def test_a_large_frame_is_parted_without_a_trace(monkeypatch):
    foreground = doubt(draw_cells(1, 200, 30), 1) / 65535
    whole = published.label_cells_published(foreground)
    blocks = labelling.blocks_of_pieces
    monkeypatch.setattr(published, "blocks_of_pieces", lambda mask: blocks(mask, side=64))
    np.testing.assert_array_equal(published.label_cells_published(foreground), whole)
    assert whole.max() > 15
