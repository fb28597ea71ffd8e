"""What `--profile slurm` would submit: how many SLURM jobs, and what each asks for. SLURM's commands are stand-ins."""

import os
import re
import subprocess
import sys
from collections import Counter

import pytest
from project import CONFIG, Project

REFUSES = '#!/bin/sh\nprintf "%s\\n" "$*" >> sbatch.txt\necho "sbatch: error: refused" >&2\nexit 1\n'
SILENT = "#!/bin/sh\nexit 0\n"


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path / "project", groups=6)
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("sbatch", "squeue", "sacct", "sacctmgr", "scontrol", "scancel", "sinfo"):
        (commands / name).write_text(REFUSES if name == "sbatch" else SILENT)
        (commands / name).chmod(0o755)
    made.commands = commands
    return made


def on_slurm(project, *arguments: str) -> str:
    """Run snakemake with the profile; returns what it prints."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "slurm", "--configfile", "config/test.yaml",
         "--slurm-init-seconds-before-status-checks", "1", *arguments],
        cwd=project.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
        env=os.environ | {"PATH": f"{project.commands}:{os.environ['PATH']}"},
    ).stdout  # fmt: skip


def submissions(project, *arguments: str) -> list[dict[str, str]]:
    """The options of every call of sbatch, by name; `group` is the group's name."""
    printed = on_slurm(project, *arguments)
    file = project.folder / "sbatch.txt"
    assert file.exists(), printed
    found = []
    for line in file.read_text().splitlines():
        options = dict(re.findall(r"(?:^| )--?([a-z-]+)[ =]([^ -][^ ]*)", line.split(" --wrap")[0]))
        found.append(options | {"group": re.search(r"(?:group|rule)_([a-z]+)", line)[1]})
    return found


def pretend_prepared(project) -> None:
    """Leave empty files where the images would be read, checked and shared out, so that trainings are next."""
    groups = [
        f"prepared/field{n}/{name}"
        for n in range(1, 7)
        for name in ("frames.tif", "labels.tif", "samples.tsv")
    ]
    check = [
        f"check/{name}" for name in ("findings.tsv", "frames.tsv", "groups.tsv", "check.html", "passed.txt")
    ]
    for name in (*groups, "samples.tsv", *check, "folds.tsv", "preflight.json"):
        project.path(name).parent.mkdir(parents=True, exist_ok=True)
        project.path(name).touch()


def test_forty_five_trainings_are_about_fifty_slurm_jobs(project):
    project.write_config(
        networks=["simple", "attention", "residual_attention"], folds={"number": 5}, seeds=[1, 2, 3]
    )
    printed = on_slurm(project, "--dry-run")
    groups = Counter(re.findall(r"\] Group job (\w+)", printed))
    # jobs of a group are indented; those with outputs that stand alone are submitted alone
    alone = [rule for rule in re.findall(r"^\[.*\]\n(?:rule|Job) (\S+)", printed, re.M) if rule != "all:"]
    assert groups["model"] == 45
    assert groups.total() + len(alone) <= 60
    assert len(re.findall(r"^ +Job \d+: Train ", printed, re.M)) == 45


def test_a_recording_is_one_slurm_job_beside_its_chunks(project):
    project.write_sheet_of_recording(frames=5)
    project.write_config(networks=["simple"], segment={"samples": "data/recording.tsv", "chunk": 2})
    printed = on_slurm(project, "segment", "--dry-run")
    assert Counter(re.findall(r"\] Group job (\w+)", printed))["recording"] == 1
    assert len(re.findall(r"^ +Job \d+: .* the recording", printed, re.M)) == 5
    assert len(re.findall(r"^Job \d+: Segment the frames", printed, re.M)) == 3


def test_a_model_asks_for_one_gpu_and_for_more_memory_and_time_with_every_attempt(project):
    pretend_prepared(project)
    project.write_config(networks=["simple"], folds={"number": 2})
    asked = submissions(project, "--rerun-triggers", "mtime")
    models = [each for each in asked if each["group"] == "model"]
    assert len(models) == 2 * 3  # folds × attempts
    assert {each["p"] for each in models} == {"gpu"}
    assert {each["gpus"] for each in models} == {"1"}
    assert {each["cpus-per-task"] for each in models} == {"4"}
    assert {each["signal"] for each in models} == {"TERM@120"}
    sizes = Counter((int(each["mem"]), int(each["t"])) for each in models)
    assert sizes == {(8000, 480 + 180): 2, (16000, 900 + 360): 2, (24000, 900 + 540): 2}
    assert all(int(each["t"]) <= 24 * 60 for each in models)


def test_the_three_lines_at_the_top_are_all_that_a_site_changes(project):
    profile = project.folder / "slurm/profile.yaml"
    text = profile.read_text()
    for before, after in (
        ("&short cpu ", "&short day "),
        ("&networks gpu ", "&networks week "),
        ("&gpus 1 ", "&gpus 0 "),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    profile.write_text(text)
    project.write_config(networks=["simple"], training=CONFIG["training"] | {"device": "cpu"})
    reading = submissions(project, "--retries", "0")
    assert {each["p"] for each in reading} == {"day"}
    (project.folder / "sbatch.txt").unlink()
    pretend_prepared(project)
    models = submissions(project, "--retries", "0", "--rerun-triggers", "mtime")
    models = [each for each in models if each["group"] == "model"]
    assert {each["p"] for each in models} == {"week"}
    assert not any("gpus" in each for each in models)


def test_the_command_line_can_say_all_that_a_site_changes(project):
    """Snakemake takes the command line's resources in place of the profile's, not beside them."""
    pretend_prepared(project)
    project.write_config(networks=["simple"])
    model = ("train", "predict", "calibrate", "label", "score")
    models = submissions(
        project, "--retries", "0", "--rerun-triggers", "mtime", "--set-resources", "train:gpu=1",
        "train:mem_mb=32000*attempt", "predict:gpu=1", *(f"{rule}:slurm_partition=big" for rule in model),
    )  # fmt: skip
    models = [each for each in models if each["group"] == "model"]
    assert {(each["p"], each["mem"], each["gpus"]) for each in models} == {("big", "32000", "1")}


def test_a_site_that_names_its_gpus_otherwise(project):
    pretend_prepared(project)
    profile = project.folder / "slurm/profile.yaml"
    text = profile.read_text()
    assert text.count("gpu: *gpus") == 4
    profile.write_text(text.replace("gpu: *gpus", 'gres: "gpu:a100:1"'))
    project.write_config(networks=["simple"])
    models = submissions(project, "--retries", "0", "--rerun-triggers", "mtime")
    models = [each for each in models if each["group"] == "model"]
    assert {each["gres"] for each in models} == {"gpu:a100:1"}
    assert not any("gpus" in each for each in models)
