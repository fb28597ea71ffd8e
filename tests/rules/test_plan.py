"""What the workflow would run, by dry runs: job counts, resources, targets."""

import re
import subprocess
import sys

import pytest
import yaml
from project import ROOT, Project

from brightcell.config.networks import network_names


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("plan") / "project", groups=6)
    roles = ["train"] * 8 + ["validate"] * 2 + ["test"] * 2
    rows = [[*row, role] for row, role in zip(project.rows, roles, strict=True)]
    project.write_sheet(("sample", "image", "mask", "group", "split"), rows)
    project.write_sheet_of_recording()
    return project


def plan(project, config, *arguments):
    (project.folder / "config/test.yaml").write_text((ROOT / "config" / config).read_text())
    return project.planned(*arguments)


def test_the_demo_makes_its_own_images(project):
    jobs = plan(project, "config.yaml")
    assert jobs["simulate_sequence"] == jobs["prepare_group"] == 6
    assert jobs["train_network"] == jobs["predict_frames"] == jobs["score_frames"] == 3 * 2
    assert jobs["score_ensemble"] == jobs["describe_network"] == 3
    assert jobs["report"] == jobs["compare"] == 1


def test_leakage_trains_the_demo_under_both_schemes(project):
    both = [yaml.safe_load((ROOT / "config" / name).read_text()) for name in ("config.yaml", "leakage.yaml")]
    demo, changes = both
    (project.folder / "config/test.yaml").write_text(
        yaml.safe_dump(demo | changes | {"folds": demo["folds"] | changes["folds"]})
    )
    jobs = project.planned()
    assert jobs["train_network"] == 2 * 3 * 2
    assert jobs["score_ensemble"] == 3  # of the first scheme
    assert jobs["report"] == jobs["compare"] == 1


def test_without_a_config_the_demo_is_run(project):
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules"],
        cwd=project.folder, text=True, capture_output=True, check=True,
    )  # fmt: skip
    assert "simulate_sequence" in run.stdout


def test_the_study_trains_its_split_and_grouped_folds(project):
    given = [
        "samples=data/samples.tsv",
        "seeds=[1,2]",
        "training={epochs: 7}",
        "prediction={symmetries: true}",
    ]
    jobs = plan(project, "hela.yaml", "--config", *given)
    assert jobs["train_network"] == len(network_names()) * 2 * (1 + 5)  # seeds × (sheet + five folds)
    assert "simulate_sequence" not in jobs


@pytest.mark.parametrize(("config", "trainings"), [("hela_hour.yaml", 3 * 3 * 3), ("nih3t3.yaml", 3 * 3)])
def test_other_cell_lines_differ_by_config_and_sheet_alone(project, config, trainings):
    jobs = plan(project, config, "--config", "samples=data/samples.tsv")
    assert jobs["prepare_group"] == 6
    assert jobs["train_network"] == trainings


def test_the_number_of_jobs_does_not_grow_with_frames(project):
    project.write_config()
    few = project.planned()
    project.write_sheet(rows=project.rows[:8])
    try:
        fewer = project.planned()
    finally:
        project.write_sheet()
    assert few["train_network"] == fewer["train_network"]
    assert few["prepare_group"] == 6
    assert fewer["prepare_group"] == 4


def test_check_asks_for_no_network(project):
    project.write_config()
    assert "train_network" not in project.planned("check")


def test_segment_plans_every_recording(project):
    project.write_config(segment={"samples": "data/recording.tsv", "network": "simple"})
    jobs = project.planned("segment")
    assert jobs["segment_chunk"] == jobs["join_chunks"] == 1
    assert jobs["train_network"] == 2  # the named network's folds alone
    assert jobs["score_ensemble"] == 1


def test_cells_are_followed_where_frames_have_an_order(project):
    sheet = project.folder / "data/recording.tsv"
    ordered = sheet.read_text()
    named = {"samples": "data/recording.tsv", "network": "simple"}

    def planned(text=ordered, exports=(), **tracks):
        sheet.write_text(text)
        project.write_config(segment=named | {"tracks": tracks, "exports": list(exports)})
        return project.planned("segment")

    try:
        followed = planned()
        assert followed["track_cells"] == followed["measure_film"] == followed["compare_films"] == 1
        assert "score_tracks" not in followed
        exported = planned(exports=["trackmate", "geff", "ome-zarr"])
        assert exported["export_tracks"] == exported["export_labels"] == 1
        assert "export_tracks" not in planned(exports=["trackmate"], link=False)
        off = planned(link=False)
        assert "track_cells" not in off
        assert off["judge_frames"] == off["preview_recording"] == off["measure_film"] == 1
        without = ["\t".join(line.split("\t")[:3]) for line in ordered.splitlines()]
        unordered = planned("\n".join(without) + "\n")
        assert not {"track_cells", "measure_film", "compare_films"} & unordered.keys()
        first, *rest = ordered.splitlines()
        images = [line.split("\t")[first.split("\t").index("image")] for line in rest]
        true = [f"{first}\ttrack", *(f"{line}\t{image}" for line, image in zip(rest, images, strict=True))]
        scored = planned("\n".join(true) + "\n")
        assert scored["score_tracks"] == scored["track_cells"] == 1
    finally:
        sheet.write_text(ordered)


def test_models_of_another_data_set_are_never_made(project):
    project.write_config()
    done = project.snakemake("results/other/models/grouped/simple/fold1-seed1/model.keras", "-n")
    assert done.returncode != 0
    assert "MissingRuleException" in done.stdout


def test_segment_without_recordings_says_what_is_missing(project):
    project.write_config()
    done = project.snakemake("segment", "-n")
    assert done.returncode != 0
    assert "segment: the config names no recordings" in done.stdout


