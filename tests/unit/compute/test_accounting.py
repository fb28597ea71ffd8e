"""What jobs waited, ran, asked for and used: by SLURM's accounting, and without it."""

import sys

import numpy as np
import pandas as pd
import pytest

import account
from brightcell import files
from brightcell.compute import accounting

# 11: a model, done. 12: over its time. 13: over its memory, after ten minutes in the queue. 14: never started.
SACCT = """\
11|COMPLETED|2026-01-01T10:00:00|2026-01-01T10:01:40|2026-01-01T12:01:40|7200|03:00:00|billing=4,cpu=4,gres/gpu=1,mem=8000M,node=1|cpu=4,mem=8000M|
11.batch|COMPLETED|2026-01-01T10:01:40|2026-01-01T10:01:40|2026-01-01T12:01:40|7200|00:10.000|cpu=4,mem=8000M||200000K
11.0|COMPLETED|2026-01-01T10:01:41|2026-01-01T10:01:41|2026-01-01T12:01:40|7199|02:59:50|cpu=4,gres/gpu=1,mem=8000M||3.5G
12|TIMEOUT|2026-01-01T10:00:00|2026-01-01T10:00:00|2026-01-01T11:00:00|3600|30:00.000|cpu=4,gres/gpu:a100=2,mem=7.50G,node=1||
13|CANCELLED by 0|2026-01-01T10:00:00|2026-01-01T10:10:00|2026-01-01T10:10:36|36|00:36.000|cpu=1,mem=500M,node=1||
14|CANCELLED|2026-01-01T10:00:00|Unknown|2026-01-01T10:10:36|0|00:00:00||cpu=1,mem=500M,node=1|
"""
RULES = {"11": "score, train", "12": "train", "13": "train", "14": "baseline"}


def test_what_slurm_tells_of_its_jobs():
    table = accounting.parse(SACCT).set_index("job")
    assert list(table.index) == ["11", "12", "13", "14"]
    done = table.loc["11"]
    assert (done["state"], done["wait_s"], done["run_s"]) == ("COMPLETED", 100, 7200)
    assert (done["cpus"], done["cpu_hours_requested"], done["cpu_hours_used"]) == (4, 8, 3)
    assert (done["memory_mb_requested"], done["memory_mb_used"]) == (8000, 3584)
    assert (done["gpus"], done["gpu_hours_requested"]) == (1, 2)
    assert list(table["state"])[1:] == ["TIMEOUT", "CANCELLED", "CANCELLED"]
    assert (table.at["12", "gpus"], table.at["12", "memory_mb_requested"]) == (2, 7680)
    assert table.at["13", "wait_s"] == 600
    assert np.isnan(table.at["14", "wait_s"])  # it never started
    assert table.at["14", "cpus"] == 1  # as it was requested


def jobs(**columns) -> pd.DataFrame:
    """A table of jobs: training and scores in SLURM job 11, the report here."""
    made = {
        "rule": ["train", "score", "report"],
        "network": ["simple", "simple", ""],
        "fold": [1, 1, np.nan],
        "seed": [2, 2, np.nan],
        "seconds": [5400.0, 900.0, 10.0],
        "cpu_percent": [200.0, 100.0, np.nan],
        "memory_mb": [3000.0, 100.0, 50.0],
        "slurm_job": ["11", "11", ""],
        "device": ["gpu", "", ""],
    }
    return pd.DataFrame(made | columns)


def test_attempts_that_were_repeated_are_accounted_for_too():
    table = accounting.account(jobs(), accounting.parse(SACCT), RULES).set_index("job")
    assert list(table.index) == ["11", "12", "13", "14"]
    assert (table.at["11", "rules"], table.at["11", "models"]) == ("train, score", "simple fold 1 seed 2")
    assert list(table["rules"])[1:] == ["train", "train", "baseline"]
    assert table.at["11", "gpu_hours_used"] == 1.5  # while the training ran, of two hours
    assert np.isnan(table.at["12", "gpu_hours_used"])  # over its time, and what it saved was used
    assert table.loc[["13", "14"], "gpu_hours_used"].tolist() == [0, 0]  # no GPU, never started
    assert table.at["11", "cpu_hours_used"] == 3  # SLURM knows better than the rules
    sums = accounting.summarise(table.reset_index()).set_index("rules")
    assert list(sums.index) == ["train, score", "attempts that failed"]
    assert list(sums["jobs"]) == [1, 3]
    assert sums.at["attempts that failed", "gpu_hours_requested"] == 2
    assert np.isnan(sums.at["attempts that failed", "gpu_hours_used"])
    assert sums.at["train, score", "gpu_hours_used"] == 1.5
    assert sums.at["attempts that failed", "longest_wait_s"] == 600


