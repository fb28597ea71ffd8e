"""Compare recipes of training on the fields of one fold, to choose one on fields that are not reported.

    .venv/bin/snakemake check folds --configfile config/nih3t3.yaml --cores 2     # prepares the stacks
    .venv/bin/python benchmarks/training/recipes.py results/nih3t3 --seeds 1 2 3 --table recipes.tsv

Every recipe changes some keys of the default config. Each training has the same number of steps. The watershed is
calibrated on the fold's validation fields and scored on its test fields, with and without symmetries. Finished trainings
are in the table and are not repeated, so that a run may be stopped and go on. Prints the means over fields and seeds, and
the difference to the first recipe with an interval over seeds.
"""

import argparse
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts")]

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from scipy import stats  # noqa: E402

from brightcell import files  # noqa: E402
from brightcell.config import validation  # noqa: E402
from brightcell.io import stacks  # noqa: E402
from brightcell.metrics.matching import match_cells  # noqa: E402
from brightcell.metrics.registry import cell_scores  # noqa: E402
from brightcell.sheets import roles  # noqa: E402

SCORES = ("ap50", "ap70", "mean_ap", "seg")
RECIPES = {
    "default": {},
    "constant rate 0.001": {"schedule": "constant", "learning_rate": 0.001},
    "momentum 0.99": {"statistics_momentum": 0.99},
}


def rows_of(results: Path, fold: int, role: str) -> pd.DataFrame:
    """Return the rows of a role in samples.tsv."""
    samples, folds = (files.read_table(results / f"{name}.tsv") for name in ("samples", "folds"))
    return roles.rows_in_role(samples, folds, "grouped", fold, role)


def stacks_of(results: Path, rows: pd.DataFrame, name: str) -> list[Path]:
    """Return the prepared stacks of some rows."""
    return [results / "prepared" / group / f"{name}.tif" for group in rows["group"].unique()]


def train_and_score(options: argparse.Namespace, recipe: str, seed: int) -> pd.DataFrame:
    """Train once; returns recipe, seed, symmetries, sample and the scores of every test field."""
    from brightcell.compute import backend

    precision = backend.start(1, "cpu", "auto")
    from brightcell.inference import engines, tiling
    from brightcell.instances import calibration, labelling
    from brightcell.training import checkpoints, data
    from brightcell.training.run import Run, random_seed

    config = validation.complete({"dataset": "bench", "samples": "bench.tsv"}, validation.load_schema())
    short = {"epochs": options.epochs, "steps_per_epoch": options.steps, "patience": options.epochs}
    training = config["training"] | short | RECIPES[recipe]
    percentiles = config["images"]["percentiles"]
    results, fold = options.results, options.fold
    rows = {role: rows_of(results, fold, role) for role in ("train", "validate", "test")}
    frames = [
        data.load_frames(*(stacks_of(results, rows[role], name) for name in ("frames", "truth")), rows[role], percentiles)
        for role in ("train", "validate")
    ]  # fmt: skip
    network = config["network"] | {"filters": options.filters}
    _, shape = data.shape_of(network, rows["train"])
    luck = random_seed(seed, "grouped", fold, options.network)
    run = Run(options.network, shape, training, *frames, luck, precision)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.keras"
        run.train(
            checkpoints.Checkpoint(Path(folder) / "state", run.made_of("")), model.with_name("diverged.keras")
        )
        run.save(model)
        predict = engines.load_predictor(model, precision)
    described = {"percentiles": percentiles, "network": options.network, "levels": shape["levels"]}
    told = []
    for symmetries in (False, True):
        settings = config["prediction"] | {"symmetries": symmetries, "overlap": 64, "batch_size": 4}
        maps = {}
        for role in ("validate", "test"):
            images = stacks.read_named(stacks_of(results, rows[role], "frames"), rows[role])
            truths = stacks.read_named(stacks_of(results, rows[role], "truth"), rows[role])
            maps[role] = {
                name: (truths[name][..., 0], *stacks.split_maps(tiling.predict_frame(predict, image, described, settings)))
                for name, image in images.items()
            }  # fmt: skip
        chosen, _ = calibration.calibrate_markers(
            lambda found=maps: iter(found["validate"].values()), config["watershed"]
        )
        for name, (truth, *of_frame) in maps["test"].items():
            labels = labelling.label_cells(*of_frame, **chosen["parameters"])
            scores = cell_scores(match_cells(truth, labels))
            told.append(
                {"recipe": recipe, "seed": seed, "symmetries": symmetries, "sample": name}
                | {score: scores[score] for score in SCORES}
            )
    return pd.DataFrame(told)


