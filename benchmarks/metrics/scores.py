"""Time the scores of one frame against other libraries, all on one core.

    python benchmarks/metrics/scores.py                          # 1024 × 1024 px, 300 cells
    python benchmarks/metrics/scores.py --size 2048 --cells 1200 --rounds 9

Every round times every implementation once, so that a busy machine slows all of them. The table gives medians over
the rounds of the time on the clock, of the processor's time (what an idle core would take), and of the ratio to
brightcell's processor time for the same scores in the same round.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn.metrics
import surface_distance
import tifffile
from ctc_metrics.metrics import det, seg
from ctc_metrics.utils import representations
from skimage.metrics import hausdorff_distance
from sklearn.calibration import calibration_curve
from stardist.matching import matching

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests")]

from spoilt import doubt, draw_cells, spoil  # noqa: E402

from brightcell.io.stacks import Maps, from_uint16  # noqa: E402
from brightcell.metrics import probabilities, registry, scoring  # noqa: E402
from brightcell.metrics.objects import IOU_THRESHOLDS  # noqa: E402
from brightcell.metrics.surfaces import boundary  # noqa: E402

GOAL_S = 0.25
OURS = "brightcell"


def challenge(truth_path: Path, predicted_path: Path) -> tuple[float, float]:
    """SEG and DET by py-ctcmetrics, which reads its images from files."""
    known, found, mapped, mapped_to, iou = representations.match(str(truth_path), str(predicted_path))
    operations = {"NS": len(mapped_to) - len(set(mapped_to)), "FN": len(known) - len(mapped)}
    operations |= {"FP": len(set(found) - set(mapped_to)), "num_vertices": len(known)}
    return seg([known], [iou]), det(**operations)


def surfaces(truth: np.ndarray, predicted: np.ndarray) -> tuple[float, ...]:
    """HD95 and surface Dice at 1 and 2 px by surface-distance."""
    distances = surface_distance.compute_surface_distances(truth > 0, predicted > 0, (1, 1))
    dice = [surface_distance.compute_surface_dice_at_tolerance(distances, tolerance) for tolerance in (1, 2)]
    return surface_distance.compute_robust_hausdorff(distances, 95), *dice


def pixels(truth: np.ndarray, predicted: np.ndarray) -> tuple[float, ...]:
    """IoU, precision, recall and F1 by scikit-learn."""
    masks = (truth > 0).ravel(), (predicted > 0).ravel()
    return sklearn.metrics.jaccard_score(*masks), *sklearn.metrics.precision_recall_fscore_support(*masks)


def calibration(truth: np.ndarray, foreground: np.ndarray) -> tuple:
    """Brier score and reliability by scikit-learn."""
    mask, probability = (truth > 0).ravel(), (foreground / 65535).ravel()
    return sklearn.metrics.brier_score_loss(mask, probability), calibration_curve(
        mask, probability, n_bins=10
    )


def our_calibration(truth: np.ndarray, foreground: np.ndarray) -> tuple:
    """Brier score, reliability and the curve of 19 thresholds."""
    counts = probabilities.count_probabilities(truth, foreground)
    return (
        probabilities.brier(counts),
        probabilities.reliability(counts),
        probabilities.threshold_curve(counts),
    )


def jobs(truth: np.ndarray, predicted: np.ndarray, foreground: np.ndarray, folder: Path) -> dict:
    """What is timed: (scores, implementation) → function; brightcell first of each."""
    paths = folder / "truth.tif", folder / "predicted.tif"
    for path, labels in zip(paths, (truth, predicted), strict=True):
        tifffile.imwrite(path, labels)
    samples = pd.DataFrame([{"sample": "a", "group": "a", "pixel_size_um": 0.65}])
    frame = {"a": truth}, {"a": predicted}, samples, {"a": Maps(from_uint16(foreground))}
    edges = boundary(truth), boundary(predicted)
    return {
        ("all tables of a frame", OURS): lambda: scoring.score_frames(*frame),
        ("cells", OURS): lambda: registry.instance_scores(truth, predicted),
        ("cells", "StarDist matching, ten thresholds"): lambda: matching(truth, predicted, IOU_THRESHOLDS),
        ("cells", "StarDist matching, one threshold"): lambda: matching(truth, predicted, 0.5),
        ("cells", "py-ctcmetrics, SEG and DET"): lambda: challenge(*paths),
        ("boundaries", OURS): lambda: registry.boundary_scores(truth, predicted, 0.65),
        ("boundaries", "surface-distance, HD95 and surface Dice"): lambda: surfaces(truth, predicted),
        ("boundaries", "scikit-image, Hausdorff distance alone"): lambda: hausdorff_distance(*edges),
        ("pixels", OURS): lambda: registry.pixel_scores(truth, predicted),
        ("pixels", "scikit-learn, IoU, precision, recall, F1"): lambda: pixels(truth, predicted),
        ("probabilities", OURS): lambda: our_calibration(truth, foreground),
        ("probabilities", "scikit-learn, Brier, reliability"): lambda: calibration(truth, foreground),
    }


def measure(timed: dict[tuple[str, str], Callable], rounds: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Seconds of every job (columns) in every round (rows), after one round that does not count.

    The first table is by the clock, the second by the processor.
    """
    clock, processor = [], []
    for _ in range(rounds + 1):
        for table in (clock, processor):
            table.append({})
        for name, function in timed.items():
            start = time.perf_counter(), time.process_time()
            function()
            clock[-1][name] = time.perf_counter() - start[0]
            processor[-1][name] = time.process_time() - start[1]
    return pd.DataFrame(clock[1:]), pd.DataFrame(processor[1:])


def main(size: int, cells: int, rounds: int, seed: int) -> None:
    """Print a table in Markdown."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    truth = draw_cells(seed, size, cells)
    predicted, foreground = spoil(truth, seed), doubt(truth, seed)
    with tempfile.TemporaryDirectory() as folder:
        clock, processor = measure(jobs(truth, predicted, foreground, Path(folder)), rounds)
    found = len(np.unique(predicted)) - 1
    print(f"{size} × {size} px, {cells} cells, {found} predicted; one core; medians of {rounds} rounds\n")
    print("| scores | implementation | clock | processor | times brightcell's |")
    print("|---|---|---:|---:|---:|")
    for scores, implementation in clock:
        name = (scores, implementation)
        ratio = (processor[name] / processor[(scores, OURS)]).median()
        times = " | ".join(f"{1e3 * seconds[name].median():.0f} ms" for seconds in (clock, processor))
        print(
            f"| {scores} | {implementation} | {times} | {'' if implementation == OURS else f'{ratio:.1f}'} |"
        )
    total = [seconds[("all tables of a frame", OURS)].median() for seconds in (clock, processor)]
    print(f"\nAll scores of a frame: {total[0]:.3f} s, {total[1]:.3f} s of processor time; ", end="")
    print(f"the goal for 1024 × 1024 px and 300 cells is {GOAL_S} s.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, help="side of the frame in pixels")
    parser.add_argument("--cells", type=int, default=300, help="cells in the truth")
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count, at least 5")
    parser.add_argument("--seed", type=int, default=1, help="of the cells and of the errors")
    options = parser.parse_args()
    if options.rounds < 5 or options.size < 64 or options.cells < 1:
        parser.error("expected at least 5 rounds, 64 pixels and 1 cell")
    main(options.size, options.cells, options.rounds, options.seed)
