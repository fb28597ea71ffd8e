"""A real SLURM and a small study on it. On a user's machine without them these tests are skipped; in CI they fail."""

import os
import subprocess

import cluster
import pytest
import runs
from cluster import missing
from project import Project


@pytest.fixture(scope="session", autouse=True)
def slurm():
    """A SLURM with two nodes that hold GPUs."""
    if not cluster.slurm_answers():
        missing("no SLURM answers to sinfo")
    nodes = [line.split() for line in cluster.ask("sinfo", "-hN", "-p", "gpu", "-o", "%N %G").splitlines()]
    if sum("gpu" in gpus for _, gpus in nodes) < 2:
        missing("SLURM has no partition `gpu` of two nodes with GPUs")
    return [name for name, _ in nodes]


@pytest.fixture
def daemons(slurm):
    """The daemons of a SLURM that may be broken; all run again afterwards."""
    home = cluster.home()
    if home is None or os.getuid() != 0:
        missing(
            "no SLURM may be broken: BRIGHTCELL_TEST_SLURM names the folder of one that root has started for tests"
        )
    found = cluster.Daemons(home)
    nodes = found.nodes()
    yield found
    found.mend(nodes)
    for node in nodes:
        subprocess.run(
            ["scontrol", "update", f"nodename={node}", "state=resume"], capture_output=True, check=False
        )


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, slurm):
    """A study that ran to its end over two nodes, and what was seen meanwhile: job → environment of its training."""
    project = Project(tmp_path_factory.mktemp("slurm") / "undisturbed")
    project.write_config(**runs.STUDY)
    runs.configure_site(project, train_network={"gpu": "2 if wildcards.network == 'attention' else 1"})
    run = runs.Run(project)
    seen = {}
    try:

        def ended():
            for model in runs.MODELS:
                seen.update(runs.environment_of_training(project, model))
            return run.process.poll() is not None

        cluster.wait_for(ended, "the end of the run", 900)
    finally:
        run.close()
    assert run.process.returncode == 0, run.text[-5000:]
    project.run, project.seen = run, seen
    return project


@pytest.fixture
def prepared(undisturbed, tmp_path):
    """A copy of the study with its data prepared and nothing trained; its jobs are cancelled afterwards."""
    project = runs.copy_of(undisturbed, tmp_path / "project")
    runs.configure_site(project, train_network={"gpu": 1})
    yield project
    cluster.cancel(project.folder)


@pytest.fixture
def begin(prepared):
    """A function that starts a run in the prepared copy; ended afterwards, whatever happens."""
    started = []

    def start(*arguments: str) -> runs.Run:
        started.append(runs.Run(prepared, *arguments))
        return started[-1]

    yield start
    for run in started:
        run.close()
