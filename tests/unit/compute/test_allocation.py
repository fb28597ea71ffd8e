"""What a job was given reaches the backend: cores, devices, their memory."""

import json
import os
import resource
import subprocess
import sys
from types import SimpleNamespace

import pytest
from project import ROOT

from brightcell.compute import backend
from brightcell.errors import InputError


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
import json, logging, os, sys
import tensorflow as tf
logging.basicConfig(level="INFO")
grown = []
tf.config.list_physical_devices = lambda kind: ["first", "second"] if kind == "GPU" else []
tf.config.experimental.set_memory_growth = lambda gpu, on: grown.append([gpu, on])
from brightcell.compute import backend
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
    if device != "cpu":
        assert "where: device gpu" in done.stderr


def gpu_of(monkeypatch, name, capability):
    """Let a backend, none of which this machine need have, see one GPU."""
    details = {"compute_capability": capability} if capability else {}
    device = SimpleNamespace(platform="gpu", device_kind="a GPU")
    if capability:
        device.compute_capability = "{}.{}".format(*capability)
    config = SimpleNamespace(
        list_physical_devices=lambda kind: [kind],
        experimental=SimpleNamespace(get_device_details=lambda gpu: details),
    )
    cuda = SimpleNamespace(
        is_available=lambda: True, device_count=lambda: 1, get_device_capability=lambda index: capability
    )
    modules = {
        "tensorflow": SimpleNamespace(config=config),
        "jax": SimpleNamespace(devices=lambda: [device]),
        "torch": SimpleNamespace(cuda=cuda),
    }
    monkeypatch.setenv("KERAS_BACKEND", name)
    monkeypatch.setitem(sys.modules, name, modules[name])


@pytest.mark.parametrize("name", ["tensorflow", "jax", "torch"])
@pytest.mark.parametrize(
    ("capability", "chosen"),
    [((6, 0), "float32"), ((7, 5), "float32"), ((8, 0), "mixed_bfloat16"), ((10, 0), "mixed_bfloat16"), (None, "mixed_bfloat16")],
)  # fmt: skip
def test_bfloat16_is_for_gpus_that_have_it(monkeypatch, name, capability, chosen):
    gpu_of(monkeypatch, name, capability)
    policy, reason = backend.choose_precision("auto")
    assert policy == chosen
    assert ("older than bfloat16" in reason) == (chosen == "float32")
    assert backend.choose_precision("float32") == ("float32", "as configured")


@pytest.mark.parametrize(("amx", "chosen"), [(True, "mixed_bfloat16"), (False, "float32")])
def test_bfloat16_is_for_cpus_that_have_it(monkeypatch, amx, chosen):
    monkeypatch.setattr(backend, "has_gpu", lambda: False)
    monkeypatch.setattr(backend, "has_amx", lambda: amx)
    assert backend.choose_precision("auto")[0] == chosen


def test_jax_is_told_before_it_looks_at_a_device(monkeypatch):
    told = {}

    def look():
        told.update({key: os.environ.get(key) for key in wanted})
        return [SimpleNamespace(platform="gpu", compute_capability="9.0")]

    wanted = {"PJRT_NPROC": "1", "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_FLAGS": " --xla_gpu_deterministic_ops=true"}  # fmt: skip
    for key in (*wanted, "OMP_NUM_THREADS"):
        monkeypatch.setenv(key, "")  # given back after the test
        monkeypatch.delenv(key)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(devices=look))
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    backend.start(4, "gpu", "float32", deterministic=True)
    assert told == wanted


def test_determinism_of_torch_reaches_cublas(monkeypatch):
    asked = []
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(use_deterministic_algorithms=asked.append))
    backend.make_deterministic()
    assert asked == [True]
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


OUT = [
    MemoryError("Unable to allocate 9 GiB"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to"
    ),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ValueError("RESOURCE_EXHAUSTED: failed to allocate 8 bytes"),
    RuntimeError("std::bad_alloc"),
    OSError(12, "Cannot allocate memory"),
]


@pytest.mark.parametrize("error", OUT, ids=lambda error: str(error)[:20])
def test_where_memory_runs_out_something_possible_is_proposed(error):
    training = {"batch_size": 4, "patch": 80}
    with (
        pytest.raises(
            InputError, match=r"training\.batch_size 2 or training\.patch 32 or network\.filters halved"
        ),
        backend.memory_advice("training", training, levels=5),
    ):
        raise error


def test_what_cannot_be_smaller_is_not_proposed():
    with (
        pytest.raises(InputError, match=r"Try smaller frames; a GPU"),
        backend.memory_advice("prediction", {"batch_size": 1, "tile": 96}),
    ):
        raise MemoryError
    with pytest.raises(ValueError, match="another fault"), backend.memory_advice("prediction", {}):
        raise ValueError("another fault")


@pytest.mark.parametrize(
    ("limit", "enough"), [(10**9, False), (4 * 10**9, True), (resource.RLIM_INFINITY, True)]
)
def test_too_little_address_space_is_told_before_tensorflow_aborts(monkeypatch, limit, enough):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit, limit))
    if enough:
        backend.check_address_space()
    else:
        with pytest.raises(InputError, match="ulimit -v: this job may use 1 GB"):
            backend.check_address_space()
