"""Other workflows use this one as a module, from a folder and with a config of their own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from project import CONFIG, Project

SNAKEFILE = """
configfile: "settings/own.yaml"


module brightcell:
    snakefile:
        {source}
    config:
        config


use rule * from brightcell


rule own:
    input:
        rules.report.output.page,
    output:
        "own.txt",
    shell:
        "wc -c < {{input}} > {{output}}"
"""


def snakemake(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *map(str, arguments)],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The folder of a workflow that uses a clone as a module; images and sheet lie in the clone."""
    clone = Project(tmp_path_factory.mktemp("clone") / "brightcell")
    folder = tmp_path_factory.mktemp("other") / "workflow"
    (folder / "settings").mkdir(parents=True)
    (folder / "Snakefile").write_text(SNAKEFILE.format(source=f'"{clone.folder}/workflow/Snakefile"'))
    config = CONFIG | {"samples": str(clone.folder / "data/samples.tsv"), "networks": ["simple"]}
    (folder / "settings/own.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def done(other):
    run = snakemake(other, "own")
    assert run.returncode == 0, run.stdout[-3000:]
    return other


def test_a_workflow_that_uses_the_module_comes_to_the_report(done):
    assert int((done / "own.txt").read_text()) > 100_000
    assert (done / "results/discs/report.html").is_file()
    assert not (done / "results/discs/models/grouped/attention").exists()
    listed = (done / "results/discs/jobs.tsv").read_text()
    assert "train_network" in listed
    assert "\nown\t" not in listed
    assert "Nothing to be done" in snakemake(done, "own", "-n").stdout


def test_an_edited_module_of_the_library_reruns_its_jobs_there_too(done):
    snakefile = Path((done / "Snakefile").read_text().split('"')[3])
    charts = snakefile.parent / "scripts/brightcell/report/charts.py"
    charts.write_text(charts.read_text() + "\nEDITED = True\n")
    planned = snakemake(done, "report", "-n", "--quiet", "rules").stdout
    assert "report " in planned
    assert "train_network" not in planned


def test_it_runs_in_another_directory(done, tmp_path):
    settings = done / "settings/own.yaml"
    run = snakemake(
        done,
        "check",
        "--directory",
        tmp_path / "elsewhere",
        "--configfile",
        settings,
        "--snakefile",
        done / "Snakefile",
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert (tmp_path / "elsewhere/results/discs/check/passed.txt").is_file()


def test_files_that_come_one_by_one_are_refused(other, tmp_path):
    """As `github(…)` gives them: the library would be missing."""
    clone = Path((other / "Snakefile").read_text().split('"')[3]).parents[1]
    git = ["git", "-C", str(clone), "-c", "user.name=test", "-c", "user.email=test@test"]
    for command in (["init", "-q"], ["add", "workflow"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], check=True)
    source = f'gitfile("{clone}", path="workflow/Snakefile", ref="HEAD")'
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(source=source))
    (tmp_path / "settings").mkdir()
    shutil.copy(other / "settings/own.yaml", tmp_path / "settings")
    run = snakemake(tmp_path, "check", "-n")
    assert run.returncode != 0
    assert "clone the project" in run.stdout
