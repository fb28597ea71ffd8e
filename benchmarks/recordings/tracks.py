"""Score the tracks of the demo's sequences with py-ctcmetrics, from true and from predicted labels; and time the linking.

    .venv/bin/python benchmarks/recordings/tracks.py                       # true labels, 24 frames of each sequence
    .venv/bin/python benchmarks/recordings/tracks.py --results results/demo   # and those of the demo's networks, after `make demo`

TRA, DET and SEG are those of the Cell Tracking Challenge, LNK its score of the links alone; divisions are counted right
within one frame. The truth is the simulator's: who is who, and who descends from whom.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import tifffile
import yaml
from ctc_metrics.scripts.evaluate import evaluate_sequence

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import track_cells  # noqa: E402
from brightcell import files  # noqa: E402
from brightcell.instances.regionprops import cell_table  # noqa: E402
from brightcell.io import stacks  # noqa: E402
from brightcell.recordings import tracking  # noqa: E402
from brightcell.simulation.timelapse import simulate_sequence  # noqa: E402

METRICS = ["Valid", "TRA", "DET", "SEG", "LNK", "BC"]
OPTIONS = {"distance": 1.0, "gap": 1, "divisions": True}


def write_truth(folder: Path, labels: np.ndarray) -> None:
    """Write the masks of the challenge's truth."""
    for time_, page in enumerate(labels):
        for name in (f"TRA/man_track{time_:03d}.tif", f"SEG/man_seg{time_:03d}.tif"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / name, page.astype(np.uint16))


def write_lineage(folder: Path, labels: np.ndarray, lineage: pd.DataFrame) -> None:
    """Write the challenge's list of true tracks, of the cells that stand in these frames."""
    frames_of = {}
    for time_, page in enumerate(labels):
        for cell in np.unique(page[page > 0]):
            frames_of.setdefault(int(cell), []).append(time_)
    parents = dict(zip(lineage["cell"], lineage["parent"], strict=True))
    lines = []
    for cell, times in frames_of.items():
        parent = parents[cell]
        known = parent in frames_of and frames_of[parent][-1] < times[0]
        lines.append(f"{cell} {times[0]} {times[-1]} {parent if known else 0}\n")
    (folder / "TRA/man_track.txt").write_text("".join(lines))


def score(truth: np.ndarray, lineage: pd.DataFrame, labels: np.ndarray) -> dict:
    """Follow the cells of label images (frames, height, width) and score them against the truth."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_truth(folder / "truth", truth)
        write_lineage(folder / "truth", truth, lineage)
        cells = [
            cell_table(page, page).assign(sample=f"t{time_}", frame=time_)
            for time_, page in enumerate(labels)
        ]
        samples = [f"t{time_}" for time_ in range(len(labels))]
        files.write_table(pd.concat(cells), folder / "cells.tsv")
        files.write_table(pd.DataFrame({"sample": samples, "image": ""}), folder / "frames.tsv")
        stacks.write_stack(folder / "labels.tif", zip(samples, labels, strict=True))
        out = SimpleNamespace(tracks=folder / "tracks.tsv", ctc=folder / "ctc")
        inputs = [folder / each for each in ("labels.tif", "cells.tsv", "frames.tsv")]
        track_cells.main(*inputs, OPTIONS, out)
        with contextlib.redirect_stdout(io.StringIO()):
            return evaluate_sequence(str(out.ctc), str(folder / "truth"), list(METRICS), threads=1)


def tell(name: str, scores: list[dict]) -> None:
    """Print the means over sequences, the worst TRA, and the divisions of all of them."""
    mean = {key: np.mean([each[key] for each in scores]) for key in ("TRA", "DET", "SEG", "LNK")}
    right, wrong, missed = (sum(each[f"{kind}_div(1)"] for each in scores) for kind in ("tp", "fp", "fn"))
    assert all(each["Valid"] for each in scores)
    print(
        f"{name:44} {mean['TRA']:.4f} ({min(each['TRA'] for each in scores):.4f})  {mean['DET']:.4f}  {mean['SEG']:.4f}  "
        f"{mean['LNK']:.4f}  {right}/{wrong}/{missed}",
        flush=True,
    )


def predictions(results: Path, network: str) -> dict[str, np.ndarray]:
    """Read the labels of a network's test frames, by sequence."""
    pages = {}
    for path in sorted(results.glob(f"models/*/{network}/fold*-seed1/labels.tif")):
        pages |= stacks.read_stack(path)
    groups = {}
    for sample in sorted(pages):
        groups.setdefault(sample.rsplit("_", 1)[0], []).append(pages[sample])
    return {group: np.stack(own) for group, own in groups.items()}


def time_linking(frames: int, cells: int) -> float:
    """Seconds to link cells on a grid, 20 px apart, that move by 3 px a frame; one in twenty is missing in a frame."""
    rng = np.random.default_rng(0)
    side = int(np.ceil(np.sqrt(cells)))
    places = 20.0 * np.stack(np.divmod(np.arange(cells), side), axis=1)
    tables = []
    for time_ in range(frames):
        places += rng.normal(0, 2, places.shape)
        seen = places[rng.uniform(size=cells) > 0.05]
        tables.append(
            pd.DataFrame({"time": time_, "row_px": seen[:, 0], "column_px": seen[:, 1], "area_px": 200})
        )
    table = pd.concat(tables, ignore_index=True)
    start = time.perf_counter()
    tracking.link_cells(table, **OPTIONS)
    return time.perf_counter() - start


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--results", type=Path, help="results folder of the demo")
    parser.add_argument("--frames", type=int, default=24, help="frames of a sequence with true labels")
    parser.add_argument("--speed", action="store_true", help="time the linking instead")
    arguments = parser.parse_args()
    if arguments.speed:
        for frames, cells in ((100, 300), (1000, 100), (20, 3000)):
            print(f"{frames} frames of {cells} cells: {time_linking(frames, cells):.1f} s", flush=True)
        return
    demo = yaml.safe_load((ROOT / "config/config.yaml").read_text())["simulate"]
    sequences = {
        f"sequence{number}": simulate_sequence(demo["seed"], number, arguments.frames, demo["size"])
        for number in range(1, demo["sequences"] + 1)
    }
    print(f"{'labels':44} TRA (worst)      DET     SEG     LNK     divisions right/wrong/missed")
    for step in (1, 2, 3):
        tell(
            f"true, a frame every {20 * step} min",
            [
                score(each.labels[::step], each.lineage, each.labels[::step].astype(np.int32))
                for each in sequences.values()
            ],
        )
    if arguments.results:
        networks = sorted(
            {path.parts[-3] for path in arguments.results.glob("models/*/*/fold*-seed1/labels.tif")}
        )
        for network in networks:
            found = predictions(arguments.results, network)
            tell(
                f"predicted by {network}",
                [
                    score(sequences[name].labels[: len(own)], sequences[name].lineage, own)
                    for name, own in found.items()
                ],
            )


if __name__ == "__main__":
    main()
