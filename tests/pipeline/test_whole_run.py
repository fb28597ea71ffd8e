"""The workflow, end to end, on a data set that takes a minute; then what an edit reruns."""

import os
import re
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import result_tables
import tifffile
from project import Project

from brightcell import files
from brightcell.io import stacks

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("whole") / "project")
    run = project.snakemake()
    assert run.returncode == 0, run.stdout[-5000:]
    return project


def test_every_stage_leaves_its_files(done):
    assert "<html" in done.path("report.html").read_text()
    assert len(list(done.path("figures").glob("*.tsv"))) >= 4
    folds = files.read_table(done.path("folds.tsv"))
    assert set(folds["role"]) == {"train", "validate", "test"}
    tested = folds[folds["role"] == "test"]
    assert sorted(tested["sample"]) == sorted(row[0] for row in done.rows)
    scores = files.read_table(done.path("scores.tsv"))
    assert len(scores) == 2 * 8  # each network tests each frame once
    assert scores["cell_iou"].between(0, 1).all()
    differences = files.read_table(done.path("comparison/differences.tsv"))
    assert {"cell_iou", "ap50", "seg"} <= set(differences["score"])


def test_files_and_columns_are_those_of_the_schema(done):
    assert result_tables.faults(done.path("")) == []
    sections = {file.section for file in result_tables.FILES} - OF_OTHER_TARGETS
    assert result_tables.missing(done.path(""), sections) == []


def test_both_protocols_score_the_same_predictions(done):
    published = files.read_table(done.path("comparison/published.tsv")).set_index("network")
    assert list(published.index) == ["simple", "attention"]
    assert (published["frames"] == 8).all()
    scores = files.read_table(done.path("scores.tsv"))
    cells = 1 - published["all_background_accuracy"]
    assert cells.between(0.01, 0.3).all()  # four discs a frame
    assert files.read_table(done.path("comparison/leakage.tsv")).empty
    curves = files.read_table(done.path("comparison/curves.tsv"))
    assert len(curves) == 2 * 19
    assert curves["threshold"].max() == 0.95
    of_probabilities = files.read_table(done.path("comparison/reliability.tsv"))
    pixels = of_probabilities.groupby("network")["pixels"].sum()
    assert (pixels == 48 * 48 * scores["sample"].nunique()).all()


def test_labels_and_maps_belong_to_the_test_frames(done):
    folder = done.path("models/grouped/attention/fold2-seed1")
    folds = files.read_table(done.path("folds.tsv")).query("fold == 2")
    for role in ("test", "validate"):
        pages = stacks.read_stack(folder / f"predictions/{role}.tif")
        assert set(pages) == set(folds.loc[folds["role"] == role, "sample"])
        assert all(page.shape == (48, 48, 2) for page in pages.values())
    labels = stacks.read_stack(folder / "labels.tif")
    assert set(labels) == set(folds.loc[folds["role"] == "test", "sample"])
    assert all(page.shape == (48, 48) for page in labels.values())


def test_recipe_history_and_logs_tell_of_the_training(done):
    folder = done.path("models/grouped/simple/fold1-seed1")
    recipe = files.read_json(folder / "recipe.json")
    assert recipe["target"] == "foreground+distance"
    assert recipe["epochs_run"] == 2
    assert (recipe["chosen_channels"], recipe["preprocess"]["bayer"]) == (None, None)
    assert files.read_json(folder / "calibration.json")["symmetries"] is False
    assert 80 < recipe["training_data"]["intensity_mean"][1] < 120
    assert 10 < recipe["training_data"]["cell_area_px"][1] <= 100
    history = pd.read_csv(folder / "history.csv")
    assert list(history["epoch"]) == [1, 2]
    log = (folder / "train.log").read_text()
    assert "epoch 2/2" in log
    assert "precision" in log
    assert (folder / "train.benchmark.tsv").is_file()


def test_a_second_run_does_nothing(done):
    assert "Nothing to be done" in done.snakemake("-n").stdout
    again = done.snakemake().stdout
    assert re.search("Nothing to be done.*\nThe check: .*The report: /.*/report.html", again, re.DOTALL)


def test_lost_tables_are_made_again(done):
    folder = done.path("comparison")
    kept = folder.rename(folder.with_name("kept"))
    try:
        assert done.planned().keys() >= {"compare", "report"}
    finally:
        kept.rename(folder)


def test_a_copy_with_new_times_is_not_trained_again(done, tmp_path):
    """Not before the user has said so; `--touch` makes it as good as the original."""
    copy = Project.at(tmp_path / "copy")
    shutil.copytree(done.folder, copy.folder, copy_function=shutil.copyfile, symlinks=True)
    for path in copy.path("prepared").glob("*/frames.tif"):
        path.touch()
    always = ("--max-checksum-file-size", "0")
    said = copy.snakemake(*always)
    assert said.returncode != 0
    assert "trainings are there and would run again" in said.stdout
    assert str(done.path("")) in said.stdout
    assert "Traceback" not in said.stdout
    assert copy.snakemake(*always, "--touch").returncode == 0
    assert "train_network" not in copy.planned(*always)


