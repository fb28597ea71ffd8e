"""Set Keras up before it is imported: backend, threads, device, precision."""

import logging
import os
import re
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from brightcell import jobs
from brightcell.errors import InputError

logger = logging.getLogger("brightcell")

LEAST_ADDRESS_SPACE = 3 * 10**9  # bytes; TensorFlow trains a small network in 2 GB
HIDDEN = ("", "-1", "NoDevFiles")  # values of CUDA_VISIBLE_DEVICES in a job without a GPU


def start(threads: int, device: str, precision: str, deterministic: bool = False) -> str:
    """Prepare the backend, check the device that the config wants, log and return the dtype policy."""
    check_address_space()
    threads = allotted(threads)
    prepare(threads, device)
    if deterministic:
        make_deterministic()  # must come before the first use of a device
    require(device)
    policy, reason = choose_precision(precision)
    jobs.tell(device="gpu" if has_gpu() else "cpu")
    logger.info(
        "precision %s: %s; backend %s, %d threads", policy, reason, os.environ["KERAS_BACKEND"], threads
    )
    return policy


def check_address_space() -> None:
    """Raise InputError where `ulimit -v` leaves a backend too little: it would abort without a message."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if 0 <= most < LEAST_ADDRESS_SPACE:
        raise InputError(
            f"ulimit -v: this job may use {most / 1e9:.2g} GB of address space. Expected {LEAST_ADDRESS_SPACE / 1e9:.0f} GB at "
            "least, with a GPU no limit: `ulimit -v unlimited` before the run. A limit of memory is better set by SLURM's "
            "--mem or a container."
        )


def allotted(threads: int) -> int:
    """Return the number of threads for a job, at most the cores it was given: SLURM may give fewer than the rule asks for.

    More threads than cores make a network several times slower.
    """
    given = [threads, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else threads]
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return max(1, min([*given, int(slurm)] if slurm.isdigit() else given))


def prepare(threads: int, device: str = "auto") -> None:
    """Set the threads and the device that the backend may use, before its first import.

    The backend is TensorFlow unless the environment variable KERAS_BACKEND names another. device `cpu` hides
    every GPU; otherwise the backend takes those in CUDA_VISIBLE_DEVICES, which SLURM sets to a job's own, and only as
    much of their memory as it needs: TensorFlow and JAX would take nearly all of it.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        os.environ["JAX_PLATFORMS"] = "cpu"
    backend = os.environ["KERAS_BACKEND"]
    if backend == "tensorflow":
        with native_messages_held():
            import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1 if threads == 1 else 2)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    elif backend == "torch":
        import torch

        torch.set_num_threads(threads)
    elif backend == "jax":
        os.environ["PJRT_NPROC"] = str(threads)
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


@contextmanager
def native_messages_held() -> Iterator[None]:
    """Hold back the output of compiled code to the terminal in a block; show it if the block fails.

    TensorFlow greets every process with lines that no setting silences and that look like errors.
    """
    with tempfile.TemporaryFile() as held:
        terminal = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(terminal, held.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def has_gpu() -> bool:
    """Return whether Keras' backend sees a GPU."""
    name = os.environ.get("KERAS_BACKEND", "tensorflow")
    if name == "jax":
        import jax

        return any(device.platform == "gpu" for device in jax.devices())
    if name == "torch":
        import torch

        return torch.cuda.is_available()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def gpu_names() -> list[str]:
    """Return the models of the GPUs that Keras' backend sees."""
    name = os.environ.get("KERAS_BACKEND", "tensorflow")
    if name == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    if name == "torch":
        import torch

        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in found]


def allocated() -> str:
    """Return the GPUs that SLURM gave this job, by their numbers or how many; empty for none and without SLURM."""
    if not os.environ.get("SLURM_JOB_ID"):
        return ""
    named = (
        os.environ.get(name, "") for name in ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "CUDA_VISIBLE_DEVICES")
    )
    return next((each for each in named if each not in HIDDEN), "")


