"""Measure what chosen crops are worth, beside random crops with as many cells, with the truth as the annotator.

    .venv/bin/python benchmarks/annotation/chosen_crops.py --results results/hela_hour [--rounds 3] [--seeds 2] [--cells 40]

Needs prepared frames with a number for every cell: `.venv/bin/snakemake prepare --configfile config/hela_hour.yaml --cores all`.
Half of the groups test and are never drawn; the others are the recordings. Both arms start from the same random crops. In every
round, two small networks are trained from the start on the crops drawn so far, and more cells are drawn: in crops that
`snakemake suggest` would choose with these networks, or in random crops. Scores are AP50 on the test groups, with the
watershed's default settings, in pairs of the two arms over groups and seeds.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "benchmarks/training")]

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from steps import build, settings  # noqa: E402

from brightcell import files  # noqa: E402
from brightcell.annotation import crops  # noqa: E402
from brightcell.comparison import chance  # noqa: E402
from brightcell.io import stacks  # noqa: E402
from brightcell.metrics import instance_scores  # noqa: E402
from brightcell.recordings import quality, segmentation  # noqa: E402

WATERSHED = {"threshold": 0.5, "smoothing_px": 1.0, "depth": 0.1, "minimum_area_px": 20}
MEMBERS = 2
ARMS = ("random", "chosen")


def read(results: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], pd.DataFrame]:
    """Read frames and labels by sample, and their table."""
    table = files.read_table(results / "samples.tsv")
    paths = [
        [results / "prepared" / group / f"{kind}.tif" for group in table["group"].unique()]
        for kind in ("frames", "truth")
    ]
    frames, labels = (stacks.read_named(each, table) for each in paths)
    return frames, {name: page[..., 0] for name, page in labels.items()}, table


class Annotator:
    """Knows the truth; gives training frames of the crops that are drawn, and counts the cells in them."""

    def __init__(self, frames: dict, labels: dict):
        from brightcell.preprocessing import normalisation

        self.images = {name: normalisation.normalise(frame, (0.5, 99.5)) for name, frame in frames.items()}
        self.labels = labels

    def draw(self, crop: dict) -> tuple:
        """Return a crop to train on, and the number of its cells."""
        from brightcell.training.patches import TrainingFrame

        window = tuple(
            slice(crop[start], crop[start] + crop[length])
            for start, length in (("top_px", "height"), ("left_px", "width"))
        )
        labels = self.labels[crop["sample"]][window]
        return TrainingFrame.from_labels(self.images[crop["sample"]][window], labels), int(
            np.count_nonzero(np.unique(labels) > 0)
        )


def train(frames: list, seed: int, options: argparse.Namespace) -> list:
    """Train the members of an ensemble on crops, of which every fourth validates."""
    from brightcell.training import loop

    validating = frames[3::4] or frames[-1:]
    training = [frame for number, frame in enumerate(frames) if number % 4 != 3]
    wanted = settings(options.patch, 4) | {
        "epochs": options.epochs, "steps_per_epoch": options.steps, "learning_rate": 0.003, "schedule": "cosine",
        "statistics_momentum": 0.9, "patience": options.epochs, "rate_share": 0.1,
        "augmentation": {"rotation": 180, "shift": 0, "shear": 0, "zoom": 0.2, "scale": 0, "flip": True, "elastic_px": 0,
                         "elastic_scale_px": 32, "gamma": 0.2, "contrast": 0.2, "noise": 0.03, "blur": 1},
    }  # fmt: skip
    models = []
    for member in range(MEMBERS):
        number = 100 * seed + member
        model = build("simple", options.filters, 4, None, frames[0].image.shape[-1], "float32", number)
        loop.train(model, training, validating, wanted, number)
        models.append(model)
    return models


def segment(models: list, frame: np.ndarray, image: np.ndarray, name: str) -> segmentation.Segmented:
    """Segment a frame as `snakemake segment` does."""
    from brightcell.inference import predict_tiled
    from brightcell.recordings.ensemble import Averaged

    averaged = Averaged([model.predict_on_batch for model in models])
    maps = predict_tiled(averaged, image, 256, 64, multiple=8)
    row = {"sample": name, "frame": "0", "image": name}
    return segmentation.separate(
        segmentation.Prepared(row, frame, float("nan"), frame, 1.0), maps, WATERSHED, len(models)
    )


def offer(found: dict[str, segmentation.Segmented], table: pd.DataFrame, diameters: float) -> pd.DataFrame:
    """Return the crops that `suggest` would choose from; a group is a recording."""
    parts = []
    for group, own in table.groupby("group"):
        frames = pd.DataFrame([found[name].summary for name in own["sample"]])
        cells = pd.concat([found[name].cells for name in own["sample"]], ignore_index=True)
        judged = quality.judge(frames, cells, None, ordered=False)
        doubt = {name: found[name].doubt for name in own["sample"]}
        parts.append(
            crops.candidates(str(group), crops.Recording(frames, cells, judged, doubt), diameters, None)
        )
    return pd.concat(parts, ignore_index=True)


def at_random(offered: pd.DataFrame, drawn: list[dict], rng: np.random.Generator) -> pd.DataFrame:
    """Return crops of random frames and places in a random order, without those that overlap drawn ones or each other."""
    rows, taken = [], list(drawn)
    for place in rng.permutation(len(offered)):
        crop = offered.iloc[place].to_dict()
        if not any(overlap(crop, other) for other in taken):
            rows.append(crop)
            taken.append(crop)
    return pd.DataFrame(rows)


def overlap(one: dict, other: dict) -> bool:
    """Return whether two crops share pixels."""
    return one["sample"] == other["sample"] and all(
        one[start] < other[start] + other[length] and other[start] < one[start] + one[length]
        for start, length in (("top_px", "height"), ("left_px", "width"))
    )


def places(table: pd.DataFrame, labels: dict, side: int) -> pd.DataFrame:
    """Return all crops of a grid, without what networks say of them."""
    rows = []
    for sample, group in zip(table["sample"], table["group"], strict=True):
        (tops, height), (lefts, width) = (crops._starts(length, side) for length in labels[sample].shape)
        rows += [
            {
                "recording": group,
                "sample": sample,
                "frame": 0,
                "top_px": int(top),
                "left_px": int(left),
                "height": height,
                "width": width,
            }
            for top in tops
            for left in lefts
        ]
    return pd.DataFrame(rows)


def run(
    seed: int, frames: dict, annotator: Annotator, table: pd.DataFrame, options: argparse.Namespace
) -> list[dict]:
    """Draw in both arms for some rounds; return AP50 of each arm, round and test group."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.unique(table["group"]))
    tested = table[table["group"].isin(groups[: len(groups) // 2])]
    pool = table[~table["group"].isin(tested["group"])]
    areas = np.concatenate(
        [np.unique(annotator.labels[name], return_counts=True)[1][1:] for name in pool["sample"]]
    )
    side = round(options.diameters * 2 * np.sqrt(np.median(areas) / np.pi))
    grid = places(pool, annotator.labels, side)
    rows = []
    for arm in ARMS:
        own = np.random.default_rng([seed, 1])  # both arms begin with the same crops
        drawn: list[dict] = []
        known: list = []
        cells = 0
        wanted = at_random(grid, [], own)
        for number in range(options.rounds + 1):
            budget = options.cells * (number + 1)
            for crop in wanted.to_dict("records"):
                if cells >= budget:
                    break
                frame, count = annotator.draw(crop)
                drawn.append(crop)
                known.append(frame)
                cells += count
            models = train(known, seed, options)
            for sample, group in zip(tested["sample"], tested["group"], strict=True):
                labels = segment(models, frames[sample], annotator.images[sample], sample).labels
                ap50 = instance_scores(annotator.labels[sample], labels)["ap50"]
                rows.append(
                    {"seed": seed, "arm": arm, "round": number, "group": group, "cells": cells, "ap50": ap50}
                )
            means = pd.DataFrame(rows).query("arm == @arm and round == @number")["ap50"].mean()
            print(
                f"seed {seed} {arm} round {number}: {cells} cells in {len(drawn)} crops, AP50 {means:.3f}",
                file=sys.stderr,
                flush=True,
            )
            if number < options.rounds:
                if arm == "random":
                    wanted = at_random(grid, drawn, own)
                else:
                    found = {
                        name: segment(models, frames[name], annotator.images[name], name)
                        for name in pool["sample"]
                    }
                    offered = offer(found, pool, options.diameters)
                    wanted = crops.choose(offered, 2 * options.cells, pd.DataFrame(drawn))
    return rows


def main() -> None:
    """Run both arms, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=ROOT / "results/hela_hour")
    parser.add_argument("--diameters", type=float, default=6)
    for name, value in {
        "filters": 8, "patch": 128, "epochs": 5, "steps": 40, "rounds": 3, "seeds": 2, "cells": 40, "threads": 1,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    from brightcell.compute import backend

    backend.start(options.threads, "cpu", "float32")
    frames, labels, table = read(options.results)
    annotator = Annotator(frames, labels)
    rows = [
        row for seed in range(1, options.seeds + 1) for row in run(seed, frames, annotator, table, options)
    ]
    found = pd.DataFrame(rows)
    print(f"{options.results.name}: {options.seeds} seeds, {MEMBERS} networks of {options.filters} filters, "
          f"{options.epochs * options.steps} steps each\n")  # fmt: skip
    print(
        "| round | cells, random | cells, chosen | AP50, random | AP50, chosen | difference |\n|---:|---:|---:|---:|---:|---|"
    )
    for number, own in found.groupby("round"):
        cells = own.groupby("arm")["cells"].mean()
        wide = own.pivot(index=["seed", "group"], columns="arm", values="ap50")
        gain = (wide["chosen"] - wide["random"]).to_numpy()
        span = chance.interval(gain.mean(), chance.of_groups(gain), 0.95)
        print(f"| {number} | {cells['random']:.0f} | {cells['chosen']:.0f} | {wide['random'].mean():.3f} | {wide['chosen'].mean():.3f} | "
              f"{gain.mean():+.3f} ({span.low:+.3f} to {span.high:+.3f}) |")  # fmt: skip


if __name__ == "__main__":
    main()
