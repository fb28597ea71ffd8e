import logging

import numpy as np
import pandas as pd
import pytest
from spoilt import boxes, doubt, draw_cells, spoil

import label
import score
from brightcell.errors import InputError
from brightcell.files import read_table, write_json, write_table
from brightcell.instances.variants import FRAME_COLUMNS, OTHERS
from brightcell.io.stacks import Maps, write_stack
from brightcell.metrics.matching import match_cells
from brightcell.metrics.registry import METRICS, instance_scores
from brightcell.metrics.scoring import list_cells, score_frames

OF_CELLS = [name for name, metric in METRICS.items() if metric.needs_instances]


def frames_of_two_groups():
    truth = {"a1": boxes((0, 10, 0, 10)), "b1": boxes((0, 10, 0, 10), (20, 30, 20, 30))}
    samples = pd.DataFrame(
        {
            "sample": ["b1", "a1"],
            "group": ["b", "a"],
            "mask_type": ["binary", "instances"],
            "pixel_size_um": [np.nan, 0.5],
        }
    )
    return truth, samples


def test_matches_list_every_cell_once():
    truth = boxes((0, 10, 0, 10), (20, 30, 0, 10), (20, 30, 20, 30))
    predicted = boxes((0, 10, 0, 10), (20, 30, 7, 13), (0, 5, 30, 35)) * 10
    table = list_cells(match_cells(truth, predicted)).set_index(["truth", "predicted"])
    assert set(table.index) == {(1, 10), (2, 20), (3, 0), (0, 30)}
    assert table.loc[(2, 20), "iou"] == pytest.approx(30 / 130)
    assert table.loc[(3, 0)].tolist() == [0, 100, 0]
    assert table.loc[(0, 30)].tolist() == [0, 0, 25]


def test_every_score_is_a_column():
    truth, samples = frames_of_two_groups()
    assert set(METRICS) <= set(score_frames(truth, truth, samples).frames)


def test_binary_masks_have_no_scores_of_cells():
    truth, samples = frames_of_two_groups()
    frames, cells, *_ = score_frames(truth, truth, samples)
    frames = frames.set_index("sample")
    assert frames.loc["a1", ["group", "mask_type", "ap50", "cell_iou", "hd95_um"]].tolist() == [
        "a",
        "instances",
        *(1, 1, 0),
    ]
    assert frames.loc["b1", ["group", "mask_type", "cell_iou"]].tolist() == ["b", "binary", 1]
    assert frames.loc["b1", ["surface_dice_2px", "accuracy"]].tolist() == [1, 1]
    assert frames.loc["b1", [*OF_CELLS, "truth_cells", "tp50", "det_cost", "hd95_um"]].isna().all()
    assert cells[["sample", "group", "truth", "predicted"]].to_numpy().tolist() == [["a1", "a", 1, 1]]


def test_pooled_scores_weight_cells_where_the_mean_weights_frames():
    # group a: 1 of 1 cell found in one frame, 1 of 4 in the other; group b: none of its cells
    four = boxes(*((row, row + 8, column, column + 8) for row in (0, 20) for column in (0, 20)))
    truth = {"a1": boxes((0, 10, 0, 10)), "a2": four, "b1": boxes((0, 10, 0, 10))}
    predicted = {"a1": truth["a1"], "a2": np.where(four == 1, 1, 0), "b1": np.zeros_like(four)}
    samples = pd.DataFrame({"sample": list(truth), "group": ["a", "a", "b"]})
    frames = score_frames(truth, predicted, samples).frames
    assert frames["ap50"].tolist() == [1, 1 / 4, 0]
    for name in ("ap50", "ap70", "ap90", "mean_ap"):
        assert frames[f"{name}_pooled"].tolist() == pytest.approx([2 / 5, 2 / 5, 0])
    sums = frames.groupby("group")[["tp50", "fp50", "fn50"]].sum()
    assert (sums["tp50"] / sums.sum(axis=1)).tolist() == [2 / 5, 0]


def test_pooled_scores_are_those_of_the_frames_side_by_side():
    truth = {f"a{number}": draw_cells(number) for number in range(4)}
    predicted = {name: spoil(labels, seed) for seed, (name, labels) in enumerate(truth.items())}
    frames = score_frames(truth, predicted, pd.DataFrame({"sample": list(truth), "group": "a"})).frames

    def side_by_side(images):
        return np.hstack([np.where(image, image + 1000 * i, 0) for i, image in enumerate(images.values())])

    whole = instance_scores(side_by_side(truth), side_by_side(predicted))
    for name in ("ap50", "ap70", "ap90", "mean_ap"):
        assert frames[f"{name}_pooled"].tolist() == pytest.approx([whole[name]] * 4)
    cells = frames["truth_cells"]
    assert 1 - frames["det_cost"].sum() / (10 * cells.sum()) == pytest.approx(whole["det"])
    assert (frames["seg"] * cells).sum() / cells.sum() == pytest.approx(whole["seg"])


