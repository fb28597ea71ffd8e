"""Calibration finds the setting under which known cells come out."""

import numpy as np
import pandas as pd
import pytest
from plain_watershed import draw_maps
from shapes import draw
from spoilt import draw_cells

import calibrate
from brightcell import files
from brightcell.errors import InputError
from brightcell.instances import calibration, labelling
from brightcell.io import stacks
from brightcell.training import patches

OPTIONS = {
    "score": "mean_ap",
    "thresholds": [0.2, 0.5, 0.9],
    "smoothing": [0.1],
    "depth": [0.1],
    "minimum_area": [0.02],
    "refinements": 0,
}
SIZE = calibration.Size(radius_px=9.0, area_px=324.0, cells=4)


def squares():
    truth = np.zeros((60, 60), np.int32)
    for number, (row, column) in enumerate([(5, 5), (5, 30), (35, 5), (35, 30)], start=1):
        truth[row : row + 18, column : column + 18] = number
    return truth


def test_the_threshold_that_separates_cells_is_chosen():
    truth = squares()
    foreground = np.where(truth > 0, 0.7, 0.3)  # 0.2 takes everything, 0.9 nothing
    chosen = calibration.calibrate(lambda: [(truth, foreground, None)], OPTIONS, SIZE)
    assert chosen.parameters == {"threshold": 0.5, "smoothing_px": 0.9, "depth": 0.1, "minimum_area_px": 6}
    assert chosen.value > 0.9
    assert chosen.value == chosen.table["value"].iloc[0]
    assert list(chosen.table["value"]) == sorted(chosen.table["value"], reverse=True)
    assert len(chosen.table) == 3


def test_refinement_finds_what_lies_between_the_values():
    """Cells come out at thresholds between 0.58 and 0.61 alone."""
    truth = squares()
    foreground = np.select([truth > 0, np.roll(truth, 3, axis=0) > 0], [0.61, 0.58], 0.4)
    found = [
        calibration.calibrate(lambda: [(truth, foreground, None)], OPTIONS | {"refinements": number}, SIZE)
        for number in (0, 1, 2, 3)
    ]
    values = [each.value for each in found]
    assert values[0] < 0.9
    assert values == sorted(values)
    assert values[3] == 1
    assert 0.58 < found[3].parameters["threshold"] <= 0.61
    assert set(found[3].table["round"]) == {0, 1, 2, 3}


def test_every_combination_is_tried_and_then_the_steps_are_halved():
    options = OPTIONS | {"depth": [0.2, 0.1], "minimum_area": [0.02, 0.1]}
    tried = calibration.coarse(options)
    assert len(tried) == 12
    assert tried[0] == {"threshold": 0.2, "smoothing": 0.1, "depth": 0.1, "minimum_area": 0.02}
    finer = calibration.finer(tried[0], tried)
    for name, values in (("threshold", [0.2, 0.35]), ("depth", [0.1, 0.15]), ("smoothing", [0.1])):
        assert sorted({setting[name] for setting in finer}) == pytest.approx(values)
    assert not any(setting in tried for setting in finer)


@pytest.mark.parametrize("score", ["cell_iou", "cell_dice", "ap50", "seg", "pq"])
def test_any_score_may_choose(score):
    truth = squares()
    maps = truth, (truth > 0) * 0.6, patches.normalised_distance(truth)
    assert calibration.calibrate(lambda: [maps], OPTIONS | {"score": score}, SIZE).value == pytest.approx(1)


@pytest.mark.parametrize("learned", [True, False])
def test_shared_floods_change_no_score(learned):
    truth = draw_cells(3, 160, 16)
    foreground, distance = draw_maps(truth, 3)
    options = OPTIONS | {"thresholds": [0.3, 0.5], "smoothing": [0.05, 0.2], "depth": [0.02, 0.1, 0.3]}
    options["minimum_area"] = [0.001, 0.05, 0.5]
    size = calibration.typical_size([truth])
    parameters = [calibration.in_pixels(each, size, learned) for each in calibration.coarse(options)]
    distance = distance if learned else None
    scores = calibration.score_settings(truth, foreground, distance, parameters, "mean_ap")
    plainly = [
        calibration.frame_score(truth, labelling.label_cells(foreground, distance, **each), "mean_ap")
        for each in parameters
    ]
    assert scores == plainly
    assert len(set(scores)) > 10


def test_the_typical_cell_is_measured_without_those_cut_by_the_border():
    discs = draw((100, 200), (50, 40, 20), (50, 100, 20), (50, 160, 20), (0, 20, 25), (99, 70, 25))
    size = calibration.typical_size([discs, np.zeros((9, 9), np.int32)])
    assert size.cells == 3
    assert size.radius_px == pytest.approx(20, abs=1.5)
    assert size.area_px == (discs == 1).sum()
    touching = np.kron([[1, 2], [3, 4]], np.ones((20, 20), np.int32))
    assert calibration.typical_size([np.pad(touching, 5)]).radius_px == pytest.approx(10, abs=1)
    assert calibration.typical_size([touching]).cells == 4  # all are cut: better than none
    with pytest.raises(InputError, match="no cell on the 1 validation frames"):
        calibration.typical_size([np.zeros((9, 9), np.int32)])


