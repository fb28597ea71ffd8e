"""Score the tracks of films whose truth is known, beside those of laptrack; and time the linking.

    .venv/bin/python benchmarks/recordings/tracks.py                          # true labels
    .venv/bin/python benchmarks/recordings/tracks.py --results results/demo   # and those of the demo's networks, after `make demo`
    .venv/bin/python benchmarks/recordings/tracks.py --ecoli data/ecoli       # and a real film, after `snakemake fetch --configfile config/ecoli.yaml`

The E. coli file has no lineage. Its truth is the overlap of the cells after the shift of the whole colony, which is clear in
all frames (drawn here for all cells; 15 divisions). laptrack is linked by centres and areas, with its gaps and splits.
"""

import argparse
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
import yaml
from film import DIAMETER, SIDE, film, jumped
from laptrack import LapTrack
from scipy import signal

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from brightcell.instances.regionprops import cell_table  # noqa: E402
from brightcell.io import stacks  # noqa: E402
from brightcell.recordings import shifts, track_scores, tracking  # noqa: E402
from brightcell.simulation.timelapse import simulate_sequence  # noqa: E402

SHOWN = ("TRA", "LNK", "CT", "BC")
DIVISIONS = ("divisions_right", "divisions_invented", "divisions_missed")


def by_laptrack(cells: pd.DataFrame, moves: np.ndarray) -> pd.DataFrame:
    """Link cells by laptrack: centres and areas; two daughters follow at once, the larger at most twice the other."""
    del moves  # it knows nothing of common shifts
    ordered = cells.sort_values("time", kind="stable")
    times, areas = ordered["time"].to_numpy(), ordered["area_px"].to_numpy()
    places = np.column_stack(
        [ordered[["row_px", "column_px"]], np.zeros(len(ordered))]
    ) / shifts.typical_diameter(areas)
    places[:, 2] = 0.3 * np.log(areas)
    bounds = np.searchsorted(times, np.arange(times[0], times[-1] + 2))
    tracker = LapTrack(
        cutoff=1,
        gap_closing_cutoff=1,
        gap_closing_max_frame_count=2,
        splitting_cutoff=1,
        splitting_metric=lambda one, other: np.square(one[:2] - other[:2]).sum(),
    )
    tree = tracker.predict([places[start:end] for start, end in pairwise(bounds)])
    before = {}
    for node in tree:
        mother = bounds[node[0]] + node[1]
        daughters = [bounds[at] + number for at, number in tree.successors(node)]
        if len(daughters) == 2:
            small, large = sorted(areas[daughters])
            if large > 2 * small or (times[daughters] != times[mother] + 1).any():
                daughters = [
                    min(daughters, key=lambda cell, at=mother: np.square(places[cell] - places[at]).sum())
                ]
        before |= {int(daughter): int(mother) for daughter in daughters}
    return tracking._number(before, {}, len(ordered)).set_axis(ordered.index).reindex(cells.index)


def by_brightcell(cells: pd.DataFrame, moves: np.ndarray) -> pd.DataFrame:
    """Link cells as the workflow does."""
    return tracking.link_cells(cells, shifts=moves)


WAYS = {"laptrack": by_laptrack, "brightcell": by_brightcell}


