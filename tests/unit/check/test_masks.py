import numpy as np
import pytest

from brightcell.check import masks


def cells(shape=(60, 80), numbers=(1, 2, 3)):
    labels = np.zeros(shape, np.int32)
    for position, number in enumerate(numbers):
        labels[10:25, 5 + 20 * position : 20 + 20 * position] = number
    return labels


def disc(row, column, radius, shape=(60, 80)):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def findings(labels, mask_type="instances"):
    return masks.mask_findings(labels, mask_type, masks.find_objects(labels))


def test_a_good_mask_has_no_findings():
    assert findings(cells()) == {}


def test_cells_are_measured():
    labels = cells(numbers=(4, 70_000, 2_147_483_647))
    measured = masks.find_objects(labels)
    assert [(cell.number, cell.area, cell.row, cell.column) for cell in measured] == [
        (4, 225, 17, 12),
        (70_000, 225, 17, 32),
        (2_147_483_647, 225, 17, 52),
    ]


def test_empty_and_full_masks():
    assert set(findings(np.zeros((60, 80), np.int32))) == {"empty_mask"}
    assert set(findings(np.ones((60, 80), np.int32), "binary")) == {"full_mask"}


def test_background_drawn_as_a_cell():
    assert set(findings((cells() == 0).astype(np.int32), "binary")) == {"mostly_cell", "holes"}
    assert set(findings(cells() + 1)) == {"full_mask", "mostly_cell", "holes"}


def test_a_dense_layer_of_cells_is_not_background():
    rows, columns = np.mgrid[:60, :80]
    layer = (1 + rows // 10 * 8 + columns // 10).astype(np.int32)
    assert set(findings(layer)) == {"full_mask"}
    assert findings(layer * (rows % 10 > 0)) == {}


def test_cells_in_pieces_are_counted():
    labels = cells(numbers=(4, 9, 4))
    assert findings(labels) == {"pieces": "1 of 2 cells is in several pieces: number 4"}


@pytest.mark.parametrize(("gap", "expected"), [(1, set()), (2, set()), (3, {"pieces"})])
def test_a_thin_part_that_lost_touch_is_no_piece(gap, expected):
    labels = cells()
    labels[40:43, 10:40] = 9
    labels[40:43, 20 : 20 + gap] = 0
    assert set(findings(labels)) == expected


def test_specks_are_counted():
    labels = cells()
    labels[50, 3:12] = 70000
    labels[40, 3:13] = 5
    assert findings(labels) == {"specks": "1 of 5 cells has fewer than 10 pixels: number 70000"}


def test_holes_are_counted_and_bays_are_not():
    labels = cells()
    labels[15, 10] = 0
    labels[10:20, 30] = 0
    assert findings(labels) == {"holes": "1 of 3 cells has holes: number 1"}


def test_a_cell_in_the_hole_of_another_is_told_as_a_hole():
    labels = cells()
    labels[15:20, 10:15] = 9
    assert findings(labels) == {"holes": "1 of 4 cells has holes: number 1"}


@pytest.mark.parametrize(("distance", "expected"), [(14, {"merged"}), (6, set()), (0, set())])
def test_two_discs_with_one_number(distance, expected):
    labels = np.zeros((60, 80), np.int32)
    labels[disc(12, 12, 8) | disc(12, 12 + distance, 8)] = 1
    for number, column in enumerate((12, 32, 52), start=2):
        labels[disc(42, column, 8)] = number
    assert set(findings(labels)) == expected


def test_the_share_of_touching_cells():
    labels = cells()
    labels[10:25, 20:25] = 1  # up to the second cell
    assert masks.touching_share(labels, 3) == pytest.approx(2 / 3)
    assert masks.touching_share(cells(), 3) == 0
    assert np.isnan(masks.touching_share(0 * labels, 0))


def test_of_numbers_scattered_over_the_frame_some_are_looked_at():
    labels = np.random.default_rng(1).integers(0, 5000, (300, 300)).astype(np.int32)
    assert "scattered" in findings(labels)
    assert 3 <= len(masks.find_objects(labels)) <= 2 * masks.EFFORT


def test_a_class_of_insides_and_one_of_borders_are_no_cells():
    y, x = np.indices((120, 120))
    classes = np.zeros((120, 120), np.int32)
    for row, column in ((20, 20), (20, 60), (20, 100), (70, 30), (70, 80)):
        distance = np.hypot(y - row, x - column)
        classes[distance < 14], classes[distance < 11] = 2, 1
    assert "scattered" in findings(classes)
    assert "pieces" not in findings(classes)
    two_cells = np.where(x < 40, 1, np.where(x > 80, 2, 0))
    two_cells[50:60, :40] = 0  # a cell in two pieces is a fault of the drawing
    assert set(findings(two_cells)) == {"pieces"}


def test_classes_are_no_cells():
    classes = cells(numbers=(1, 2, 3)) + cells(numbers=(3, 1, 2))[::-1]
    assert set(findings(classes)) == {"scattered"}
    assert findings(classes, "binary") == {"pieces": "3 of 3 cells are in several pieces: numbers 1, 2, 3"}


def test_numbers_that_are_used_again_are_told_from_scattered_ones():
    chambers = np.zeros((120, 200), np.int32)
    for left in range(10, 200, 40):
        for number, top in enumerate((10, 40, 70), start=1):
            chambers[top : top + 20, left : left + 10] = number
    found = findings(chambers)
    assert found["repeated"] == "3 of 3 numbers stand for several cells far apart"
    assert not found.keys() & {"scattered", "pieces"}
    rims = np.zeros((120, 200), np.int32)
    for left in range(10, 200, 40):
        for number, top in enumerate((10, 40, 70), start=1):
            rims[top : top + 20, left : left + 20] = 4 + number
            rims[top + 1 : top + 19, left + 1 : left + 19] = 1
    assert "scattered" in findings(rims)