def test_where_slurm_tells_nothing_the_rules_own_measurements_stand_in():
    table = accounting.account(jobs(), accounting.parse(""), {"11": "score, train"})
    assert len(table) == 1
    only = table.iloc[0]
    assert (only["job"], only["rules"], only["run_s"]) == ("11", "train, score", 6300)
    assert only["cpu_hours_used"] == pytest.approx(3 + 0.25)
    assert only["memory_mb_used"] == 3000
    assert only["gpu_hours_used"] == 1.5
    assert np.isnan(only["gpus"])
    assert np.isnan(only["wait_s"])
    assert np.isnan(only["memory_mb_requested"])
    assert accounting.summarise(table)["jobs"].tolist() == [1]


def test_without_slurm_every_job_has_a_row_and_the_report_none():
    table = accounting.account(jobs(slurm_job=["", "", ""]), accounting.parse(""), {})
    assert list(table["rules"]) == ["train", "score", "report"]
    assert list(table["gpu_hours_used"]) == [1.5, 0, 0]
    assert accounting.summarise(table).empty


@pytest.mark.parametrize("rules", [RULES, {}])
def test_a_network_that_computed_on_a_cpu_used_no_gpu(rules):
    table = accounting.account(jobs(device=["cpu", "", ""]), accounting.parse(SACCT), rules).set_index("job")
    assert table.at["11", "gpu_hours_used"] == 0


def test_where_slurm_does_not_account_for_gpus_none_are_claimed():
    without = SACCT.replace("gres/gpu=1,", "").replace("gres/gpu:a100=2,", "")
    table = accounting.account(jobs(), accounting.parse(without), RULES).set_index("job")
    assert table["gpus"].isna().all()
    assert table["gpu_hours_requested"].isna().all()
    assert table.at["11", "gpu_hours_used"] == 1.5
    assert np.isnan(table.at["12", "gpu_hours_used"])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a table of jobs; `sacct` is a stand-in. An attempt at a training failed in job 12."""
    table = jobs(slurm_job=["11", "11", ""]).assign(slurm_jobs=["12 11", "11", ""])
    files.write_table(table, tmp_path / "jobs.tsv")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def run(folder, text=None) -> tuple[str, pd.DataFrame]:
    """Account for the jobs where `sacct` is a Python script, or missing."""
    if text:
        (folder / "bin/sacct").write_text(f"#!{sys.executable}\n{text}\n")
        (folder / "bin/sacct").chmod(0o755)
    told = account.main(folder / "jobs.tsv", folder / "accounting.tsv")
    return told, files.read_table(folder / "accounting.tsv")


def test_the_jobs_of_a_results_folder_are_asked_for(folder):
    text = f"import sys\nassert '11,12' in sys.argv, sys.argv\nprint({SACCT!r})"
    told, table = run(folder, text)
    assert told == "4 of 2 SLURM jobs accounted for."
    assert list(table["state"])[:2] == ["COMPLETED", "TIMEOUT"]
    assert list(table["rules"])[:2] == ["train, score", "train"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "sacct: no such command here"),
        ("import sys; sys.exit('Slurm accounting storage is disabled')", "accounting storage is disabled"),
        ("import time; time.sleep(30)", "did not answer within 1 s"),
        ("print()", "remembers none"),
    ],
)
def test_an_accounting_that_is_away_is_tolerated(folder, monkeypatch, text, said):
    monkeypatch.setattr(accounting.ask, "__defaults__", (1.0,))
    told, table = run(folder, text)
    assert told.startswith("0 of 2 SLURM jobs accounted for.")
    assert said in told
    assert list(table["job"]) == ["11", "12"]
    assert table["run_s"].iloc[0] == 6300


def test_without_slurm_nothing_is_asked(tmp_path):
    files.write_table(jobs(slurm_job=["", "", ""], slurm_jobs=["", "", ""]), tmp_path / "jobs.tsv")
    told = account.main(tmp_path / "jobs.tsv", tmp_path / "accounting.tsv")
    assert told == "0 of 0 SLURM jobs accounted for. no job was submitted to SLURM"