def difference(own: np.ndarray, other: np.ndarray) -> str:
    """Write the mean difference of paired seeds with a 95 % interval (Student's t); without one for a single seed."""
    each = own - other
    if len(each) < 2:
        return f"{each.mean():+.3f}"
    half = stats.t.ppf(0.975, len(each) - 1) * each.std(ddof=1) / len(each) ** 0.5
    return f"{each.mean():+.3f} ({each.mean() - half:+.3f} to {each.mean() + half:+.3f})"


def print_tables(table: pd.DataFrame) -> None:
    """Print the means, and the differences to the first recipe, with and without symmetries."""
    means = table.groupby(["symmetries", "recipe", "seed"])[list(SCORES)].mean()
    first = next(iter(RECIPES))
    for symmetries, of_kind in means.groupby(level=0):
        print(
            f"\n{'With' if symmetries else 'Without'} symmetries; difference to {first} over seeds in brackets\n"
        )
        print(f"| recipe | seeds | {' | '.join(SCORES)} |\n|---|---:|{'---|' * len(SCORES)}")
        base = of_kind.xs((symmetries, first)) if (symmetries, first) in of_kind.index.droplevel(2) else None
        for recipe in RECIPES:
            if recipe not in of_kind.index.get_level_values(1):
                continue
            own = of_kind.xs((symmetries, recipe))
            seeds = own.index.intersection(base.index) if base is not None else own.index[:0]
            cells = []
            for score in SCORES:
                cell = f"{own[score].mean():.3f}"
                if recipe != first and len(seeds):
                    cell += (
                        f"; {difference(own.loc[seeds, score].to_numpy(), base.loc[seeds, score].to_numpy())}"
                    )
                cells.append(cell)
            print(f"| {recipe} | {len(own)} | {' | '.join(cells)} |")


def main() -> None:
    """Run what is missing, each training in a process of its own, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder with samples.tsv, folds.tsv and prepared/")
    parser.add_argument("--table", type=Path, default=Path("recipes.tsv"), help="scores of what is finished")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--network", default="simple")
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--steps", type=int, default=40, help="steps of an epoch")
    parser.add_argument("--only-print", action="store_true")
    options = parser.parse_args()
    wanted = [(recipe, seed) for seed in options.seeds for recipe in options.recipes]
    table = pd.read_csv(options.table, sep="\t") if options.table.exists() else pd.DataFrame()
    done = set(zip(table["recipe"], table["seed"], strict=True)) if len(table) else set()
    missing = [] if options.only_print else [each for each in wanted if each not in done]
    if len(wanted) == 1:  # the process of one training
        logging.basicConfig(level=logging.WARNING)
        if missing:
            files.write_table(pd.concat([table, train_and_score(options, *missing[0])]), options.table)
        return
    for recipe, seed in missing:
        print(f"{recipe}, seed {seed}", file=sys.stderr, flush=True)
        command = [sys.executable, __file__, *sys.argv[1:], "--recipes", recipe, "--seeds", str(seed)]
        subprocess.run(command, check=True)
    print_tables(pd.read_csv(options.table, sep="\t"))


if __name__ == "__main__":
    main()
