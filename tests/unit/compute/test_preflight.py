"""Why a job has no GPU: every fault of a driver, container, cluster or installation that can be told from the others."""

import json
import subprocess
from contextlib import nullcontext

import pandas as pd
import pytest

import preflight as script
from brightcell.compute import backend, preflight
from brightcell.compute.preflight import Facts
from brightcell.errors import InputError
from brightcell.report.record import describe

# A node where all is well.
WELL = {
    "seen": ["NVIDIA H200"],
    "visible": "0",
    "device_files": ["nvidia0"],
    "driver": ["NVIDIA H200, 550.54, 143771 MiB"],
    "cuda_driver": (12, 4),
    "cuda_built": (12, 5),
}


def test_where_a_gpu_works_there_is_no_reason():
    assert preflight.reason(Facts(**WELL)) == ""
    assert preflight.reason(Facts(**WELL | {"visible": None})) == ""


FAULTS = {
    "hidden": ({"seen": [], "visible": ""}, ["given no GPU", "slurm/profile.yaml"]),
    "not allocated": ({"seen": [], "visible": "NoDevFiles"}, ["given no GPU", "'NoDevFiles'"]),
    "no GPU built in": (
        {"seen": [], "visible": None, "device_files": [], "driver": [], "cuda_driver": (0, 0)},
        ["no /dev/nvidia0", "install its driver"],
    ),
    "no GPU asked for": (
        {"seen": [], "visible": None, "device_files": [], "driver": [], "slurm_job": "7"},
        ["no /dev/nvidia0", "slurm/profile.yaml"],
    ),
    "given but not there": (
        {"seen": [], "device_files": [], "driver": [], "allocated": "0", "smi_error": "not found"},
        ["SLURM gave this job GPU 0", "its driver is not loaded", "administrators"],
    ),
    "without --nv": (
        {"seen": [], "driver": [], "cuda_driver": (0, 0), "container": "/images/train.sif"},
        ["train.sif does not see the driver", "--nv"],
    ),
    "driver dead": (
        {"seen": [], "driver": [], "smi_error": "NVIDIA-SMI has failed"},
        ["its driver does not answer", "NVIDIA-SMI has failed"],
    ),
    "CPU build": ({"seen": [], "cuda_built": (0, 0)}, ["CPU build", "make setup DEVICE=gpu"]),
    "CPU build in an image": (
        {"seen": [], "cuda_built": (0, 0), "container": "/images/train.sif"},
        ["CPU build", "make containers DEVICE=gpu"],
    ),
    "old driver": (
        {"seen": [], "cuda_driver": (11, 4)},
        ["the driver runs CUDA 11.4 at most", "built for CUDA 12.5", "newer driver"],
    ),
    "libraries missing": ({"seen": []}, ["CUDA libraries are missing", "make setup DEVICE=gpu"]),
    "seen but useless": (
        {"error": "CUDA_ERROR_NOT_INITIALIZED", "cuda_driver": (11, 8)},
        ["cannot compute on it (CUDA_ERROR_NOT_INITIALIZED)", "the driver runs CUDA 11.8"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_own_words(fault):
    changes, expected = FAULTS[fault]
    said = preflight.reason(Facts(**WELL | changes))
    for words in expected:
        assert words in said
    assert said.endswith(".")


def test_no_two_faults_are_told_alike():
    assert len({preflight.reason(Facts(**WELL | changes)) for changes, _ in FAULTS.values()}) == len(FAULTS)


@pytest.fixture
def here(monkeypatch):
    """This machine as it would be with these facts."""

    def pretend(**changes):
        monkeypatch.setattr(preflight, "look", lambda: Facts(**WELL | changes))

    return pretend


class Log:
    """Keeps what a script says, by level."""

    def __init__(self):
        self.said = []

    def info(self, text, *values):
        self.said.append(("info", text % values))

    def warning(self, text, *values):
        self.said.append(("warning", text % values))


def test_a_gpu_that_is_there_is_told(here, tmp_path):
    here()
    script.main("gpu", tmp_path / "preflight.json", log := Log())
    assert log.said == [("info", "GPU: NVIDIA H200")]
    told = json.loads((tmp_path / "preflight.json").read_text())
    assert (told["device"], told["wanted"], told["cuda_driver"]) == ("gpu", "gpu", [12, 4])


@pytest.mark.parametrize(("job", "level"), [("", "info"), ("12", "warning")])
def test_auto_tells_and_goes_on(here, tmp_path, job, level):
    here(seen=[], visible="", slurm_job=job)
    script.main("auto", tmp_path / "preflight.json", log := Log())
    assert log.said[0][0] == level
    assert "given no GPU" in log.said[0][1]
    assert json.loads((tmp_path / "preflight.json").read_text())["device"] == "cpu"


@pytest.mark.parametrize(
    ("wanted", "facts", "said"),
    [
        ("gpu", {"visible": ""}, "compute.device is gpu, but none .* this job was given no GPU"),
        (
            "auto",
            {"cuda_built": (0, 0), "slurm_job": "12", "allocated": "0"},
            "asked SLURM for a GPU, but .* CPU build",
        ),
    ],
)
def test_where_a_gpu_is_wanted_none_is_an_error_and_no_finding_is_kept(here, tmp_path, wanted, facts, said):
    here(seen=[], **facts)
    with pytest.raises(InputError, match=said):
        script.main(wanted, tmp_path / "preflight.json", Log())
    assert not (tmp_path / "preflight.json").exists()


@pytest.mark.parametrize(
    ("environment", "given"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0"}, ""),  # no SLURM
        ({"SLURM_JOB_ID": "7"}, ""),
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "NoDevFiles"}, ""),
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0,1"}, "0,1"),
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "", "SLURM_JOB_GPUS": "3"}, "3"),
    ],
)
def test_a_gpu_that_slurm_gave_is_required_unless_the_config_says_cpu(monkeypatch, environment, given):
    for name in ("SLURM_JOB_ID", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(backend, "has_gpu", lambda: False)
    assert backend.allocated() == given
    backend.require("cpu")
    with pytest.raises(InputError, match=f"SLURM gave this job GPU {given}") if given else nullcontext():
        backend.require("auto")


def test_without_a_gpu_the_backend_is_not_imported(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(preflight, "try_backend", lambda: pytest.fail("imported"))
    assert preflight.reason(preflight.look()).startswith("this job was given no GPU")


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (FileNotFoundError(), ([], "not found")),
        (subprocess.TimeoutExpired("nvidia-smi", 30), ([], "no answer within 30 s")),
        (subprocess.CompletedProcess([], 9, "NVIDIA-SMI has\nfailed", ""), ([], "NVIDIA-SMI has failed")),
        (subprocess.CompletedProcess([], 0, "H200, 550, 1 MiB\n", ""), (["H200, 550, 1 MiB"], "")),
    ],
)
def test_what_nvidia_smi_may_answer(monkeypatch, answer, found):
    def run(*_, **__):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(subprocess, "run", run)
    assert preflight.ask_nvidia_smi() == found


def test_the_finding_stands_in_the_report(here, tmp_path):
    here(seen=[], visible="")
    script.main("auto", tmp_path / "preflight.json", Log())
    told = json.loads((tmp_path / "preflight.json").read_text())
    scores = pd.DataFrame({"seed": [1], "fold": [1]})
    assert "none on" in describe([], scores, told)["GPU"]
    assert "this job was given no GPU" in describe([], scores, told)["GPU"]
    assert "GPU" not in describe([], scores)