def test_crops_are_suggested_of_recordings_that_test_no_network(project):
    named = {"samples": "data/recording.tsv", "network": "simple"}
    project.write_config(segment=named)
    jobs = project.planned("suggest")
    assert jobs["suggest_crops"] == jobs["join_chunks"] == jobs["judge_frames"] == 1
    assert "preview_recording" not in jobs
    sheet = project.folder / "data/recording.tsv"
    text = sheet.read_text()
    sheet.write_text(text.replace("images/new_1.tif", "images/field3_0.tif"))  # a frame of the sheet
    try:
        done = project.snakemake("suggest", "-n")
    finally:
        sheet.write_text(text)
    assert done.returncode != 0
    assert "suggest: all 1 recordings test or validate the networks, such as dish" in done.stdout


@pytest.mark.parametrize("target", ["correct", "retrain"])
def test_without_corrections_is_said_where_they_belong(project, target):
    project.write_config(segment={"samples": "data/recording.tsv"})
    done = project.snakemake(target, "-n")
    assert done.returncode != 0
    assert "results/discs/corrected: no corrected crops. Expected files that begin with" in done.stdout


def test_every_job_says_what_it_needs_and_where_it_writes(project):
    """In each file of rules: a log, a benchmark, resources that grow, and an image."""
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        text = path.read_text()
        jobs = len(re.findall(r"^ +(?:script|shell):$", text, re.M))
        if path.name == "containers.smk":
            continue
        for directive in ("log:", "benchmark:", "resources:", "container:"):
            if path.name == "fetch.smk" and directive == "benchmark:":
                continue  # a rule without outputs
            assert text.count(f"    {directive}") == jobs, (path.name, directive)
        assert len(re.findall(r" \*\*(SMALL|MEDIUM|LARGE|LONG),\n", text)) == jobs, path.name
        assert "threads: 1\n" not in text


STAGES = {
    "simulate": {"simulate_sequence"},
    "prepare": {"prepare_group", "gather_samples"},
    "check": {"check_frames", "check_passed"},
    "folds": {"folds"},
    "preflight": {"preflight"},
    "train": {"train_network"},
    "predict": {"predict_frames"},
    "calibrate": {"calibrate_watershed"},
    "label": {"label_frames"},
    "score": {"score_frames", "score_ensemble"},
    "baseline": {"baseline"},
    "compare": {"compare"},
    "gather_jobs": {"gather_jobs"},
    "account": {"account"},
    "report": {"report"},
    "export": {"export_onnx"},
    "all": {"report"},
}


@pytest.mark.parametrize(("target", "rules"), STAGES.items(), ids=STAGES.keys())
def test_every_stage_can_be_asked_for_by_name(project, target, rules):
    jobs = plan(project, "config.yaml", target)
    assert rules <= jobs.keys()
    names = list(STAGES)
    later = set().union(*(STAGES[name] for name in names[names.index(target) + 1 :])) - rules
    assert not later & jobs.keys()


def test_every_contestant_has_its_jobs(project):
    tools = {"forest": {"epochs": 3}, "gui": {"labels": "masks/{sample}.tif"}}
    project.write_config(seeds=[1, 2], contestants=tools)
    jobs = project.planned()
    assert jobs["train_contestant"] == jobs["predict_contestant"] == 2 * 2
    assert jobs["import_labels"] == 2  # once a fold, whatever the seeds
    assert jobs["train_network"] == jobs["label_frames"] == 2 * 2 * 2
    assert jobs["score_frames"] == 3 * 2 * 2 + 2
    assert jobs["score_ensemble"] == 2  # of networks alone
    assert project.planned("train")["train_contestant"] == 4


@pytest.mark.parametrize(
    ("contestants", "told"),
    [
        ({"forrest": {}}, "contestants.forrest: there is no tool 'forrest'"),
        ({"forest": {"weights": "w.pt"}}, "contestants.forest.weights: w.pt: no such file. Nothing is downloaded"),
        ({"gui": {"labels": "made/{sample}.png"}}, "contestants.gui.labels: 12 of 12 frames have no file of labels"),
    ],
)  # fmt: skip
def test_a_contestant_that_cannot_run_stops_the_workflow_before_any_job(project, contestants, told):
    project.write_config(contestants=contestants)
    said = project.snakemake("-n").stdout
    assert told in said
    assert "Traceback" not in said


def test_a_tool_without_its_environment_stops_the_run_before_any_job(project):
    project.write_config(contestants={"forest": {}})
    done = project.snakemake()
    assert done.returncode
    assert "the tool forest has no environment. Make it: `make contestant NAME=forest`" in done.stdout
    assert not project.path("prepared").exists()


def test_the_list_of_targets_says_a_line_on_each(project):
    project.write_config()
    listed = project.snakemake("--list").stdout.splitlines()
    rules = dict(line.split(" (", 1) for line in listed if re.match(r"[a-z_]+ \(", line))
    assert {*STAGES, "segment", "fetch", "containers"} <= rules.keys()
    assert all(len(text) > 10 and text.endswith(".)") for text in rules.values())


def test_a_project_in_a_folder_with_a_space_and_paths_that_begin_elsewhere(tmp_path):
    project = Project(tmp_path / "my study/project")
    assert project.planned()["train_network"] == 4
    said = project.snakemake("-n", "--sdm", "apptainer").stdout
    assert "containers run from paths without spaces alone" in said
    said = project.snakemake("-n", "--directory", str(tmp_path)).stdout
    assert "data/samples.tsv: no such sample sheet" in said
    assert f"Relative paths begin in {tmp_path}, where Snakemake works." in said
    assert "Traceback" not in said
