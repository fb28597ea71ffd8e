"""What `--profile slurm` would submit: how many SLURM jobs, and what each asks for. SLURM's commands are stand-ins."""

import os
import re
import shlex
import subprocess
import sys
from collections import Counter

import pytest
import yaml
from project import ROOT, Project

REFUSES = """#!/bin/sh
case "$*" in *--test-only*) exit 0;; esac
printf "%s\\n" "$*" >> sbatch.txt
env > environment.txt
echo "sbatch: error: refused" >&2
exit 1
"""
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
        for name in ("frames.tif", "truth.tif", "samples.tsv")
    ]
    check = [
        f"check/{name}" for name in ("findings.tsv", "frames.tsv", "groups.tsv", "check.html", "passed.txt")
    ]
    for name in (*groups, "samples.tsv", "prepared.tsv", *check, "folds.tsv", "preflight.json"):
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
    assert len(re.findall(r"^ +Job \d+: .* the recording", printed, re.M)) == 6
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
    project.write_config(networks=["simple"], compute={"device": "cpu"})
    reading = submissions(project, "--retries", "0")
    assert {each["p"] for each in reading} == {"day"}
    (project.folder / "sbatch.txt").unlink()
    pretend_prepared(project)
    models = submissions(project, "--retries", "0", "--rerun-triggers", "mtime")
    models = [each for each in models if each["group"] == "model"]
    assert {each["p"] for each in models} == {"week"}
    assert not any("gpus" in each for each in models)


def test_the_command_line_of_the_docs_says_all_that_the_profile_says(project):
    """Snakemake takes the command line's resources in place of the profile's, not beside them."""
    told = (ROOT / "docs/slurm.md").read_text().replace("\\\n", " ")
    [command] = re.findall(
        r"^\.venv/bin/snakemake .*(--default-resources .* --set-resources .*)$", told, re.M
    )
    named = re.findall(r"(\w+):(\w+)=", command)
    profile = yaml.safe_load((ROOT / "slurm/profile.yaml").read_text())["set-resources"]
    assert {(rule, name) for rule, values in profile.items() for name in values} == {*named} - {
        ("train_network", "mem_mb")
    }
    pretend_prepared(project)
    project.write_config(networks=["simple"], folds={"number": 2})
    models = submissions(project, *shlex.split(command), "--rerun-triggers", "mtime")
    models = [each for each in models if each["group"] == "model"]
    assert {(each["p"], each["gpus"], each["signal"]) for each in models} == {("week", "1", "TERM@120")}
    sizes = Counter((int(each["mem"]), int(each["t"])) for each in models)
    assert sizes == {(32000, 480 + 180): 2, (64000, 900 + 360): 2, (96000, 900 + 540): 2}


def test_a_site_that_names_its_gpus_otherwise(project):
    pretend_prepared(project)
    profile = project.folder / "slurm/profile.yaml"
    text = profile.read_text()
    assert text.count("gpu: *gpus") == 6
    profile.write_text(text.replace("gpu: *gpus", 'gres: "gpu:a100:1"'))
    project.write_config(networks=["simple"])
    models = submissions(project, "--retries", "0", "--rerun-triggers", "mtime")
    models = [each for each in models if each["group"] == "model"]
    assert {each["gres"] for each in models} == {"gpu:a100:1"}
    assert not any("gpus" in each for each in models)


def test_a_job_that_reads_what_the_run_has_not_read_stops(project):
    """Whoever edits the config meanwhile would have results that are recorded as made with the old one."""
    settings = ("--config", "networks=[simple]", "folds={schemes: [random]}")
    target = "results/discs/prepared/field1/samples.tsv"
    on_slurm(project, target, "--retries", "0", *settings)
    lines = (project.folder / "environment.txt").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in lines if "=" in line)

    def job() -> str:
        command = [sys.executable, "-m", "snakemake", target, "--mode", "remote", "--cores", "1", "--dry-run"]
        return subprocess.run(
            [*command, "--configfile", "config/test.yaml", *settings], cwd=project.folder, env=environment,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
        ).stdout  # fmt: skip

    told = "changed while the run was at work"
    assert "prepare" in (said := job())
    assert told not in said
    project.write_config(seeds=[4])
    assert told in (said := job())
    assert "Traceback" not in said


def test_where_the_queue_is_not_known_nothing_is_submitted(project):
    """Leftovers of a run that was killed may be at work: SLURM alone knows."""
    (project.commands / "squeue").write_text(
        "#!/bin/sh\necho 'Unable to contact slurm controller' >&2\nexit 1\n"
    )
    said = on_slurm(project)
    assert "whether jobs of an earlier run still work in this folder is not known" in said
    assert "Unable to contact slurm controller" in said
    assert "Traceback" not in said
    assert not (project.folder / "sbatch.txt").exists()
    table = project.path("prepared/field1/samples.tsv")
    said = on_slurm(project, "--executor", "local", "--cores", "1", str(table.relative_to(project.folder)))
    assert "is not known" in said  # jobs of this machine alone are run all the same
    assert table.exists()


def test_what_slurm_would_refuse_is_told_in_its_words_before_a_group_fails(project):
    project.write_config(compute={"device": "cpu"})
    test = 'case "$*" in *--test-only*--partition=gpu*) echo "allocation failure: no such partition" >&2; exit 1;; esac'
    (project.commands / "sbatch").write_text(REFUSES.replace("\n", f"\n{test}\n", 1))
    said = on_slurm(project)
    assert re.search(
        r"the jobs of rule \w+ cannot be submitted. sbatch: SLURM refused: allocation failure: no such", said
    )
    assert "--partition=gpu" in said
    assert "Traceback" not in said
    assert not (project.folder / "sbatch.txt").exists()


def test_an_option_that_the_plugin_forbids_ends_the_run_at_once(project):
    """The plugin would say nothing, submit nothing and wait for ever."""
    profile = project.folder / "slurm/profile.yaml"
    profile.write_text(
        profile.read_text().replace("  mem_mb: 1000\n", "  mem_mb: 1000\n  slurm_extra: \"'--gres=gpu:1'\"\n")
    )
    project.write_config(guards={"requests": False})
    said = on_slurm(project, "folds")
    assert re.search(r"slurm_extra of rule \w+: found '--gres=gpu:1'", said), said
    assert "`gres`" in said
    assert "Traceback" not in said
    assert not (project.folder / "sbatch.txt").exists()


@pytest.mark.parametrize("guard", ["leftovers", "requests"])
def test_a_guard_can_be_switched_off(project, guard):
    """What stops the run in the two tests above."""
    if guard == "leftovers":
        (project.commands / "squeue").write_text("#!/bin/sh\nexit 1\n")
    else:
        refuses = 'case "$*" in *--test-only*) echo "no such partition" >&2; exit 1;; esac'
        (project.commands / "sbatch").write_text(REFUSES.replace("\n", f"\n{refuses}\n", 1))
    project.write_config(guards={guard: False})
    on_slurm(project, "check", "--retries", "0")
    assert (project.folder / "sbatch.txt").exists()
