"""A finished study without training: the workflow's result files, of any size, with errors known beforehand.

The predictions are the truth with cells removed, added, merged, split and shrunk; how many is decided
here, so that a test can say what the report has to show. Scores and comparisons are the library's own.
"""

import importlib.util
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
from scenes import errors_of, predict, score_scene, simulate_scenes, turned
from trainings import calibration, history, recipe, watersheds

from brightcell.config import validation
from brightcell.files import read_table, write_json, write_table
from brightcell.folds import assign_schemes
from brightcell.io import stacks
from brightcell.metrics import registry
from brightcell.recordings import expected

ROOT = Path(__file__).parents[1]
NETWORKS = ("simple", "attention", "residual_attention")
# What a training leaves behind: name among the inputs, file.
FILES = {
    "histories": "history.csv",
    "recipes": "recipe.json",
    "calibrations": "calibration.tsv",
    "labels": "labels.tif",
    "model_frames": "frames.tsv",
    "cells": "cells.tsv",
    "model_curves": "curves.tsv",
    "model_reliability": "reliability.tsv",
    "model_watersheds": "watersheds.tsv",
    "speeds": "predictions/speed.json",
}
SCORED = {
    "model_frames": "frames",
    "cells": "cells",
    "model_curves": "curves",
    "model_reliability": "reliability",
}
HOSTILE_DATASET = "</script><script>window.hacked='dataset'</script>"
HOSTILE_SAMPLE = "<img src=x onerror=\"window.hacked='sample'\">'\"&amp; {{{{7*7}}}} {number}"
HOSTILE_GROUPS = (
    "<img src=x onerror=\"window.hacked='group'\">",
    "\"quotes\" & 'more' `ticks`",
    "\u202eגידול תאים\u202c",
    "🧫🔬 émigré 细胞",
    "very-long-" + 9 * "unbroken-",
    "constructor",
)


@dataclass
class Study:
    """The files of a study, as the rule `report` gets them, and what is known of it."""

    folder: Path
    dataset: str
    config: dict
    samples: pd.DataFrame
    inputs: SimpleNamespace
    networks: tuple[str, ...]
    runs: list[dict] = field(default_factory=list)

    def build(self, page: Path | None = None) -> Path:
        """Run the workflow's script `report`; give the page."""
        page = page or self.folder / "report.html"
        figures = page.parent / "figures"
        figures.mkdir(parents=True, exist_ok=True)
        script("report").main(self.inputs, str(page), str(figures), self.config, self.dataset)
        return page

    def mean(self, network: str, score: str) -> float:
        """Mean of a network's score in the first scheme, straight from the files of the trainings."""
        scheme = self.config["folds"]["schemes"][0]
        tables = [
            read_table(path) for path in self.inputs.model_frames if f"/{scheme}/{network}/" in str(path)
        ]
        frames = pd.concat(tables).groupby(["group", "sample"])[score].mean()
        return frames.groupby("group").mean().mean()


def script(name: str) -> ModuleType:
    """Load a script of the workflow as a module; its guarded block does not run."""
    spec = importlib.util.spec_from_file_location(f"{name}_script", ROOT / f"workflow/scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_study(
    folder: Path,
    networks: Iterable[str] = NETWORKS,
    folds: int = 3,
    seeds: int = 2,
    groups: int = 6,
    frames: int = 2,
    size: int = 128,
    schemes: tuple[str, ...] = ("grouped",),
    instances: bool = True,
    hostile: bool = False,
    failed: str | None = None,
    distinct: int = 8,
    epochs: int = 8,
) -> Study:
    """Write a study of `groups` × `frames` frames of `size` × `size` pixels into a folder.

    `distinct` frames are simulated; the others are their mirror images and quarter turns. With
    `hostile` the names of the data set, the groups and the samples try to run as code. The network
    `failed` is asked for by the config but has left no file.
    """
    networks, folder = tuple(networks), Path(folder)
    samples = sheet(groups, frames, size, instances, hostile, schemes)
    config = validation.complete(
        {
            "dataset": "study",
            "samples": "samples.tsv",
            "networks": list(networks),
            "seeds": list(range(1, seeds + 1)),
            "folds": {"schemes": list(schemes), "number": max(2, folds)},
            "comparison": {"draws": 500},
        },
        validation.load_schema(),
    )
    dataset = HOSTILE_DATASET if hostile else "study"
    config["dataset"] = dataset
    inputs = SimpleNamespace()
    scenes = simulate_scenes(min(distinct, len(samples)), size)
    write_frames(folder, samples, scenes, inputs)
    roles = assign_schemes(samples, config["folds"], "samples.tsv")
    trained = [network for network in networks if network != failed]
    predictions = {
        (scheme, network, seed, number): predict(scene[1], errors_of(network, scheme), [seed, number])
        for scheme in schemes
        for network in trained
        for seed in config["seeds"]
        for number, scene in enumerate(scenes)
    }
    study = Study(folder, dataset, config, samples, inputs, tuple(trained))
    write_models(study, roles, scenes, predictions, epochs)
    write_comparison(study, roles)
    return study