def test_a_group_without_cells_and_without_predictions_is_perfect():
    empty = {"a1": boxes(), "a2": boxes()}
    frames, cells, *_ = score_frames(empty, empty, pd.DataFrame({"sample": ["a1", "a2"], "group": "a"}))
    assert (frames[["ap50", "ap50_pooled", "mean_ap_pooled", "seg", "det"]] == 1).all().all()
    assert len(cells) == 0
    assert {"sample", "group", "truth", "iou"} <= set(cells)


def test_probabilities_give_curves_by_frame_and_bins_by_group():
    truth, samples = frames_of_two_groups()
    truth["a2"] = truth["b1"]
    samples = pd.concat([samples, pd.DataFrame([{"sample": "a2", "group": "a", "mask_type": "instances"}])])
    sure = {name: Maps((labels > 0).astype(np.float32)) for name, labels in truth.items()}
    sure["a2"] = Maps(np.full(truth["a2"].shape, 16384 / 65535, np.float32))  # a quarter, whatever it sees
    frames, _, curves, bins = score_frames(truth, truth, samples, sure)
    brier = frames.set_index("sample")["brier"]
    assert brier.loc[["a1", "b1"]].tolist() == [0, 0]  # a binary mask has pixels to score
    assert brier["a2"] == pytest.approx((200 * 0.75**2 + 1400 * 0.25**2) / 1600, abs=1e-5)
    assert len(curves) == 3 * 19
    curve = curves[curves["sample"] == "a2"].set_index("threshold")
    assert curve.loc[0.25, "pixels_tp":].tolist() == [200, 1400, 0, 0]
    assert curve.loc[0.3, "pixels_tp":].tolist() == [0, 0, 200, 1400]
    bins = bins.set_index(["group", "bin_low"])
    assert bins.index.get_level_values("group").tolist() == ["a"] * 10 + ["b"] * 10
    assert bins.loc["a", "pixels"].tolist() == [1500, 0, 1600, 0, 0, 0, 0, 0, 0, 100]
    assert bins.loc[("a", 0.2), "cell_share"] == 200 / 1600
    assert bins["probability"].isna().sum() == 7 + 8


def test_labels_without_probabilities_are_scored_all_the_same():
    truth, samples = frames_of_two_groups()
    frames, _, curves, bins = score_frames(truth, truth, samples)
    assert frames["brier"].isna().all()
    assert frames["cell_iou"].tolist() == [1, 1]
    assert len(curves) == len(bins) == 0
    assert {"threshold", "pixels_tn"} <= set(curves)
    assert {"bin_low", "cell_share"} <= set(bins)


def test_frames_without_truth_or_of_another_size_are_refused():
    truth, samples = frames_of_two_groups()
    with pytest.raises(InputError, match="sample c1"):
        score_frames(truth, {"c1": truth["a1"]}, samples)
    with pytest.raises(InputError, match=r"sample a1: .*\(40, 40\).*\(39, 40\)"):
        score_frames(truth, {"a1": truth["a1"][1:]}, samples)
    with pytest.raises(InputError, match="sample b1: labelled, but without probabilities"):
        score_frames(truth, {"b1": truth["b1"]}, samples, {"a1": Maps(np.zeros((40, 40), np.float32))})
    with pytest.raises(InputError, match=r"sample a1: .*\(40, 40\).*\(40, 41\)"):
        score_frames(truth, {"a1": truth["a1"]}, samples, {"a1": Maps(np.zeros((40, 41), np.float32))})


@pytest.fixture
def prepared(tmp_path):
    """A folder with the stacks of two groups and the predictions of one test frame."""
    truth, samples = frames_of_two_groups()
    for sample, labels in truth.items():
        write_stack(tmp_path / "prepared" / sample[0] / "truth.tif", [(sample, labels), ("other", labels)])
    write_table(samples, tmp_path / "samples.tsv")
    return tmp_path


def run(folder, predicted, maps):
    """Run the script on these predictions; give its tables."""
    write_stack(folder / "labels.tif", predicted.items())
    write_stack(folder / "test.tif", maps.items())
    names = ("frames", "cells", "curves", "reliability", "watersheds")
    outputs = {name: folder / f"{name}.tsv" for name in names}
    parameters = {"threshold": 0.5, "smoothing_px": 1.0, "depth": 0.1, "minimum_area_px": 5}
    write_json(
        {
            "parameters": parameters,
            "score": "mean_ap",
            "value": 0.5,
            "markers": "learned" if next(iter(maps.values())).ndim == 3 else "foreground",
            "foreground": {"parameters": parameters | {"radius_px": 5.0}, "value": 0.5},
        },
        folder / "calibration.json",
    )
    log = logging.getLogger("brightcell")
    others = {name: folder / f"{name}.tif" for name in OTHERS}
    label.main(folder / "test.tif", folder / "calibration.json", folder / "by_watershed.tif", others, log)
    score.main(
        folder / "labels.tif",
        [folder / "prepared" / group / "truth.tif" for group in "ab"],
        folder / "samples.tsv",
        outputs,
        log,
        folder / "test.tif",
        folder / "calibration.json",
        others,
        scheme="grouped",
        network="simple",
        fold=2,
        seed=1,
    )
    return {name: read_table(path) for name, path in outputs.items()}


