"""The whole loop: crops are suggested, a person corrects them in three forms, the networks are trained on and judged."""

import zipfile

import numpy as np
import pytest
import result_tables
import tifffile
from project import Project, disc_frame

from brightcell import files
from brightcell.annotation import drawing, folder
from brightcell.io import rois

pytestmark = pytest.mark.pipeline
RECORDING = {"samples": "data/recording.tsv"}
CHANGES = {
    "networks": ["simple"],
    "segment": RECORDING,
    "suggest": {"diameters": 2.5, "cells": 12},
    "folds": {"number": 2},
    "retrain": {"length": 0.5},
}


def true_cells(about):
    """What a person would draw in a crop."""
    labels = disc_frame(90 + about["frame"])[1]
    top, left = about["top_px"], about["left_px"]
    return drawing.pieces(labels[top : top + about["height"], left : left + about["width"]])


def draw(project):
    """Save the true cells of every crop that shows some: labels, ROIs and a file of Cellpose in turn."""
    drawn = []
    for name, about in folder.known(project.path("suggest")).items():
        cells = true_cells(about)
        if not cells.any():
            continue
        place = project.path("corrected")
        place.mkdir(exist_ok=True)
        form = len(drawn) % 3
        if form == 0:
            tifffile.imwrite(place / f"{name}.tif", cells.astype(np.uint8))
        elif form == 1:
            with zipfile.ZipFile(place / f"{name}.zip", "w") as archive:
                for outline in rois.outlines(cells):
                    archive.writestr(f"{outline.cell}.roi", rois.imagej_roi(outline, "", 0).tobytes())
        else:
            np.save(place / f"{name}_seg.npy", {"masks": cells.astype(np.uint16), "outlines": cells})
        drawn.append(name)
    return drawn


def succeed(project, *arguments):
    run = project.snakemake(*arguments)
    assert run.returncode == 0, run.stdout[-5000:]
    return run.stdout


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("loop") / "project", groups=4)
    project.write_sheet_of_recording(frames=6)
    project.write_config(**CHANGES)
    succeed(project, "suggest")
    project.drawn = draw(project)
    project.before = {
        path: path.stat().st_mtime_ns for path in project.path("models").rglob("simple/*/model.keras")
    }
    project.said = succeed(project, "retrain")
    return project


def test_one_command_takes_corrections_back_and_trains_on(loop):
    table = files.read_table(loop.path("correct/changes.tsv"))
    assert list(table["crop"]) == loop.drawn
    known = folder.known(loop.path("suggest"))
    assert list(table["cells_after"]) == [true_cells(known[name]).max() for name in loop.drawn]
    assert {path.name.removeprefix(name) for name, path in zip(table["crop"], map(loop.path, table["file"]), strict=True)} <= {
        ".v1.tif", ".v1.zip", ".v1_seg.npy",
    }  # fmt: skip
    for fold in (1, 2):
        recipe = files.read_json(loop.path(f"models/grouped/simple_retrained/fold{fold}-seed1/recipe.json"))
        assert (recipe["network"], recipe["corrected_crops"]) == ("simple_retrained", loop.drawn)
        assert recipe["learning_rate"] == pytest.approx(0.001)
        assert recipe["epochs_run"] == 1
        log = loop.path(f"models/grouped/simple_retrained/fold{fold}-seed1/train.log").read_text()
        assert (
            f"starts from the weights of results/discs/models/grouped/simple/fold{fold}-seed1/model.keras"
            in log
        )


def test_the_networks_before_are_left_alone(loop):
    assert len(loop.before) == 2
    assert {path: path.stat().st_mtime_ns for path in loop.before} == loop.before


def test_both_are_scored_on_the_same_groups_and_one_is_to_be_used(loop):
    table = files.read_table(loop.path("retrained/differences.tsv"))
    assert set(table["network"]) == {"simple"}
    assert table["groups"].eq(4).all()
    decisive = table[table["decides"]]
    assert set(decisive["score"]) == {"cell_iou", "ap50"}
    assert np.allclose(table["difference"], table["after"] - table["before"], atol=1e-8)
    page = loop.path("retrained/retrained.html").read_text()
    assert ("Use simple_retrained: it is" in page) == bool(decisive["not_worse"].all())
    assert ("Keep simple: simple_retrained" in page) == (not decisive["not_worse"].all())
    assert f"Which network to use: {loop.path('retrained/retrained.html')}" in loop.said


def test_files_and_columns_are_those_of_the_schema(loop):
    assert result_tables.faults(loop.folder / "results/discs") == []
    sections = {"Crops to draw", "Corrected crops", "Networks trained on"}
    assert result_tables.missing(loop.folder / "results/discs", sections) == []


def test_nothing_is_left_to_do(loop):
    assert "Nothing to be done" in loop.snakemake("retrain", "-n").stdout


def test_what_was_drawn_is_not_suggested_again(loop):
    drawn = set(files.read_table(loop.path("suggest/crops.tsv"))["crop"])
    kept = {path: path.read_bytes() for path in loop.path("suggest/rois").iterdir()}
    succeed(loop, "suggest")
    again = set(files.read_table(loop.path("suggest/crops.tsv"))["crop"])
    assert not again & set(loop.drawn)
    assert drawn >= set(loop.drawn)
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_retrained_network_segments(loop):
    loop.write_config(**CHANGES | {"segment": RECORDING | {"network": "simple_retrained"}})
    try:
        jobs = loop.planned("segment")
        assert jobs["segment_chunk"] == jobs["score_ensemble"] == 1
        assert "train_network" not in jobs
    finally:
        loop.write_config(**CHANGES)


def test_a_new_correction_trains_on_again_and_the_study_stays(loop):
    name = loop.drawn[0]
    file = loop.path("corrected") / f"{name}.tif"
    cells = tifffile.imread(file)
    before = file.read_bytes()
    tifffile.imwrite(file, np.where(cells == cells.max(), 0, cells) if cells.max() > 1 else cells * 3)
    try:
        jobs = loop.planned("retrain")
        assert jobs["train_network"] == 2  # of the retrained network
        assert jobs["take_corrections"] == jobs["judge_retrained"] == 1
        assert "train_network" not in loop.planned("results/discs/report.html")
        succeed(loop, "correct")
        assert sorted(path.name for path in loop.path("correct/versions").glob(f"{name}.*")) == [
            f"{name}.v1.tif", f"{name}.v2.tif",
        ]  # fmt: skip
    finally:
        file.write_bytes(before)


def test_a_bad_correction_stops_with_its_name(loop):
    bad = loop.path("corrected") / "dish_y0_x0.tif"
    bad.write_bytes(b"")
    try:
        run = loop.snakemake("correct", "-n")
    finally:
        bad.unlink()
    assert run.returncode != 0
    assert "results/discs/corrected: 1 file belongs to no crop, such as dish_y0_x0.tif" in run.stdout
    assert loop.snakemake("report", "-n").returncode == 0  # other targets do not look at corrections
