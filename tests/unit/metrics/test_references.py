"""Hold every score against an implementation of somebody else's, on simulated and on real labels."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
import surface_distance
import tifffile
from ctc_metrics.scripts.evaluate import evaluate_sequence
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage.measure import label, regionprops_table
from skimage.metrics import contingency_table, hausdorff_distance
from skimage.segmentation import find_boundaries, relabel_sequential
from sklearn.calibration import calibration_curve
from spoilt import doubt, draw_cells, spoil
from stardist.matching import matching

from brightcell.metrics.objects import IOU_THRESHOLDS
from brightcell.metrics.probabilities import count_probabilities, reliability, threshold_curve
from brightcell.metrics.registry import boundary_scores, instance_scores, pixel_scores, probability_scores
from brightcell.metrics.scoring import score_frames
from brightcell.metrics.surfaces import boundary, measure_surfaces

SIMULATED = [(draw_cells(seed), spoil(draw_cells(seed), seed + 100)) for seed in range(6)]


def at_the_edge():
    """Cells of one pixel and cells on the frame's edge."""
    truth, predicted = np.zeros((2, 30, 30), np.int32)
    truth[0, 0], truth[10:20, 0:8], truth[29, 3:9], truth[15, 15] = 1, 2, 3, 4
    predicted[0, 0], predicted[11:20, 0:9], predicted[28:, 3:9], predicted[15, 16] = 1, 2, 3, 4
    return truth, predicted


def real_labels():
    """Truth of two kinds of cells, and as prediction what connected components of a blurred mask give."""
    folder = os.environ.get("BRIGHTCELL_REAL_DATA")
    if not folder:
        pytest.skip("BRIGHTCELL_REAL_DATA does not name a folder of real labels")
    for name in ("hela", "nih3t3"):
        paths = sorted((Path(folder) / name / "labels").glob("*.tif"))
        assert paths, f"no labels in {folder}/{name}: BRIGHTCELL_REAL_DATA names another folder"
        truth = tifffile.imread(paths[0])[:900, :900].astype(np.int32)
        blurred = ndimage.gaussian_filter((truth > 0).astype(float), 3)
        yield truth, label(np.roll(blurred, 2, axis=1) > 0.55).astype(np.int32)


@pytest.fixture(params=["simulated", "edge", "real"], scope="module")
def pairs(request):
    """Pairs of truth and prediction, int32."""
    if request.param == "real":
        return list(real_labels())
    return SIMULATED if request.param == "simulated" else [at_the_edge()]


def test_matches_are_those_of_stardist(pairs):
    for truth, predicted in pairs:
        ours = instance_scores(truth, predicted)
        theirs = matching(truth, predicted, thresh=IOU_THRESHOLDS)
        for one in theirs:
            percent = round(one.thresh * 100)
            assert [ours[f"{name}{percent}"] for name in ("tp", "fp", "fn")] == [one.tp, one.fp, one.fn]
        by_percent = {round(one.thresh * 100): one for one in theirs}
        for percent in (50, 70, 90):
            assert ours[f"ap{percent}"] == pytest.approx(by_percent[percent].accuracy)
        assert ours["mean_ap"] == pytest.approx(np.mean([one.accuracy for one in theirs]))
        assert ours["f1_50"] == pytest.approx(by_percent[50].f1)
        above = matching(truth, predicted, thresh=0.500001)  # panoptic quality asks for more than a half
        assert ours["pq"] == pytest.approx(above.panoptic_quality)
        assert ours["sq"] == pytest.approx(above.mean_matched_score)
        assert ours["rq"] == pytest.approx(above.f1)
        assert ours["truth_cells"] == by_percent[50].n_true
        assert ours["count_bias"] == by_percent[50].n_pred - by_percent[50].n_true


CELLPOSE = Path(__file__).parents[3] / ".venv-contestants/cellpose/bin/python"
ASK_CELLPOSE = """
import sys
import numpy as np
from cellpose.metrics import average_precision
pairs = np.load(sys.argv[1])
at = np.round(np.arange(0.5, 0.951, 0.05), 2)
found = [average_precision(pairs[f"truth{n}"], pairs[f"found{n}"], threshold=list(at)) for n in range(len(pairs.files) // 2)]
np.save(sys.argv[2], np.array(found))
"""