@pytest.mark.parametrize("outputs", [1, 2])
def test_script_scores_the_predicted_frames_only(prepared, outputs):
    maps = np.stack([np.full((40, 40), 40000, np.uint16)] * outputs, axis=-1)
    tables = run(prepared, {"a1": boxes()}, {"a1": maps[..., 0] if outputs == 1 else maps})
    frames, cells = tables["frames"], tables["cells"]
    assert frames.columns[:7].tolist() == [
        "scheme",
        "network",
        "fold",
        "seed",
        "sample",
        "group",
        "mask_type",
    ]
    assert frames.iloc[0, :6].tolist() == ["grouped", "simple", 2, 1, "a1", "a"]
    assert frames["cell_iou"].tolist() == [0]
    assert cells[["truth", "predicted", "truth_area_px"]].to_numpy().tolist() == [[1, 0, 100]]
    assert tables["curves"].columns.tolist() == (
        [
            "scheme",
            "network",
            "fold",
            "seed",
            "sample",
            "group",
            "threshold",
            "pixels_tp",
            "pixels_fp",
            "pixels_fn",
            "pixels_tn",
        ]
    )
    assert tables["curves"].loc[11, "threshold":].tolist() == [0.6, 100, 1500, 0, 0]
    assert tables["reliability"].columns.tolist() == (
        [
            "scheme",
            "network",
            "fold",
            "seed",
            "group",
            "bin_low",
            "bin_high",
            "pixels",
            "probability",
            "cell_share",
        ]
    )
    assert tables["reliability"].loc[6, "pixels":].tolist() == pytest.approx([1600, 40000 / 65535, 1 / 16])


def test_script_scores_the_watersheds_on_the_same_maps(prepared):
    """The labels count as those with learned markers; the foreground of all background holds no cell."""
    maps = np.zeros((40, 40, 2), np.uint16)
    table = run(prepared, {"a1": boxes((5, 15, 5, 15))}, {"a1": maps})["watersheds"]
    assert table.columns.tolist() == ["scheme", "network", "fold", "seed", *FRAME_COLUMNS]
    assert table["variant"].tolist() == ["published", "foreground", "learned"]
    assert table["predicted_cells"].tolist() == [0, 0, 1]
    alone = run(prepared, {"a1": boxes((5, 15, 5, 15))}, {"a1": maps[..., 0]})["watersheds"]
    assert alone["variant"].tolist() == ["published", "foreground"]
    assert alone["predicted_cells"].tolist() == [0, 1]
    assert run(prepared, {"b1": boxes()}, {"b1": maps})["watersheds"].empty  # a binary mask


def test_script_says_why_cells_are_not_scored(prepared, caplog):
    with caplog.at_level(logging.INFO, "brightcell"):
        run(prepared, {"b1": boxes()}, {"b1": doubt(boxes(), 1)})
    assert (
        "no scores of cells for 1 of 1 frames (b1): their masks do not tell touching cells apart"
        in caplog.text
    )


def test_script_names_the_file_of_a_frame_that_does_not_fit(prepared):
    with pytest.raises(InputError, match=r"labels\.tif: sample a1: .*\(40, 40\).*\(20, 40\)"):
        run(prepared, {"a1": boxes(shape=(20, 40))}, {"a1": np.zeros((20, 40), np.uint16)})
    assert not (prepared / "frames.tsv").exists()


def test_pixels_are_scored_on_the_map_and_cells_on_the_labels():
    truth, samples = frames_of_two_groups()
    samples = samples.assign(mask_type="instances")
    # the map finds half of each cell at 0.6; the labels are perfect
    halves = {name: np.where(labels > 0, 0.4, 0).astype(np.float32) for name, labels in truth.items()}
    for name, labels in truth.items():
        halves[name][:, labels.shape[1] // 2 :] *= 2
        halves[name][:5] *= 2
    maps = {name: Maps(half, None) for name, half in halves.items()}
    frames = score_frames(truth, truth, samples, maps, 0.6).frames.set_index("sample")
    expected = {name: (half >= 0.6).sum() / (truth[name] > 0).sum() for name, half in halves.items()}
    assert frames["cell_iou"].to_dict() == pytest.approx(expected, abs=0.01)
    assert (frames["ap50"] == 1).all()
    assert (score_frames(truth, truth, samples, maps).frames["cell_iou"] == 1).all()
