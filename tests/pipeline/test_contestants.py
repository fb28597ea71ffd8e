"""A forest, given labels and a tool that fails in one fold beside a network, from images to the report."""

import re
import sys

import pytest
from project import Project

from brightcell import files
from brightcell.io import stacks

pytestmark = pytest.mark.pipeline

FAILS = """
def train(training, validation, folder, settings):
    if "fold2" in str(folder):
        raise RuntimeError("the tool has lost its way")


def predict(folder, image, settings):
    return {"grey": image[..., 0]}


def labels(folder, raw, settings):
    return (raw["grey"] > 120).astype("int32")
"""


def install(project, tool):
    """Pretend an environment for a tool: the Python of the tests, which has what the forest needs."""
    packages = project.folder / f"requirements/contestants/{tool}.txt"
    packages.touch()
    python = project.folder / f".venv-contestants/{tool}/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (python.parents[1] / "installed").write_text(f"{packages.name} {files.digest(packages)}\n")


def test_contestants_stand_beside_a_network(tmp_path):
    project = Project(tmp_path / "project")
    (project.folder / "workflow/contestants/fails.py").write_text(FAILS)
    for tool in ("forest", "fails"):
        install(project, tool)
    project.write_config(
        networks=["simple"],
        compute={"device": "cpu"},
        contestants={
            "forest": {"epochs": 10, "options": {"largest_scale_px": 4.0}},
            "gui": {"labels": "masks/{sample}.tif"},
            "fails": {"epochs": 1},
        },
    )
    run = project.snakemake("--keep-going", "--set-threads", "train_network=1", "predict_frames=1")
    assert run.returncode != 0
    assert "the tool's function train failed with RuntimeError: the tool has lost its way" in run.stdout
    assert "Traceback" not in run.stdout
    assert "Traceback" in project.path("models/grouped/fails/fold2-seed1/train_contestant.log").read_text()
    assert not project.path("report.html").exists()

    run = project.snakemake("--config", "comparison={unfinished: skip}")
    assert run.returncode == 0, run.stdout[-5000:]
    scores = files.read_table(project.path("scores.tsv"))
    assert scores.groupby("network")["sample"].nunique().to_dict() == {
        "simple": 8, "forest": 8, "gui": 8, "fails": len(scores[scores["network"] == "fails"]),
    }  # fmt: skip
    assert set(scores.loc[scores["network"] == "fails", "fold"]) == {1}
    gui = scores[scores["network"] == "gui"]
    assert (gui[["cell_iou", "mean_ap", "seg"]] == 1).all(axis=None)
    assert gui["brier"].isna().all()
    forest = scores[scores["network"] == "forest"]
    assert forest["ap50"].mean() > 0.8
    assert forest["brier"].notna().all()
    place = project.path("models/grouped/forest/fold1-seed1")
    assert files.read_json(place / "recipe.json")["tool"] == "forest"
    assert next(iter(stacks.read_stack(place / "labels.tif").values())).dtype == "int32"

    text = re.sub(r"<[^>]+>", " ", project.path("report.html").read_text())
    assert "fails, scheme grouped: fold 2, seed 1." in text
    assert (
        "The labels of gui were given: whether their model was trained on these frames is not known." in text
    )
    assert "contestant forest" in text
    assert not project.half_written()
    jobs = files.read_table(project.path("jobs.tsv"))
    assert set(jobs.loc[jobs["rule"] == "train_contestant", "image"]) == {".venv"}
    assert set(files.read_table(project.path("comparison/curves.tsv"))["network"]) == {"simple", "forest"}
    assert set(files.read_table(project.path("comparison/watersheds.tsv"))["network"]) == {"simple"}