@pytest.mark.skipif(not CELLPOSE.exists(), reason="Cellpose is not installed: make contestant NAME=cellpose")
def test_matches_are_those_of_cellpose(pairs, tmp_path):
    """In the environment of the tool. It takes the largest number for that of the cells: they are numbered without gaps."""
    named = {f"truth{n}": relabel_sequential(truth)[0] for n, (truth, _) in enumerate(pairs)}
    named |= {f"found{n}": relabel_sequential(found)[0] for n, (_, found) in enumerate(pairs)}
    np.savez(tmp_path / "pairs.npz", **named)
    command = [CELLPOSE, "-c", ASK_CELLPOSE, tmp_path / "pairs.npz", tmp_path / "theirs.npy"]
    subprocess.run(command, check=True, timeout=120)
    for (truth, predicted), theirs in zip(pairs, np.load(tmp_path / "theirs.npy"), strict=True):
        ours = instance_scores(truth, predicted)
        precision, *counts = theirs
        for name, values in zip(("tp", "fp", "fn"), counts, strict=True):
            assert [ours[f"{name}{percent}"] for percent in range(50, 100, 5)] == values.tolist()
        for percent in (50, 70, 90):
            assert ours[f"ap{percent}"] == pytest.approx(precision[(percent - 50) // 5])


def challenge(folder, pairs):
    """SEG and DET of py-ctcmetrics for a sequence of frames; every cell is a track of one frame."""
    tracks = {"truth": [], "predicted": []}
    for frame, pair in enumerate(pairs):
        for name, labels in zip(tracks, pair, strict=True):
            first = 1 + max((track[0] for track in tracks[name]), default=0)
            ids, numbered = np.unique(np.append(0, labels), return_inverse=True)
            numbered = np.where(labels > 0, numbered[1:].reshape(labels.shape) + first - 1, 0)
            tracks[name] += [(first + i, frame, frame, 0) for i in range(len(ids) - 1)]
            files = {
                "truth": [f"GT/TRA/man_track{frame:03d}.tif", f"GT/SEG/man_seg{frame:03d}.tif"],
                "predicted": [f"RES/mask{frame:03d}.tif"],
            }
            for path in files[name]:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(folder / path, numbered.astype(np.uint16))
    for name, path in (("truth", "GT/TRA/man_track.txt"), ("predicted", "RES/res_track.txt")):
        lines = [" ".join(map(str, track)) for track in tracks[name]]
        (folder / path).write_text("\n".join(lines) + "\n")
    return evaluate_sequence(str(folder / "RES"), str(folder / "GT"), metrics=["SEG", "DET"], threads=1)


def test_seg_and_det_are_those_of_the_cell_tracking_challenge(pairs, tmp_path):
    for number, (truth, predicted) in enumerate(pairs):
        theirs = challenge(tmp_path / str(number), [(truth, predicted)] * 2)  # it asks for two frames
        ours = instance_scores(truth, predicted)
        assert ours["seg"] == pytest.approx(theirs["SEG"])
        assert ours["det"] == pytest.approx(theirs["DET"])


def test_seg_and_det_of_a_sequence_follow_from_the_table(tmp_path):
    frames = dict(enumerate(SIMULATED))
    samples = {"sample": list(frames), "group": "a"}
    truth, predicted = ({name: pair[i] for name, pair in frames.items()} for i in (0, 1))
    table = score_frames(truth, predicted, pd.DataFrame(samples)).frames
    theirs = challenge(tmp_path, SIMULATED)
    cells = table["truth_cells"]
    assert (table["seg"] * cells).sum() / cells.sum() == pytest.approx(theirs["SEG"])
    assert 1 - table["det_cost"].sum() / (10 * cells.sum()) == pytest.approx(theirs["DET"])


def test_pixels_are_those_of_scikit_learn(pairs):
    for truth, predicted in pairs:
        ours = pixel_scores(truth, predicted)
        masks = (truth > 0).ravel(), (predicted > 0).ravel()
        theirs = {
            "cell_iou": sklearn.metrics.jaccard_score(*masks),
            "cell_dice": sklearn.metrics.f1_score(*masks),
            "cell_precision": sklearn.metrics.precision_score(*masks),
            "cell_recall": sklearn.metrics.recall_score(*masks),
            "cell_specificity": sklearn.metrics.recall_score(*masks, pos_label=False),
            "accuracy": sklearn.metrics.accuracy_score(*masks),
            "background_iou": sklearn.metrics.jaccard_score(*masks, pos_label=False),
            "mean_iou": sklearn.metrics.jaccard_score(*masks, average="macro"),
        }
        assert {name: ours[name] for name in theirs} == pytest.approx(theirs)


def test_boundaries_are_those_of_scikit_image(pairs):
    for truth, predicted in pairs:
        edges = []
        for mask in (truth > 0, predicted > 0):
            padded = find_boundaries(np.pad(mask, 1), connectivity=1, mode="inner")
            edges.append(padded[1:-1, 1:-1])
            np.testing.assert_array_equal(boundary(mask), edges[-1])
        surfaces = measure_surfaces(truth, predicted)
        assert max(map(np.max, surfaces[:2])) == pytest.approx(hausdorff_distance(*edges))
        # the distances by a distance transform, which visits every pixel
        directed = [ndimage.distance_transform_edt(~there)[here] for here, there in (edges, edges[::-1])]
        ours = boundary_scores(truth, predicted, 0.65)
        percentile = max(np.percentile(distances, 95) for distances in directed)
        assert ours["hd95_px"] == pytest.approx(percentile)
        assert ours["hd95_um"] == pytest.approx(percentile * 0.65)
        for tolerance in (1, 2):
            near = np.mean(np.concatenate(directed) <= tolerance)
            assert ours[f"surface_dice_{tolerance}px"] == pytest.approx(near)


@pytest.mark.filterwarnings("ignore:Please import")  # its own, of names that SciPy moved
@pytest.mark.parametrize("number", range(3))
def test_boundary_scores_are_near_those_of_surface_distance(number):
    # its boundary runs between pixels, is weighted by its length, and stops at the frame's edge
    truth, predicted = (np.pad(labels > 0, 5) for labels in SIMULATED[number])
    distances = surface_distance.compute_surface_distances(truth, predicted, (1, 1))
    ours = boundary_scores(truth, predicted)
    for tolerance in (1, 2):
        theirs = surface_distance.compute_surface_dice_at_tolerance(distances, tolerance)
        assert ours[f"surface_dice_{tolerance}px"] == pytest.approx(theirs, abs=0.06)
    assert ours["hd95_px"] == pytest.approx(surface_distance.compute_robust_hausdorff(distances, 95), abs=1)


def test_distances_by_brute_force():
    truth, predicted = SIMULATED[0]
    truth, predicted = truth[:90, :90], predicted[:90, :90]
    points = [np.argwhere(boundary(mask)) for mask in (truth, predicted)]
    table = cdist(*points)
    surfaces = measure_surfaces(truth, predicted)
    np.testing.assert_allclose(surfaces.from_truth, table.min(axis=1))
    np.testing.assert_allclose(surfaces.from_predicted, table.min(axis=0))


def test_splits_merges_and_areas_by_the_contingency_table(pairs):
    for truth, predicted in pairs:
        table = contingency_table(truth, predicted).toarray()  # pixels by truth id and predicted id
        areas, found = (table.sum(axis=axis, keepdims=True) for axis in (1, 0))
        cells, pieces = table[1:, 1:], found[:, 1:]
        parts = (cells / np.maximum(pieces, 1) > 0.5) & (cells / np.maximum(areas[1:], 1) > 0.1)
        joined = (cells / np.maximum(areas[1:], 1) > 0.5) & (cells / np.maximum(pieces, 1) > 0.1)
        ours = instance_scores(truth, predicted)
        assert ours["splits"] == (parts.sum(axis=1) > 1).sum()
        assert ours["merges"] == (joined.sum(axis=0) > 1).sum()
        area = {
            name: dict(zip(*regionprops_table(labels, properties=("label", "area")).values(), strict=True))
            for name, labels in (("truth", truth), ("predicted", predicted))
        }
        match = matching(truth, predicted, thresh=0.5, report_matches=True)
        errors = []
        for (i, j), score in zip(match.matched_pairs, match.matched_scores, strict=True):
            if score >= 0.5:
                one, other = area["truth"][i], area["predicted"][j]
                errors.append(abs(other - one) / one)
        assert ours["area_error"] == pytest.approx(np.mean(errors), nan_ok=True)
        assert ours["count_error"] == abs(len(area["predicted"]) - len(area["truth"]))


def test_probabilities_are_scored_as_by_scikit_learn(pairs):
    for truth, _ in pairs:
        stored = doubt(truth, 1)
        mask, probability = (truth > 0).ravel(), (stored / 65535).ravel()
        theirs = sklearn.metrics.brier_score_loss(mask, probability)
        assert probability_scores(truth, stored)["brier"] == pytest.approx(theirs, rel=1e-5)
        counts = count_probabilities(truth, stored)
        for row in threshold_curve(counts).itertuples():
            (tn, fp), (fn, tp) = sklearn.metrics.confusion_matrix(mask, probability >= row.threshold)
            assert (row.pixels_tp, row.pixels_fp, row.pixels_fn, row.pixels_tn) == (tp, fp, fn, tn)
        bins = reliability(counts)
        cells, means = calibration_curve(mask, probability, n_bins=10)
        bins = bins[bins["pixels"] > 0]
        np.testing.assert_allclose(bins["cell_share"], cells, rtol=1e-3)
        np.testing.assert_allclose(bins["probability"], means, rtol=1e-3)
