"""Calibrate and score the watersheds again on the maps of a finished run, whatever it was made with; nothing is trained.

    python benchmarks/instances/finished_run.py results/hela_hour

Prints tables in Markdown: each network's scores with the study's watershed, with the calibrated one from the foreground
alone and with learned markers, paired differences, and how long the calibration took. The run's files stay as they are.
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow" / "scripts")]

import calibrate  # noqa: E402
import label  # noqa: E402
import score  # noqa: E402
from brightcell import files  # noqa: E402
from brightcell.comparison.numbers import show, show_interval, show_signed  # noqa: E402
from brightcell.comparison.watersheds import compare_watersheds  # noqa: E402
from brightcell.config import validation  # noqa: E402
from brightcell.instances.variants import OTHERS, SCORES  # noqa: E402
from brightcell.metrics.registry import METRICS  # noqa: E402
from brightcell.report.table_rows import watershed_rows  # noqa: E402

TABLES = ("frames", "cells", "curves", "reliability", "watersheds")


def score_model(model: Path, results: Path, folder: Path, options: dict) -> tuple[pd.DataFrame, dict]:
    """Calibrate, label and score one training; gives its watersheds.tsv, and value and seconds of the calibration."""
    log, samples = logging.getLogger("bench"), results / "samples.tsv"
    truth = sorted(results.glob("prepared/*/truth.tif"))
    made = SimpleNamespace(parameters=folder / "calibration.json", tried=folder / "calibration.tsv")
    start = time.process_time()
    calibrate.main(
        model / "predictions/validate.tif", truth, samples, made.parameters, made.tried, options, False
    )
    seconds = time.process_time() - start
    test, labels = model / "predictions/test.tif", folder / "labels.tif"
    others = {name: folder / f"{name}.tif" for name in OTHERS}
    label.main(test, made.parameters, labels, others, log)
    outputs = {name: folder / f"{name}.tsv" for name in TABLES}
    fold, seed = (int(part.strip("foldse")) for part in model.name.split("-"))
    names = {"scheme": model.parts[-3], "network": model.parts[-2], "fold": fold, "seed": seed}
    score.main(labels, truth, samples, outputs, log, test, made.parameters, others, **names)
    found = files.read_json(made.parameters)
    settled = {"score": found["score"], "value": found["value"], "seconds": seconds}
    return files.read_table(outputs["watersheds"]), settled


def print_table(gains: pd.DataFrame) -> None:
    """Print a row a network and variant, then a row a difference."""
    print(f"| network | watershed | {' | '.join(METRICS[name].title for name in SCORES)} |")
    print("|---|---|" + "---|" * len(SCORES))
    for row in watershed_rows(gains):
        write = show_signed if row["minus"] else show
        cells = [
            f"{write(cell['mean'], name)} ({show_interval(cell['low'], cell['high'], name)})"
            for name, cell in ((name, row["cells"][name]) for name in SCORES)
        ]
        variant = f"{row['variant']} − {row['minus']}" if row["minus"] else row["variant"]
        print(f"| {row['network']} | {variant} | {' | '.join(cells)} |")


def main(results: Path, draws: int) -> None:
    """Print the tables of every scheme."""
    asked = {"dataset": "bench", "samples": "bench.tsv"}
    options = validation.complete(asked, validation.load_schema())["watershed"]
    models = sorted(path.parents[1] for path in results.glob("models/*/*/*/predictions/validate.tif"))
    if not models:
        raise SystemExit(
            f"{results}: no models/*/*/*/predictions/validate.tif; expected the folder of a finished run"
        )
    with tempfile.TemporaryDirectory() as folder:
        tables, settled = zip(
            *(score_model(model, results, Path(folder), options) for model in models), strict=True
        )
    gains = compare_watersheds(pd.concat(tables, ignore_index=True), draws=draws, confidence=0.95, seed=1)
    for scheme, own in gains.groupby("scheme", sort=False):
        print(f"\nScheme {scheme}, {own['groups'].max()} groups, {own['frames'].max()} frames\n")
        print_table(own)
    settled = pd.DataFrame(settled)
    print(
        f"\nCalibration of both kinds of markers: {settled['seconds'].mean():.1f} s of processor time a training; ",
        end="",
    )
    print(f"mean {settled['score'].iloc[0]} on validation frames {settled['value'].mean():.4f}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder of a finished run, such as results/hela_hour")
    parser.add_argument("--draws", type=int, default=10000, help="bootstrap draws of groups")
    given = parser.parse_args()
    main(given.results, given.draws)
