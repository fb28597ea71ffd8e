"""Measurements of discs whose sizes are known."""

import numpy as np
import pytest

from brightcell.instances.regionprops import cell_table


def test_a_disc_and_a_cut_rectangle():
    y, x = np.mgrid[:60, :80]
    labels = np.zeros((60, 80), np.int32)
    labels[(y - 30) ** 2 + (x - 25) ** 2 <= 100] = 1
    labels[20:40, 70:] = 2
    image = np.stack([labels * 10, np.full_like(labels, 7)], -1)
    table = cell_table(labels, image, 0.5).set_index("cell")
    assert table.loc[1, "area_um2"] == pytest.approx(np.pi * 10**2 * 0.25, rel=0.02)
    assert table.loc[1, "major_axis_um"] == pytest.approx(10, rel=0.02)
    assert (table.loc[1, "row_px"], table.loc[1, "column_px"]) == pytest.approx((30, 25))
    assert table.loc[1, "eccentricity"] < 0.1
    assert list(table["touches_border"]) == [False, True]
    assert list(table["intensity_1"]) == [10, 20]
    assert list(table["intensity_2"]) == [7, 7]
    assert table.loc[2, "area_px"] == 200


def test_without_a_pixel_size_there_are_no_micrometres():
    table = cell_table(np.ones((4, 4), np.int32), np.ones((4, 4)))
    assert table["area_px"].tolist() == [16]
    assert table["area_um2"].isna().all()


def test_no_cells_no_rows():
    assert len(cell_table(np.zeros((4, 4), np.int32), np.ones((4, 4, 3)), 1.0)) == 0
