"""What a job was given reaches the backend: cores, devices, their memory."""

import json
import os
import subprocess
import sys

import pytest
from project import ROOT

from brightcell import backend


@pytest.mark.parametrize(
    ("asked", "cores", "slurm", "taken"),
    [(8, 16, None, 8), (8, 4, None, 4), (8, 16, "2", 2), (2, 16, "8", 2), (4, 16, "", 4), (4, 16, "n/a", 4), (0, 1, None, 1)],
)  # fmt: skip
def test_no_more_threads_than_cores_were_given(monkeypatch, asked, cores, slurm, taken):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    if slurm is not None:
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", slurm)
    assert backend.allotted(asked) == taken


# TensorFlow on a machine with two GPUs, of which it shows what it is told.
PROBE = """
import json, os, sys
import tensorflow as tf
grown = []
tf.config.list_physical_devices = lambda kind: ["first", "second"] if kind == "GPU" else []
tf.config.experimental.set_memory_growth = lambda gpu, on: grown.append([gpu, on])
from brightcell import backend
backend.start(int(sys.argv[1]), sys.argv[2], "float32")
threads = tf.config.threading.get_intra_op_parallelism_threads()
print(json.dumps([threads, os.environ.get("CUDA_VISIBLE_DEVICES"), grown]))
"""


@pytest.mark.parametrize(("device", "visible"), [("auto", "3"), ("gpu", "1,2"), ("cpu", "")])
def test_the_allocation_reaches_tensorflow(device, visible):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, "4", device], text=True, capture_output=True, check=True,
        env=os.environ
        | {"PYTHONPATH": str(ROOT / "workflow/scripts"), "SLURM_CPUS_PER_TASK": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
        | {"CUDA_VISIBLE_DEVICES": visible or "0"},
    )  # fmt: skip
    threads, left, grown = json.loads(done.stdout.splitlines()[-1])
    assert threads == 1
    assert left == visible
    assert grown == [["first", True], ["second", True]]
