"""Which SLURM jobs belong to a folder, and what is said where SLURM does not answer."""

import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake_executor_plugin_slurm import submit_string, validation

import leftovers
from brightcell.compute import slurm
from brightcell.errors import InputError

RUN = "f81d4fae-7dec-41d0-8765-00a0c91e6bf6"
FOLDER = Path("/home/me/study")
QUEUE = f"""\
11|RUNNING|1:02:03|{RUN}|{FOLDER}|rule_model_calibrate_label_predict_score_train
12|PENDING|0:00|mine_{RUN}|{FOLDER}|rule_read_prepare
13|RUNNING|5:00|{RUN}|/home/me/other|rule_train
14|RUNNING|5:00|my own job|{FOLDER}|
15|PENDING|0:00|{RUN}|{FOLDER}/results|rule_train
16|RUNNING|0:10|{RUN}|{FOLDER}|(null)|with a bar
slurm_load_jobs: a warning of some site
"""


def test_the_jobs_of_a_folder_are_those_that_snakemake_submitted_there():
    jobs = slurm.parse_queue(QUEUE, FOLDER)
    assert [job.number for job in jobs] == ["11", "12", "16"]
    assert jobs[0] == slurm.Job("11", "RUNNING", "1:02:03", RUN, "model_calibrate_label_predict_score_train")


def command(folder: Path, monkeypatch, name: str, text: str) -> None:
    """Put a stand-in for a command of SLURM first in the search path."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!{sys.executable}\n{text}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A cluster with the jobs of QUEUE, which notes what is cancelled."""
    command(tmp_path / "bin", monkeypatch, "squeue", f"print({QUEUE!r})")
    note = f"import sys; open({str(tmp_path / 'cancelled')!r}, 'w').write(' '.join(sys.argv[1:]))"
    command(tmp_path / "bin", monkeypatch, "scancel", note)
    return tmp_path / "cancelled"


def test_leftovers_are_listed_and_left_alone(queue, capsys):
    leftovers.main(FOLDER, cancel=False)
    said = capsys.readouterr().out
    assert "11\tRUNNING\t1:02:03\tmodel_calibrate_label_predict_score_train\n" in said
    assert "3 job(s), submitted from /home/me/study by 2 run(s)" in said
    assert not queue.exists()


def test_leftovers_are_cancelled_on_demand(queue, capsys):
    leftovers.main(FOLDER, cancel=True)
    assert queue.read_text() == "11 12 16"
    assert "3 job(s) cancelled" in capsys.readouterr().out


def test_a_folder_without_jobs_cancels_nothing(queue, capsys):
    leftovers.main(Path("/home/me/third"), cancel=True)
    assert "no job of this folder" in capsys.readouterr().out
    assert not queue.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "squeue: no such command here.*login node"),
        ("import time; time.sleep(9)", "did not answer within 1 s"),
        (
            "import sys; sys.exit('slurm_load_jobs error: Unable to contact slurm controller')",
            "Unable to contact",
        ),
    ],
)
def test_where_slurm_does_not_answer_it_is_said(tmp_path, monkeypatch, text, said):
    (tmp_path / "bin").mkdir()
    if text:
        command(tmp_path / "bin", monkeypatch, "squeue", text)
    else:
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(InputError, match=said):
        slurm.ask("squeue", timeout=1)


class Resources(dict):
    """A job's resources, as Snakemake has them."""

    __getattr__ = dict.get


def submission(**resources):
    job = SimpleNamespace(resources=Resources(resources), threads=1)
    return slurm.check_submission("train_network", job, validation, submit_string)


@pytest.mark.parametrize(
    ("extra", "advice"),
    [
        ("--gres=gpu:1", "--gres belongs as a resource of its own, `gres`"),
        ("--exclusive --time 5", "--time belongs as a resource of its own, `runtime, in minutes`"),
        ("-p gpu", "-p belongs as a resource of its own, `slurm_partition`"),
        ("--account=a", "`slurm_account`"),
        ("--export=NONE", "--export belongs nowhere"),
        ("-J mine", "-J belongs nowhere"),
    ],
)
def test_an_option_that_the_plugin_forbids_is_named_with_its_place(extra, advice):
    with pytest.raises(InputError) as raised:
        submission(slurm_extra=extra)
    assert f"slurm_extra of rule train_network: found {extra!r}" in str(raised.value)
    assert advice in str(raised.value)


def test_every_option_that_the_plugin_forbids_is_refused_with_advice():
    for pattern in validation.get_forbidden_slurm_options():
        for option in re.sub(r"\[=\\s\]|\\s\??", " 1", pattern).split("|"):
            with pytest.raises(InputError, match=r"belongs (as a resource|nowhere)"):
                submission(slurm_extra=option)


@pytest.mark.parametrize(
    "resources", [{"nodes": "two"}, {"slurm_extra": 5}, {"slurm_extra": "--comment-of='x"}]
)
def test_what_the_plugin_would_stumble_over_is_told_before(resources):
    with pytest.raises(InputError, match="the jobs of rule train_network cannot be submitted"):
        submission(**resources)


def test_what_the_profile_asks_for_can_be_submitted():
    submission(slurm_extra="--signal=TERM@120 --exclude=node7", mem_mb=8000, gpu=1, runtime=5)


@pytest.mark.parametrize(
    ("settings", "cores"),
    [
        ({}, 50),
        ({"SLURM_CPUS_ON_NODE": "2"}, 50),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "2"}, 2),
        ({"SLURM_JOB_ID": "7"}, 3),
    ],
)
def test_cores_are_those_of_the_allocation(monkeypatch, settings, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2})
    for name in ("SLURM_JOB_ID", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert slurm.allocated(50) == cores