def compute_capability() -> tuple[int, int] | None:
    """Return the lowest CUDA compute capability of the GPUs that Keras' backend sees; None if it is unknown."""
    name = os.environ.get("KERAS_BACKEND", "tensorflow")
    if name == "jax":
        import jax

        reported = [getattr(device, "compute_capability", None) for device in jax.devices()]
    elif name == "torch":
        import torch

        reported = [torch.cuda.get_device_capability(index) for index in range(torch.cuda.device_count())]
    else:
        import tensorflow as tf

        details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
        reported = [each.get("compute_capability") for each in details]
    pairs: list[tuple[int, int]] = []
    for each in filter(None, reported):
        major, minor = each.split(".") if isinstance(each, str) else each
        pairs.append((int(major), int(minor)))
    return min(pairs, default=None)


def require(device: str) -> None:
    """Raise InputError if no GPU is seen, but the config wants one or SLURM gave this job one."""
    given = allocated()
    if (device == "gpu" or (device == "auto" and given)) and not has_gpu():
        why = f"SLURM gave this job GPU {given}" if given else "compute.device is gpu"
        raise InputError(
            f"{why}, but on {os.uname().nodename} no GPU can be used. Ask the cluster for one (slurm/profile.yaml), check "
            "the driver with nvidia-smi, or set compute.device to cpu."
        )


def make_deterministic() -> None:
    """Make the same computation give the same bits, at some cost in speed."""
    backend = os.environ["KERAS_BACKEND"]
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    elif backend == "jax":
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_deterministic_ops=true"


def random_state() -> list[np.ndarray]:
    """Return the random state that Keras' variables do not hold: PyTorch's own generators, as uint8 arrays."""
    if os.environ.get("KERAS_BACKEND") != "torch":
        return []
    import torch

    return [state.cpu().numpy() for state in (torch.get_rng_state(), *torch.cuda.get_rng_state_all())]


def set_random_state(states: list[np.ndarray]) -> None:
    """Restore the result of `random_state`; generators of GPUs that no longer exist are left out."""
    if not states:
        return
    import torch

    torch.set_rng_state(torch.from_numpy(states[0]))
    for index, state in enumerate(states[1 : 1 + torch.cuda.device_count()]):
        torch.cuda.set_rng_state(torch.from_numpy(state), index)


def compiled(function: Callable) -> Callable:
    """Compile a function of tensors of fixed shapes with XLA; with PyTorch, run it unchanged, without gradients."""
    name = os.environ.get("KERAS_BACKEND", "tensorflow")
    if name == "jax":
        import jax

        return jax.jit(function)
    if name == "torch":
        import torch

        return torch.no_grad()(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


@contextmanager
def memory_advice(block: str, settings: dict, levels: int = 7) -> Iterator[None]:
    """Raise a backend's out-of-memory error as an InputError that says what to try.

    block : `training` or `prediction`, with its settings; levels : of the network, or the most that one may have
    """
    try:
        yield
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if not isinstance(error, MemoryError) and not re.search(
            r"RESOURCE_EXHAUSTED|ResourceExhausted|OutOfMemory|out of memory|OOM when|bad_alloc"
            r"|[Cc]an(no|')t allocate memory|not enough memory",
            text,
        ):
            raise
        side, otherwise = {
            "training": ("patch", "network.filters halved"),
            "prediction": ("tile", "smaller frames"),
        }[block]
        step, batch = 2 ** (levels - 1), settings["batch_size"]
        half = settings[side] // 2 // step * step
        smaller = [f"{block}.batch_size {batch // 2}"] if batch > 1 else []
        smaller += [f"{block}.{side} {half}"] if half >= 32 else []
        raise InputError(
            f"Out of memory with {block}.batch_size {batch} and {block}.{side} {settings[side]} "
            f"({text.splitlines()[0][:200]}). Try {' or '.join([*smaller, otherwise])}; a GPU with more memory or, on a "
            "cluster, more mem_mb for this rule."
        ) from error


def has_amx() -> bool:
    """Return whether the CPU multiplies bfloat16 matrices in hardware (Intel AMX)."""
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def choose_precision(wanted: str) -> tuple[str, str]:
    """Return the dtype policy and the reason for it. `auto` is mixed bfloat16 if hardware speeds it up."""
    if wanted != "auto":
        return wanted, "as configured"
    if has_gpu():
        capability = compute_capability()
        if capability is None or capability >= (8, 0):
            return "mixed_bfloat16", "a GPU is there"
        return "float32", "the GPU is older than bfloat16 (compute capability {}.{}, 8.0 is needed)".format(
            *capability
        )
    if has_amx():
        return "mixed_bfloat16", "the CPU has AMX"
    return "float32", "neither a GPU nor a CPU with AMX"
