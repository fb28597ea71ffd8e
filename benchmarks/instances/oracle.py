"""Say where the points lie: replace, one at a time, what the networks predict by the truth, and score the cells.

    .venv/bin/python benchmarks/instances/oracle.py results/hela_hour            # a finished run

The maps are those of the validation fields, and the watershed is calibrated on them, for every row anew. Nothing is trained
and the run's files stay as they are. The rows:

today        nothing is replaced
foreground   a pixel is cell where the truth says so
markers      one marker in the middle of every true cell; the predicted distance is flooded from these alone
lines        the true distance to the edge where two cells touch
distance     the true distance to the edge in all true cells
both         true foreground and true distance: what the watershed itself loses
test fields  nothing is replaced, on the test fields, by the settings of calibration.json
settings     the best settings for every test field by itself
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts")]

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from skimage.segmentation import watershed  # noqa: E402

from brightcell import files, trained  # noqa: E402
from brightcell.config import validation  # noqa: E402
from brightcell.instances import calibration, labelling  # noqa: E402
from brightcell.instances.distance import smooth  # noqa: E402
from brightcell.io import stacks  # noqa: E402
from brightcell.metrics.matching import match_cells  # noqa: E402
from brightcell.metrics.registry import METRICS, cell_scores  # noqa: E402
from brightcell.training.patches import normalised_distance  # noqa: E402

ROWS = ("today", "foreground", "markers", "lines", "distance", "both", "test fields", "settings")
SCORES = ("ap50", "ap70", "mean_ap", "seg", "splits", "merges")


def touching(truth: np.ndarray) -> np.ndarray:
    """Return the pixels of cells that have a pixel of another cell among their eight neighbours; bool (height, width)."""
    padded = np.pad(truth, 1)
    found = np.zeros(truth.shape, bool)
    for row in range(3):
        for column in range(3):
            beside = padded[row : row + truth.shape[0], column : column + truth.shape[1]]
            found |= (beside > 0) & (beside != truth)
    return found & (truth > 0)


def from_markers(truth: np.ndarray, maps: stacks.Maps, settings: dict) -> np.ndarray:
    """Flood the predicted distance from the middle of every true cell, within the predicted foreground."""
    mask, _ = labelling.find_foreground(maps.foreground, settings["threshold"], settings["minimum_area_px"])
    markers, middle = np.zeros(truth.shape, np.int32), normalised_distance(truth)
    for cell in np.unique(truth[truth > 0]):
        inside = truth == cell
        markers[inside & (middle == middle[inside].max())] = cell
    return watershed(-smooth(maps.distance, settings["smoothing_px"]), markers, mask=mask | (markers > 0))


def replaced(truth: np.ndarray, maps: stacks.Maps) -> dict[str, stacks.Maps]:
    """Return the maps of every row in which a map is replaced."""
    cell, distance = truth > 0, normalised_distance(truth)
    foreground = cell.astype(np.float32)
    within = np.where(cell, distance, maps.distance).astype(np.float32)
    lines = np.where(touching(truth), distance, maps.distance).astype(np.float32)
    return {
        "today": maps,
        "foreground": stacks.Maps(foreground, maps.distance),
        "lines": stacks.Maps(maps.foreground, lines),
        "distance": stacks.Maps(maps.foreground, within),
        "both": stacks.Maps(foreground, distance),
    }


def variants(frames: dict, options: dict) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield row, sample and label image of the frames of one training: (truth, maps) by sample.

    The settings are chosen for all frames together, for each row anew, as a network with such maps would have them.
    """
    size = calibration.typical_size(truth for truth, _ in frames.values())
    maps_of = {name: replaced(*frame) for name, frame in frames.items()}
    for row in next(iter(maps_of.values())):
        chosen = [(truth, *maps_of[name][row]) for name, (truth, _) in frames.items()]
        settings = calibration.calibrate(lambda chosen=chosen: iter(chosen), options, size).parameters
        for name, (truth, maps) in frames.items():
            yield row, name, labelling.label_cells(*maps_of[name][row], **settings)
            if row == "today":
                yield "markers", name, from_markers(truth, maps, settings)


def settings_known(frames: dict, calibrated: dict, options: dict) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield row, sample and label image of test frames by the settings as they are, and by the best ones for each frame."""
    for name, (truth, maps) in frames.items():
        size = calibration.typical_size([truth])
        best = calibration.calibrate(lambda alone=((truth, *maps),): iter(alone), options, size).parameters
        yield "test fields", name, labelling.label_cells(*maps, **calibrated)
        yield "settings", name, labelling.label_cells(*maps, **best)


def study(results: Path) -> pd.DataFrame:
    """Score all trainings of a run: network, training, sample, row and the scores."""
    asked = {"dataset": "bench", "samples": "bench.tsv"}
    options = validation.complete(asked, validation.load_schema())["watershed"]
    groups = files.read_table(results / "samples.tsv").set_index("sample")["group"]
    found = []
    for training in sorted(path.parent for path in results.glob("models/grouped/*/*/calibration.json")):
        calibrated = trained.read_calibration(training / "calibration.json")["parameters"]
        frames = {}
        for role in ("validate", "test"):
            maps = stacks.open_maps(training / f"predictions/{role}.tif")
            truth = {
                name: stacks.Pages(results / "prepared" / groups[name] / "truth.tif")[name] for name in maps
            }
            frames[role] = {name: (truth[name], maps[name]) for name in maps}
        if any(maps.distance is None for _, maps in frames["test"].values()):
            raise SystemExit(f"{training}: expected networks with the target foreground+distance")
        every = chain(
            variants(frames["validate"], options), settings_known(frames["test"], calibrated, options)
        )
        for row, name, labels in every:
            scores = cell_scores(match_cells((frames["validate"] | frames["test"])[name][0], labels))
            known = {"network": training.parent.name, "training": training.name, "sample": name, "row": row}
            found.append(known | {score: scores[score] for score in SCORES})
        print(training, file=sys.stderr, flush=True)
    if not found:
        raise SystemExit(f"{results}: no models/grouped/*/*/calibration.json; expected a finished run")
    return pd.DataFrame(found)


def main() -> None:
    """Print the table: means over fields, each the mean of its trainings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder of a finished run, such as results/hela_hour")
    table = study(parser.parse_args().results)
    trainings = table.groupby(["network", "training"]).ngroups
    means = table.groupby(["row", "sample"])[list(SCORES)].mean().groupby("row").mean()
    print(f"{trainings} trainings of {table['network'].nunique()} networks\n")
    print(f"| true | {' | '.join(METRICS[name].title for name in SCORES)} |\n|---|{'---:|' * len(SCORES)}")
    for row in ROWS:
        told = means.loc[row]
        cells = [
            f"{told[name]:.1f}" if name in ("splits", "merges") else f"{told[name]:.3f}" for name in SCORES
        ]
        print(f"| {row} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
