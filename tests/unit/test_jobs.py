"""What every job does: its log, its errors, and the packages that it may use."""

import errno
import json
import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import tifffile

from brightcell import files, jobs, provenance
from brightcell.errors import InputError


@pytest.fixture(autouse=True)
def no_handlers_left():
    yield
    jobs.logger.handlers.clear()


@pytest.fixture
def in_a_container(monkeypatch, tmp_path):
    """Pretend to run in an image with a label for its contents."""
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"contents": "0123456789abcdef" * 4}))
    monkeypatch.setattr(provenance, "LABELS", labels)
    monkeypatch.setenv("APPTAINER_CONTAINER", "/images/image.sif")
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_a_log_begins_with_where_the_job_ran(tmp_path, monkeypatch):
    monkeypatch.delenv("APPTAINER_CONTAINER", raising=False)
    with jobs.job(tmp_path / "logs/a.log") as log:
        log.info("at work")
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["a.job.json", "a.log"]
    told = jobs.read_record(tmp_path / "logs/a.log")
    assert (told["image"], told["fingerprint"], told["prefix"]) == ("", "", sys.prefix)
    assert told["brightcell"] == provenance.versions()["brightcell"]
    first, second, _ = (tmp_path / "logs/a.log").read_text().splitlines()
    assert f"where: host {told['host']}, " in first and f"brightcell {told['brightcell']}" in first
    assert second.endswith("at work")


def test_a_record_is_that_of_the_last_job_and_grows(tmp_path):
    log = tmp_path / "a.log"
    assert jobs.read_record(log) == {}
    with jobs.job(log):
        jobs.tell(device="gpu")
        assert jobs.read_record(log)["device"] == "gpu"
    with jobs.job(log):
        assert "device" not in jobs.read_record(log)
        assert jobs.read_record(log)["host"] == os.uname().nodename


def test_in_a_container_its_fingerprint_is_told(tmp_path, in_a_container):
    with jobs.job(tmp_path / "a.log"):
        pass
    told = jobs.read_record(tmp_path / "a.log")
    assert (told["image"], told["fingerprint"]) == ("/images/image.sif", "0123456789abcdef")


def test_an_image_without_our_labels_is_known_by_all_of_them():
    labels = {"maintainer": "a site", "date": "today"}
    found = provenance.fingerprint(labels)
    assert len(found) == 16
    assert found == provenance.fingerprint(dict(reversed(labels.items())))
    assert found != provenance.fingerprint(labels | {"date": "tomorrow"})


@pytest.mark.parametrize(
    ("error", "said"), [(InputError("bad sheet"), "ERROR bad sheet\n"), (KeyError("x"), "Traceback")]
)
def test_an_error_ends_the_process_and_stands_in_the_log(tmp_path, error, said):
    with pytest.raises(SystemExit) as ended, jobs.job(tmp_path / "a.log"):
        raise error
    assert ended.value.code == 1
    text = (tmp_path / "a.log").read_text()
    assert said in text
    assert ("Traceback" in text) == (said == "Traceback")


def test_a_package_of_the_host_is_refused_in_a_container(tmp_path, in_a_container, monkeypatch):
    host = tmp_path / "host/tifffile/__init__.py"
    monkeypatch.setattr(tifffile, "__file__", str(host))
    monkeypatch.setattr(jobs, "packages_in_use", lambda: {"tifffile", "numpy", "json"})
    with pytest.raises(SystemExit), jobs.job(tmp_path / "a.log"):
        pytest.fail("the job ran")
    text = (tmp_path / "a.log").read_text()
    assert f"ERROR /images/image.sif: the image lacks the package tifffile; found was {host}" in text


def test_no_package_of_the_host_is_found_later(tmp_path, in_a_container):
    (tmp_path / "host").mkdir()
    (tmp_path / "host/leaked.py").write_text("")
    sys.path.append(str(tmp_path / "host"))
    with pytest.raises(SystemExit), jobs.job(tmp_path / "a.log"):
        import leaked  # noqa: F401
    assert "/images/image.sif: the image lacks the package leaked" in (tmp_path / "a.log").read_text()


