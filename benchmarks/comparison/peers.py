"""Score the networks and the other tools of a finished run by scorers that are not this project's.

    .venv/bin/python benchmarks/comparison/peers.py results/hela_fields

AP at IoU 0.5 and 0.7, and the mean from 0.5 to 0.95, are those of StarDist's `matching`; SEG is that of py-ctcmetrics. Both
see the label stacks of the test frames. Prints means over groups with their spread over seeds, the minutes of a training, and
the seconds of a frame from file to labels (prediction, and for networks the watershed).
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from ctc_metrics.metrics import seg
from ctc_metrics.utils import representations
from stardist.matching import matching

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts")]

from brightcell import files  # noqa: E402
from brightcell.io import stacks  # noqa: E402

THRESHOLDS = tuple(np.arange(0.5, 1, 0.05).round(2))
SCORES = ("AP50", "AP70", "mean AP", "SEG")


def challenge(truth: np.ndarray, predicted: np.ndarray) -> float:
    """SEG by py-ctcmetrics, which reads its images from files."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{name}.tif" for name in ("truth", "predicted")]
        for path, labels in zip(paths, (truth, predicted), strict=True):
            tifffile.imwrite(path, labels.astype(np.uint16))
        known, *_, iou = representations.match(*paths)
    return float(seg([known], [iou]))


def scores_of(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the scores of one frame."""
    ap = [matching(truth, predicted, threshold).accuracy for threshold in THRESHOLDS]
    at = dict(zip(THRESHOLDS, ap, strict=True))
    return dict(zip(SCORES, (at[0.5], at[0.7], float(np.mean(ap)), challenge(truth, predicted)), strict=True))


def seconds_a_frame(run: Path, frames: int) -> float:
    """Return the seconds from file to labels; the watershed's are those of its job, which finds three variants."""
    told = files.read_json(run / "predictions/speed.json")["test"]
    label = run / "label.benchmark.tsv"
    return told["seconds"] / told["frames"] + (
        pd.read_table(label)["s"].mean() / frames if label.exists() else 0
    )


def score(results: Path) -> Iterator[dict]:
    """Yield a row for every test frame of every training."""
    groups = files.read_table(results / "samples.tsv").set_index("sample")["group"]
    for path in sorted(results.glob("models/grouped/*/*/labels.tif")):
        run = path.parent
        recipe, labels = files.read_json(run / "recipe.json"), stacks.Pages(path)
        known = {
            "tool": run.parent.name,
            "seed": int(run.name.partition("seed")[2]),
            "minutes": recipe["train_seconds"] / 60,
            "seconds a frame": seconds_a_frame(run, len(labels)),
        }
        for name in labels:
            truth = stacks.Pages(results / "prepared" / groups[name] / "truth.tif")[name]
            yield known | {"group": groups[name]} | scores_of(truth, labels[name])
        print(run, file=sys.stderr, flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder of a finished run with contestants")
    table = pd.DataFrame(score(parser.parse_args().results))
    if table.empty:
        raise SystemExit("no models/grouped/*/*/labels.tif there; expected the folder of a finished run")
    measured = [*SCORES, "minutes", "seconds a frame"]
    of_seed = table.groupby(["tool", "seed", "group"])[measured].mean().groupby(["tool", "seed"]).mean()
    print(
        f"{table['group'].nunique()} groups, {table['seed'].nunique()} seeds; in brackets from the lowest seed to the highest\n"
    )
    print(f"| tool | {' | '.join(measured)} |\n|---|{'---|' * len(measured)}")
    for tool, rows in of_seed.groupby("tool"):
        cells = [
            f"{rows[name].mean():.3f} ({rows[name].min():.3f}–{rows[name].max():.3f})" for name in SCORES
        ]
        cells += [f"{rows['minutes'].mean():.1f}", f"{rows['seconds a frame'].mean():.1f}"]
        print(f"| {tool} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
