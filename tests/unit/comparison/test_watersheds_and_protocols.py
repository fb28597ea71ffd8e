from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scored import table

import compare as script
from brightcell.files import read_table, write_table
from brightcell.folds import assign_folds
from brightcell.instances.variants import SCORES

WATERSHEDS = {"published": 0.2, "learned": 0.7}
NETWORKS = ("simple", "attention", "residual_attention")
TABLES = ("scores", "summary", "differences", "leakage", "published", "curves", "reliability", "watersheds")


def write_trainings(folder, schemes):
    """Write what `score` writes for three networks: cell IoU rises by 0.1 from one to the next."""
    base = np.array([0.5, 0.6, 0.7])
    lists = {"frames": [], "curves": [], "reliability": [], "watersheds": []}
    for gain, scheme in enumerate(schemes):
        scores = table({name: base + i / 10 + gain / 20 for i, name in enumerate(NETWORKS)}, scheme=scheme)
        for network, rows in scores.assign(seg=np.nan).groupby("network", sort=False):
            names = rows[["scheme", "network", "fold", "seed", "sample", "group"]]
            found = (1000 * rows["cell_iou"]).round()
            curves = pd.concat(
                names.assign(
                    threshold=threshold, pixels_tp=found, pixels_fp=0, pixels_fn=1000 - found, pixels_tn=9000
                )
                for threshold in (0.5, 0.55)
            )
            bins = names.drop(columns="sample").drop_duplicates("group")
            bins = bins.assign(bin_low=0.9, bin_high=1.0, pixels=10, probability=0.95, cell_share=0.9)
            watersheds = pd.concat(names.assign(variant=each, ap50=ap50) for each, ap50 in WATERSHEDS.items())
            watersheds = watersheds.assign(**dict.fromkeys(set(SCORES) - {"ap50"}, 0.5))
            written = {"frames": rows, "curves": curves, "reliability": bins, "watersheds": watersheds}
            for name, part in written.items():
                lists[name].append(folder / scheme / network / f"{name}.tsv")
                write_table(part, lists[name][-1])
    samples = scores[["sample", "group"]].drop_duplicates()
    folds = [assign_folds(samples, scheme, 3, 1) for scheme in schemes]
    lists["folds"] = folder / "folds.tsv"
    write_table(pd.concat(folds), lists["folds"])
    return SimpleNamespace(**lists), list(samples["sample"])


def run(folder, schemes):
    inputs, order = write_trainings(folder, schemes)
    outputs = SimpleNamespace(**{name: folder / f"{name}.tsv" for name in TABLES})
    options = {"draws": 200, "confidence": 0.95, "margin": 0.02, "primary": "cell_iou"}
    script.main(inputs, outputs, order, options, [], {})
    return {name: read_table(path) for name, path in vars(outputs).items()}


def test_script_joins_and_compares(tmp_path):
    made = run(tmp_path, ["grouped"])
    assert len(made["scores"]) == 3 * 3 * 2
    assert made["summary"]["network"].tolist() == list(NETWORKS)
    assert made["summary"]["mean"].tolist() == pytest.approx([0.6, 0.7, 0.8])
    assert made["differences"]["difference"].tolist() == pytest.approx([-0.1, -0.2, -0.1])
    assert made["differences"]["margin"].unique().tolist() == [0.02]
    assert made["leakage"].empty
    # of 10,000 pixels 1,000 are cell, of which as many are found as the cell IoU says; every frame counts alike
    assert made["published"]["cell_iou"].tolist() == pytest.approx([0.6, 0.7, 0.8])
    assert made["published"]["background_iou"].tolist() == pytest.approx([0.9576, 0.9677, 0.9783], abs=1e-3)
    assert made["published"]["all_background_accuracy"].tolist() == pytest.approx([0.9] * 3)
    assert made["curves"]["cell_recall"].tolist() == pytest.approx([0.6, 0.6, 0.7, 0.7, 0.8, 0.8])
    assert made["reliability"]["pixels"].tolist() == [30] * 3
    watersheds = made["watersheds"].query("score == 'ap50'")
    gained = watersheds[watersheds["minus"] == "published"]
    assert gained["variant"].tolist() == ["learned"] * 3
    assert gained["mean"].tolist() == pytest.approx([0.5] * 3)


def test_script_measures_leakage(tmp_path):
    made = run(tmp_path, ["grouped", "random"])
    leakage = made["leakage"]
    assert leakage["network"].tolist() == [*NETWORKS, "all"]
    assert leakage["inflation"].tolist() == pytest.approx([0.05] * 4)
    assert (leakage["groups"] == 3).all()
    assert sorted(made["published"]["scheme"].unique()) == ["grouped", "random"]