def test_the_packages_in_use_are_those_behind_the_names_of_our_modules():
    import brightcell.io.stacks  # noqa: F401

    found = jobs.packages_in_use()
    assert {"numpy", "pandas"} <= found
    assert "brightcell" not in found
    assert logging.__name__ in found  # the standard library counts, and is always there


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "a/model.keras"),
            "a/model.keras: the disk is full.",
        ),
        (
            RuntimeError("Can't write (errno = 28, error message = 'No space left on device')"),
            "the disk is full.",
        ),
        (OSError(errno.EROFS, "Read-only file system", "a"), "a: the file system is read-only."),
    ],
)
def test_a_fault_of_the_disk_is_told_in_words(tmp_path, error, said):
    with pytest.raises(SystemExit), jobs.job(tmp_path / "a.log"):
        raise error
    text = (tmp_path / "a.log").read_text()
    assert said in text
    assert "Traceback" not in text


def test_a_leftover_job_writes_to_its_own_log(tmp_path):
    path = tmp_path / "a.log"
    with path.open("w") as leftover:
        leftover.write("old\n")
        leftover.flush()
        with jobs.job(path):
            leftover.write("late\n")
            leftover.flush()
    assert "late" not in path.read_text()


def asleep(*words: str, number: str) -> subprocess.Popen:
    """A process in a SLURM job."""
    command = [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)", *words]
    process = subprocess.Popen(
        command, env=os.environ | {"SLURM_JOB_ID": number}, stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    return process


@pytest.mark.parametrize("word", ["slurm-jobstep", "--profile"])
def test_only_a_job_that_snakemake_submitted_is_ended(word):
    number, other = f"{os.getpid()}1", f"{os.getpid()}2"
    batch, elsewhere = asleep(word, number=number), asleep("slurm-jobstep", number=other)
    program = f"import sys; sys.path[:0] = {sys.path!r}; from brightcell import jobs; jobs.end_cluster_job()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"SLURM_JOB_ID": number}, timeout=60, check=False
    )
    try:
        if word == "slurm-jobstep":
            assert done.returncode == -9
            assert batch.wait(timeout=10) == -9
        else:
            assert done.returncode == 0
            assert batch.poll() is None
        assert elsewhere.poll() is None
    finally:
        for process in (batch, elsewhere):
            process.kill()
            process.communicate()


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path):
    files.check_writable(tmp_path / "results/new")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named():
    with pytest.raises(InputError, match=r"/proc/results: no results can be written there \(/proc: "):
        files.check_writable("/proc/results")


def test_a_record_keeps_the_slurm_jobs_of_all_attempts(tmp_path, monkeypatch):
    for number in ("11", "12", "12"):
        monkeypatch.setenv("SLURM_JOB_ID", number)
        with jobs.job(tmp_path / "train.log"):
            pass
    told = jobs.read_record(tmp_path / "train.log")
    assert (told["slurm_job"], told["slurm_jobs"]) == ("12", "11 12")
    jobs.record_of(tmp_path / "train.log").write_text("{")  # a kill came in between
    with jobs.job(tmp_path / "train.log"):
        pass
    assert jobs.read_record(tmp_path / "train.log")["slurm_jobs"] == "12"


def test_a_job_checks_what_it_reads_and_seals_what_it_writes(tmp_path, monkeypatch):
    read, wrote = tmp_path / "in.txt", tmp_path / "out.txt"
    read.write_text("whole")
    files.seal(read, "prepare_group", "prepare.log")
    task = SimpleNamespace(input=[str(read)], output=[str(wrote)], rule="score_frames")
    monkeypatch.setattr(sys.modules["__main__"], "snakemake", task, raising=False)
    with jobs.job(tmp_path / "a.log"):
        wrote.write_text("made")
    assert files.read_json(files.seal_of(wrote))["rule"] == "score_frames"
    read.write_text("wrong")
    with pytest.raises(SystemExit), jobs.job(tmp_path / "a.log"):
        raise AssertionError("the job must not begin")
    assert "damaged since the rule prepare_group wrote it" in (tmp_path / "a.log").read_text()
    assert not files.seal_of(wrote).exists()