def test_lengths_follow_the_cells():
    """The same scene at twice the size: the same choice, in pixels twice as long."""
    truth = draw((100, 100), (40, 30, 20), (40, 66, 20))
    chosen = []
    for factor in (1, 2):
        labels = np.kron(truth, np.ones((factor, factor), np.int32))
        maps = labels, (labels > 0) * 0.8, None
        size = calibration.typical_size([labels])
        chosen.append(calibration.calibrate(lambda maps=maps: [maps], OPTIONS, size, learned=False))
    assert chosen[0].value > 0.7
    assert chosen[1].value == pytest.approx(chosen[0].value, abs=0.1)
    for name, power in (("smoothing_px", 1), ("radius_px", 1), ("minimum_area_px", 2)):
        ratio = chosen[1].parameters[name] / chosen[0].parameters[name]
        assert ratio == pytest.approx(2**power, rel=0.1)
    assert chosen[0].parameters["depth"] == chosen[1].parameters["depth"]


@pytest.fixture
def prepared(tmp_path):
    """Stacks of a group to validate on and one to test on, their predictions, and the sheet."""
    maps = {}
    for group, seed in (("known", 1), ("unseen", 2)):
        truth = draw_cells(seed, 96, 9)
        foreground, distance = draw_maps(truth, seed)
        (tmp_path / group).mkdir()
        stacks.write_stack(tmp_path / group / "truth.tif", [(group, truth)])
        maps[group] = stacks.to_uint16(np.dstack([foreground, distance]))
    stacks.write_stack(tmp_path / "validate.tif", [("known", maps["known"])])
    stacks.write_stack(tmp_path / "test.tif", [("unseen", maps["unseen"])])
    rows = {"sample": ["known", "unseen"], "group": ["known", "unseen"], "mask_type": "instances"}
    files.write_table(pd.DataFrame(rows), tmp_path / "samples.tsv")
    return tmp_path


def run(folder):
    calibrate.main(
        folder / "validate.tif",
        [folder / "known" / "truth.tif", folder / "unseen" / "truth.tif"],
        folder / "samples.tsv",
        folder / "calibration.json",
        folder / "calibration.tsv",
        OPTIONS | {"refinements": 1},
        False,
    )
    return (folder / "calibration.json").read_bytes(), (folder / "calibration.tsv").read_bytes()


def test_test_frames_cannot_be_seen(prepared):
    """Whatever stands in the test frames' predictions and truth, be it nothing that can be read."""
    first = run(prepared)
    (prepared / "test.tif").write_bytes(b"poison")
    (prepared / "unseen" / "truth.tif").write_bytes(b"poison")
    assert run(prepared) == first
    stacks.write_stack(prepared / "known" / "truth.tif", [("known", draw((96, 96), (50, 50, 30)))])
    assert run(prepared) != first  # the truth that it may see does matter


def test_both_kinds_of_markers_are_calibrated(prepared):
    run(prepared)
    found = files.read_json(prepared / "calibration.json")
    assert found["markers"] == "learned"
    assert "radius_px" not in found["parameters"]
    assert found["foreground"]["parameters"]["radius_px"] == pytest.approx(
        found["typical_cell"]["radius_px"], abs=0.01
    )
    assert found["frames"] == 1
    labels = labelling.label_cells(np.zeros((20, 20)), **found["parameters"])
    assert not labels.any()


@pytest.mark.parametrize(
    ("wanted", "types", "taken"),
    [
        ("seg", ["instances", "instances"], "seg"),
        ("seg", ["instances", "binary"], "cell_iou"),
        ("cell_iou", ["binary", "binary"], "cell_iou"),
    ],
)
def test_cells_are_scored_where_masks_number_them(wanted, types, taken):
    assert calibration.score_for(wanted, pd.DataFrame({"mask_type": types})) == taken


def test_without_a_learned_distance_the_foreground_chooses(prepared):
    page = stacks.read_stack(prepared / "validate.tif")["known"]
    stacks.write_stack(prepared / "validate.tif", [("known", page[..., 0])])
    run(prepared)
    found = files.read_json(prepared / "calibration.json")
    assert found["markers"] == "foreground"
    assert found["parameters"] == found["foreground"]["parameters"]


def test_the_threshold_for_pixels_is_the_best_on_validation_frames():
    truth = np.repeat([[0, 1]], 4, axis=0)
    # background reaches 0.45, cells have 0.75: every threshold between is perfect, and the middle one is taken
    maps = [(truth, np.where(truth > 0, 0.75, 0.45).astype(np.float32), None)]
    assert calibration.pixel_threshold(maps) == {"threshold": 0.6, "score": "cell_iou", "value": 1.0}
    # on two frames the mean decides
    other = (truth, np.where(truth > 0, 0.95, 0.85).astype(np.float32), None)
    found = calibration.pixel_threshold([maps[0], maps[0], other])
    assert (found["threshold"], found["value"]) == (0.6, pytest.approx((1 + 1 + 0.5) / 3))