def sheet(groups: int, frames: int, size: int, instances: bool, hostile: bool, schemes) -> pd.DataFrame:
    """Table of samples as the workflow joins it; the column `scene` turns numbers into pictures."""
    rows = []
    for group in range(groups):
        name = HOSTILE_GROUPS[group % len(HOSTILE_GROUPS)] if hostile else f"sequence{group + 1}"
        for frame in range(frames):
            number = group * frames + frame
            sample = HOSTILE_SAMPLE.format(number=number) if hostile else f"sequence{group + 1}_{frame:02d}"
            split = "test" if group == groups - 1 else "validate" if group == groups - 2 else "train"
            rows.append(
                {
                    "sample": sample,
                    "group": name,
                    "frame": frame,
                    "split": split if "sheet" in schemes else "",
                    "mask_type": "instances" if instances else "binary",
                    "height": size,
                    "width": size,
                    "channels": 3,
                    "pixel_size_um": 0.5,
                }
            )
    return pd.DataFrame(rows)


def write_frames(folder: Path, samples: pd.DataFrame, scenes: list, inputs: SimpleNamespace) -> None:
    """Write the prepared stacks, the table of samples and the findings."""
    truth = {number: turned(scenes[number % len(scenes)][1], number, len(scenes)) for number in samples.index}
    samples["cells"] = [int(np.count_nonzero(np.unique(truth[number]))) for number in samples.index]
    made = []
    for group, members in samples.groupby("group", sort=False):
        place = folder / "prepared" / group
        for name, kind in (("frames", 0), ("truth", 1)):
            pages = (
                (row.sample.encode(), turned(scenes[number % len(scenes)][kind], number, len(scenes)))
                for number, row in zip(members.index, members.itertuples(), strict=True)
            )
            stacks.write_stack(place / f"{name}.tif", pages)
        made.append(place)
    inputs.prepared = folder / stacks.LIST
    stacks.list_groups(
        *([place / f"{kind}.tif" for place in made] for kind in ("frames", "truth")), inputs.prepared
    )
    inputs.samples, inputs.findings = folder / "samples.tsv", folder / "check/findings.tsv"
    write_table(samples, inputs.samples)
    worst = samples.iloc[0]
    findings = [
        (
            "warning",
            worst["sample"],
            worst["group"],
            "dim",
            "the frame is darker than its group",
            "look at it",
        ),
        ("note", "", worst["group"], "pixel size", "0.5 µm", "none needed"),
    ]
    columns = ["level", "sample", "group", "finding", "found", "advice"]
    write_table(pd.DataFrame(findings, columns=columns), inputs.findings)