# Sections of the schema whose files a study does not make by itself.
OF_OTHER_TARGETS = {
    "A recording",
    "Films",
    "Crops to draw",
    "What you put there",
    "Corrected crops",
    "Networks trained on",
}
COMPARED = {"score_ensemble", "describe_network", "compare", "report"}
SCORED = {"calibrate_watershed", "label_frames", "score_frames", *COMPARED}


@pytest.mark.parametrize(
    ("module", "rerun"),
    [
        ("comparison/differences.py", COMPARED),
        ("metrics/registry.py", {"baseline", *SCORED}),
        ("nets/unet.py", {"train_network", "predict_frames", *SCORED}),
        ("report/charts.py", {"report"}),
        ("metrics/__init__.py", {"baseline", *SCORED}),
        ("check/__init__.py", {"check_frames", "check_passed", "report"}),
        ("inference/tiling.py", {"predict_frames", *SCORED}),
    ],
)
def test_an_edited_module_reruns_what_it_changed(done, module, rerun):
    path = done.folder / "workflow/scripts/brightcell" / module
    source = path.read_text()
    try:
        path.write_text(source + "\nEDITED = True\n")
        assert set(done.planned()) - {"all", "gather_jobs", "account"} == rerun
    finally:
        path.write_text(source)


def test_comments_rerun_nothing(done):
    sources = {path: path.read_text() for path in (done.folder / "workflow/scripts/brightcell").rglob("*.py")}
    try:
        for path, source in sources.items():
            path.write_text(source + "\n# a comment\n")
        assert "Nothing to be done" in done.snakemake("-n").stdout
    finally:
        for path, source in sources.items():
            path.write_text(source)


def test_a_changed_setting_reruns_what_it_changed(done):
    try:
        done.write_config(comparison={"draws": 300})
        assert set(done.planned()) - {"all", "gather_jobs", "account"} == {"compare", "report"}
        done.write_config(seeds=[1, 2])
        assert done.planned()["train_network"] == 4  # the new seed alone
    finally:
        done.write_config()


def test_snakemake_report_holds_the_results(done):
    run = done.snakemake("--report", "report.zip")
    assert run.returncode == 0, run.stdout[-3000:]
    with zipfile.ZipFile(done.folder / "report.zip") as archive:
        names = archive.namelist()
    assert any(name.endswith("report.html") for name in names)
    assert any("summary" in name for name in names)


def test_a_damaged_model_is_refused_and_nothing_is_lost(done):
    folder = done.path("models/grouped/simple/fold1-seed1")
    model, labels = folder / "model.keras", folder / "labels.tif"
    whole, before = model.read_bytes(), labels.read_bytes()
    (folder / f".labels.{os.uname().nodename}.999999999.part.tif").touch()  # of a job that was killed
    try:
        model.write_bytes(whole[:1000])
        run = done.snakemake(str(labels.relative_to(done.folder)))
        assert run.returncode != 0
        assert "model.keras: damaged since the rule train_network wrote it. Found 1,000 bytes" in run.stdout
        assert "Delete the file" in run.stdout
        assert not done.half_written()
        assert labels.read_bytes() == before
        model.unlink()
        assert done.planned(str(model.relative_to(done.folder))) == {"train_network": 1}
    finally:
        model.write_bytes(whole)


def test_the_trained_networks_segment_a_recording(done):
    done.write_sheet_of_recording()
    done.write_config(segment={"samples": "data/recording.tsv", "network": None})
    try:
        run = done.snakemake("segment")
        assert run.returncode == 0, run.stdout[-3000:]
        labels = tifffile.imread(done.path("segmented/dish/labels.ome.tif"))
        frames = files.read_table(done.path("segmented/dish/frames.tsv"))
        cells = files.read_table(done.path("segmented/dish/cells.tsv"))
        assert labels.shape == (3, 48, 48)
        assert list(frames["sample"]) == ["new_0", "new_1", "new_2"]
        for name, page in zip(frames["sample"], labels, strict=True):
            rows = cells[cells["sample"] == name]
            assert len(rows) == page.max()
            assert rows["area_px"].sum() == (page > 0).sum()
        assert cells["area_um2"].sum() == pytest.approx(cells["area_px"].sum() * 0.25)
        assert cells["disagreement"].notna().all()  # two folds
        made_of = files.read_json(done.path("segmented/dish/made_of.json"))
        assert [Path(path).parent.name for path in made_of["models"]] == ["fold1-seed1", "fold2-seed1"]
        assert "Nothing to be done" in done.snakemake("segment", "-n").stdout
    finally:
        done.write_config()