def measured(labels: list[np.ndarray]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the cells of label images, and the common shifts of the frames."""
    cells = pd.concat(
        [cell_table(page, page).assign(time=at) for at, page in enumerate(labels)], ignore_index=True
    )
    return cells, shifts.common_shifts(labels, shifts.typical_diameter(cells["area_px"])).to_numpy()


def tell(name: str, films: list[tuple]) -> None:
    """Print the mean scores of films, each of true images, true tracks, predicted images, their cells and common shifts."""
    for way, link in WAYS.items():
        scores, begun = [], time.process_time()
        for truth, tracks, labels, cells, moves in films:
            linked = cells[["time", "cell"]].join(link(cells, moves))
            scores.append(track_scores.score_tracks(truth, tracks, labels, linked))
        table = pd.DataFrame(scores)
        means = " | ".join(f"{table[each].mean():.3f}" for each in SHOWN)
        divisions = ", ".join(str(table[each].sum()) for each in DIVISIONS)
        print(
            f"| {name} | {way} | {means} | {divisions} | {table['switches'].sum()} | {time.process_time() - begun:.1f} |",
            flush=True,
        )


def of_labels(truth: np.ndarray, lineage: pd.DataFrame, labels: np.ndarray) -> tuple:
    """Return a film of `tell` from label images (frames, height, width)."""
    names = {"cell": "label", "first_frame": "begin", "last_frame": "end"}
    tracks = track_scores.true_tracks(list(truth), lineage.rename(columns=names))
    return list(truth), tracks, list(labels), *measured(list(labels))


def of_table(cells: pd.DataFrame, tracks: pd.DataFrame) -> tuple:
    """Return a film of `tell` from a table: in the label images for the scores every cell is a pixel."""
    frames = [own for _, own in cells.groupby("time")]
    y, x = np.mgrid[:SIDE, :SIDE]
    pictures = []
    for own in frames:
        page = np.zeros((SIDE, SIDE), np.int32)
        for cell, row, column in zip(own["cell"], own["row_px"], own["column_px"], strict=True):
            box = tuple(slice(max(0, int(place) - 9), int(place) + 10) for place in (row, column))
            page[box][np.hypot(y[box] - row, x[box] - column) < DIAMETER / 2] = cell
        pictures.append(page)
    moves = shifts.common_shifts(pictures, DIAMETER).to_numpy()
    return (
        [own[["true"]].to_numpy().T for own in frames],
        tracks,
        [own[["cell"]].to_numpy().T for own in frames],
        cells,
        moves,
    )


def ecoli(folder: Path) -> tuple:
    """Return the real film: the truth is the overlap of cells after the shift of all."""
    labels = tifffile.imread(next(folder.rglob("trpL_150310-11_mask.tif"))).astype(np.int32)
    own: dict[int, int] = {}
    parents: dict[int, int] = {}
    truth = np.zeros_like(labels)
    for at, page in enumerate(labels):
        numbers = np.unique(page[page > 0]).tolist()
        mother = dict.fromkeys(numbers, 0)
        if at:
            earlier, later = ((each[::2, ::2] > 0).astype(np.float32) for each in (labels[at - 1], page))
            heights = signal.correlate(later, earlier, method="fft")
            shift = 2 * (np.array(np.unravel_index(heights.argmax(), heights.shape)) + 1 - later.shape)
            moved = np.zeros_like(page)
            rows, columns = np.nonzero(labels[at - 1])
            seen = (rows + shift[0] >= 0) & (rows + shift[0] < len(page)) & (columns + shift[1] >= 0)
            rows, columns = rows[seen], columns[seen]
            moved[rows + shift[0], columns + shift[1]] = labels[at - 1][rows, columns]
            mother = {each: int(np.bincount(moved[page == each])[1:].argmax()) + 1 for each in numbers}
        shared = Counter(mother.values())
        now = {}
        for each in numbers:
            if at and shared[mother[each]] == 1:
                now[each] = own[mother[each]]
            else:
                now[each] = len(parents) + 1
                parents[now[each]] = own.get(mother[each], 0)
            truth[at][page == each] = now[each]
        own = now
    return of_labels(truth, pd.DataFrame({"cell": list(parents), "parent": list(parents.values())}), labels)


def predictions(results: Path, network: str) -> dict[str, np.ndarray]:
    """Read the labels of a network's test frames, by sequence."""
    pages = {}
    for path in sorted(results.glob(f"models/*/{network}/fold*-seed1/labels.tif")):
        pages |= stacks.read_stack(path)
    groups: dict[str, list] = {}
    for sample in sorted(pages):
        groups.setdefault(sample.rsplit("_", 1)[0], []).append(pages[sample])
    return {group: np.stack(own) for group, own in groups.items()}


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--results", type=Path, help="results folder of the demo")
    parser.add_argument("--ecoli", type=Path, help="folder of the E. coli film")
    parser.add_argument(
        "--frames", type=int, default=24, help="frames of a simulated sequence with true labels"
    )
    arguments = parser.parse_args()
    print(
        "| labels | linked by | TRA | LNK | CT | BC | divisions found, invented, missed | switches | s |\n|---|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    films = [film(seed) for seed in (10, 11)]
    tell("dense films, 200 frames", [of_table(*each) for each in films])
    tell("the same with a jump of 16 px", [of_table(*jumped(*each, 100, (16, 0))) for each in films])
    if arguments.ecoli:
        tell("E. coli", [ecoli(arguments.ecoli)])
    demo = yaml.safe_load((ROOT / "config/config.yaml").read_text())["simulate"]
    sequences = {
        f"sequence{number}": simulate_sequence(demo["seed"], number, arguments.frames, demo["size"])
        for number in range(1, demo["sequences"] + 1)
    }
    for step in (1, 2, 3):
        made = [
            of_labels(each.labels[::step], each.lineage, each.labels[::step].astype(np.int32))
            for each in sequences.values()
        ]
        tell(f"true, a frame every {20 * step} min", made)
    if arguments.results:
        for network in sorted(
            {path.parts[-3] for path in arguments.results.glob("models/*/*/fold*-seed1/labels.tif")}
        ):
            found = predictions(arguments.results, network)
            made = [
                of_labels(sequences[name].labels[: len(own)], sequences[name].lineage, own)
                for name, own in found.items()
            ]
            tell(f"predicted, {network}", made)


if __name__ == "__main__":
    main()