def write_models(study: Study, roles, scenes, predictions, epochs: int) -> None:
    """Write what every training leaves behind, and list it in the inputs."""
    scored = {
        key: score_scene(scenes[key[-1]][1], labels, study.samples) for key, labels in predictions.items()
    }
    for kind in FILES:
        setattr(study.inputs, kind, [])
    tested = roles[roles["role"] == "test"]
    for (scheme, fold), part in tested.groupby(["scheme", "fold"], sort=False):
        rows = study.samples[study.samples["sample"].isin(part["sample"])]
        for network, seed in itertools.product(study.networks, study.config["seeds"]):
            run = {"scheme": scheme, "network": network, "fold": int(fold), "seed": seed}
            place = study.folder / f"models/{scheme}/{network}/fold{fold}-seed{seed}"
            keys = {number: (scheme, network, seed, number % len(scenes)) for number in rows.index}
            pages = (
                (rows.at[number, "sample"].encode(), turned(predictions[key], number, len(scenes)))
                for number, key in keys.items()
            )
            stacks.write_stack(place / "labels.tif", pages)
            write_json(recipe(run, epochs), place / "recipe.json")
            speed = {"frames": len(rows), "seconds": 0.5 * len(rows)}
            write_json({"validate": speed, "test": speed}, place / FILES["speeds"])
            tables = {
                name: pd.concat(
                    [
                        getattr(scored[key], kind).assign(
                            **run, sample=rows.at[number, "sample"], group=rows.at[number, "group"]
                        )
                        for number, key in keys.items()
                    ],
                    ignore_index=True,
                )
                for name, kind in SCORED.items()
            }
            tables["model_reliability"] = pooled(tables["model_reliability"].drop(columns="sample"))
            tables |= {"histories": history(run, epochs), "calibrations": calibration(network)}
            tables["model_watersheds"] = watersheds(run, tables["model_frames"], rows)
            for kind, table in tables.items():
                write_table(table, place / FILES[kind])
            study.runs.append(run)
            for kind, name in FILES.items():
                getattr(study.inputs, kind).append(place / name)


def pooled(bins: pd.DataFrame) -> pd.DataFrame:
    """Pool the reliability of frames over the frames of a group."""
    keys = ["scheme", "network", "fold", "seed", "group", "bin_low", "bin_high"]
    values = ["probability", "cell_share"]
    sums = bins[[*keys, "pixels"]].join(bins[values].mul(bins["pixels"], axis=0).fillna(0))
    sums = sums.groupby(keys, sort=False, as_index=False).sum()
    sums[values] = sums[values].div(sums["pixels"].replace(0, np.nan), axis=0)
    return sums


def write_comparison(study: Study, roles: pd.DataFrame) -> None:
    """Write folds and baseline, and run the workflow's script `compare`."""
    inputs, folder = study.inputs, study.folder
    inputs.folds, inputs.baseline, inputs.jobs = (
        folder / f"{name}.tsv" for name in ("folds", "baseline", "jobs")
    )
    write_table(roles, inputs.folds)
    jobs = [
        run | {"rule": rule, "seconds": 60.0, "memory_mb": 3000.0}
        for run in study.runs
        for rule in ("train", "predict")
    ]
    write_table(pd.DataFrame(jobs).assign(image="containers/train.sif", fingerprint="0123abcd"), inputs.jobs)
    outputs = {"scores": folder / "scores.tsv"}
    for name in ("summary", "differences", "leakage", "published", "curves", "reliability", "watersheds"):
        outputs[name] = folder / f"comparison/{name}.tsv"
    options = study.config["comparison"]
    script("compare").main(
        SimpleNamespace(
            frames=inputs.model_frames,
            curves=inputs.model_curves,
            reliability=inputs.model_reliability,
            watersheds=inputs.model_watersheds,
            folds=inputs.folds,
        ),
        SimpleNamespace(**outputs),
        order=list(study.samples["sample"]),
        options={"draws": 1000, "confidence": 0.95, "margin": 0.01, "primary": "cell_iou"} | options,
        trainings=[],
        contestants=study.config["contestants"],
    )
    vars(inputs).update(outputs)
    scores = read_table(outputs["scores"])
    first = scores[scores["network"] == study.networks[0]].drop_duplicates("sample")
    pixels = [
        name
        for name in first.columns
        if name in registry.METRICS and not registry.METRICS[name].needs_instances
    ]
    write_table(first[["sample", "group"]].join(first[pixels] * 0.9), inputs.baseline)
    write_ensembles(study, scores)


def write_ensembles(study: Study, scores: pd.DataFrame) -> None:
    """Write how well the trainings of a network do together, as if their average scored as the first seed does."""
    study.inputs.expected = []
    scores = scores[scores["scheme"] == scores["scheme"].iloc[0]]
    for (scheme, network), own in scores.groupby(["scheme", "network"], sort=False):
        place = study.folder / f"models/{scheme}/{network}"
        frames = own[own["seed"] == own["seed"].min()].rename(columns={"seed": "seeds"})
        frames = frames.assign(seeds=own["seed"].nunique())
        write_table(frames, place / "ensemble.tsv")
        write_table(expected.expect(frames, leaky=False), place / "expected.tsv")
        study.inputs.expected.append(place / "expected.tsv")
