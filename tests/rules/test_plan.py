"""What the workflow would run, by dry runs: job counts, resources, targets."""

import subprocess
import sys

import pytest
import yaml
from project import ROOT, Project

from brightcell.config.validation import network_names


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
    assert jobs["simulate_sequence"] == jobs["prepare"] == 6
    assert jobs["train"] == jobs["predict"] == jobs["score"] == 3 * 2
    assert jobs["report"] == jobs["compare"] == 1


def test_leakage_trains_the_demo_under_both_schemes(project):
    both = [yaml.safe_load((ROOT / "config" / name).read_text()) for name in ("config.yaml", "leakage.yaml")]
    demo, changes = both
    (project.folder / "config/test.yaml").write_text(
        yaml.safe_dump(demo | changes | {"folds": demo["folds"] | changes["folds"]})
    )
    jobs = project.planned()
    assert jobs["train"] == 2 * 3 * 2
    assert jobs["report"] == jobs["compare"] == 1


def test_without_a_config_the_demo_is_run(project):
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules"],
        cwd=project.folder, text=True, capture_output=True, check=True,
    )  # fmt: skip
    assert "simulate_sequence" in run.stdout


def test_the_study_trains_its_split_and_grouped_folds(project):
    jobs = plan(project, "hela.yaml", "--config", "samples=data/samples.tsv")
    assert jobs["train"] == len(network_names()) * 3 * (1 + 5)  # seeds × (sheet + five folds)
    assert "simulate_sequence" not in jobs


@pytest.mark.parametrize(("config", "folds"), [("hela_hour.yaml", 4), ("nih3t3.yaml", 3)])
def test_other_cell_lines_differ_by_config_and_sheet_alone(project, config, folds):
    jobs = plan(project, config, "--config", "samples=data/samples.tsv")
    assert jobs["prepare"] == 6
    assert jobs["train"] == 3 * folds


def test_the_number_of_jobs_does_not_grow_with_frames(project):
    project.write_config()
    few = project.planned()
    project.write_sheet(rows=project.rows[:8])
    try:
        fewer = project.planned()
    finally:
        project.write_sheet()
    assert few["train"] == fewer["train"]
    assert few["prepare"] == 6
    assert fewer["prepare"] == 4


def test_check_asks_for_no_network(project):
    project.write_config()
    assert "train" not in project.planned("check")


def test_segment_plans_every_recording(project):
    project.write_config(segment={"samples": "data/recording.tsv", "network": "simple"})
    jobs = project.planned("segment")
    assert jobs["segment_chunk"] == jobs["join_chunks"] == 1
    assert jobs["train"] == 2  # the named network's folds alone


def test_cells_are_followed_where_frames_have_an_order(project):
    sheet = project.folder / "data/recording.tsv"
    ordered = sheet.read_text()
    named = {"samples": "data/recording.tsv", "network": "simple"}

    def planned(text=ordered, **tracks):
        sheet.write_text(text)
        project.write_config(segment=named | {"tracks": tracks})
        return project.planned("segment")

    try:
        assert planned()["track_cells"] == 1
        off = planned(link=False)
        assert "track_cells" not in off
        assert off["judge_frames"] == off["preview_recording"] == 1
        without = ["\t".join(line.split("\t")[:3]) for line in ordered.splitlines()]
        assert "track_cells" not in planned("\n".join(without) + "\n")
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


def test_memory_and_time_grow_with_attempts(project):
    code = (ROOT / "workflow/rules/common.smk").read_text()
    assert "base * attempt" in code
    for rules in (ROOT / "workflow/rules").glob("*.smk"):
        text = rules.read_text()
        jobs = text.count("script:")
        if not jobs:
            continue
        for directive in ("log:", "benchmark:", "threads:", "resources:", "container:", "code=code("):
            if rules.name == "fetch.smk" and directive == "benchmark:":
                continue  # a rule without outputs
            assert text.count(f"    {directive}") == jobs, (rules.name, directive)
