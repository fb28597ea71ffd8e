"""Measure what mixed bfloat16 costs in cell IoU, beside what another seed does.

    .venv/bin/python benchmarks/training/precision.py                             # after `make demo`: the demo's frames
    .venv/bin/python benchmarks/training/precision.py --results results/hela_hour

Short trainings of a small network on a fold of prepared frames, each seed in both precisions. The cell IoU is that of
the fold's test frames at a threshold of 0.5, all pixels pooled.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts")]

import numpy as np  # noqa: E402
from steps import STUDY, build, settings  # noqa: E402


def load(results: Path, role: str, percentiles=(0.5, 99.5)) -> list:
    """Load the frames of a role in the first fold."""
    from brightcell import files
    from brightcell.sheets import roles
    from brightcell.training import data

    tables = (files.read_table(results / f"{name}.tsv") for name in ("samples", "folds"))
    rows = roles.rows_in_role(*tables, "grouped", 1, role)
    paths = (
        [results / "prepared" / group / name for group in rows["group"].unique()]
        for name in ("frames.tif", "truth.tif")
    )
    return data.load_frames(*paths, rows, percentiles)


def main() -> None:
    """Train, score, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=ROOT / "results/demo")
    parser.add_argument("--network", default="simple")
    for name, value in {
        "filters": 8, "levels": 4, "patch": 128, "batch": 4, "epochs": 4, "steps": 50, "seeds": 3, "threads": 1,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    from brightcell.compute import backend

    backend.start(options.threads, "cpu", "auto")
    from brightcell.training import loop, loss, validation

    frames = {role: load(options.results, role) for role in ("train", "validate", "test")}
    wanted = settings(options.patch, options.batch) | {
        "epochs": options.epochs, "steps_per_epoch": options.steps, "learning_rate": 0.003, "schedule": "cosine",
        "statistics_momentum": 0.9, "patience": options.epochs, "augmentation": STUDY | {"rotation": 180, "shift": 0},
    }  # fmt: skip
    tiles = validation.validation_tiles(frames["test"], options.patch, 1)
    scores = {}
    channels = frames["train"][0].image.shape[-1]
    for seed in range(1, options.seeds + 1):
        for precision in ("float32", "mixed_bfloat16"):
            model = build(
                options.network, options.filters, options.levels, options.patch, channels, precision, seed
            )
            loop.train(model, frames["train"], frames["validate"], wanted, seed)
            plain = build(
                options.network, options.filters, options.levels, options.patch, channels, "float32"
            )
            plain.set_weights(model.get_weights())
            scores[seed, precision] = validation.validate(
                loss.without_sigmoid(plain), tiles, loss.SegmentationLoss(), options.batch
            )[1]
            print(f"seed {seed} {precision}: {scores[seed, precision]:.4f}", file=sys.stderr, flush=True)
    single, mixed = (
        np.array([scores[seed, name] for seed in range(1, options.seeds + 1)])
        for name in ("float32", "mixed_bfloat16")
    )
    steps = options.epochs * options.steps
    print(f"{options.results.name}: {options.network}, {options.filters} filters, patches of {options.patch} px, {steps} steps of "
          f"{options.batch}; cell IoU on {len(frames['test'])} test frames\n")  # fmt: skip
    print("| seed | float32 | mixed bfloat16 | difference |\n|---:|---:|---:|---:|")
    for seed, (one, other) in enumerate(zip(single, mixed, strict=True), 1):
        print(f"| {seed} | {one:.4f} | {other:.4f} | {other - one:+.4f} |")
    print(f"| mean | {single.mean():.4f} | {mixed.mean():.4f} | {mixed.mean() - single.mean():+.4f} |")
    print(
        f"\nSpread of the seeds (standard deviation): float32 {single.std(ddof=1):.4f}, mixed {mixed.std(ddof=1):.4f}."
    )


if __name__ == "__main__":
    main()
