"""Set Keras up before it is imported: backend, threads, device, precision."""

import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

logger = logging.getLogger("brightcell")


def start(threads: int, device: str, precision: str, deterministic: bool = False) -> str:
    """Prepare the backend, see to the device that the config wants, and return the dtype policy, logged."""
    threads = allotted(threads)
    prepare(threads, device)
    require(device)
    if deterministic:
        make_deterministic()
    policy, reason = choose_precision(precision)
    logger.info(
        "precision %s: %s; backend %s, %d threads", policy, reason, os.environ["KERAS_BACKEND"], threads
    )
    return policy


def allotted(threads: int) -> int:
    """Take no more threads than a job was given cores: SLURM may give fewer than the rule asks for.

    More threads than cores make a network several times slower.
    """
    given = [threads, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else threads]
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return max(1, min([*given, int(slurm)] if slurm.isdigit() else given))


def prepare(threads: int, device: str = "auto") -> None:
    """Tell the backend, before its first import, how many threads and which device it may take.

    The backend is TensorFlow unless the environment variable KERAS_BACKEND names another. device `cpu` hides
    every GPU from it; else it takes those that CUDA_VISIBLE_DEVICES leaves it, which SLURM sets to a job's own, and of
    their memory no more than it needs.
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


@contextmanager
def native_messages_held() -> Iterator[None]:
    """Hold back what compiled code writes to the terminal in a block; show it if the block fails.

    TensorFlow greets every process with lines that no setting silences and that read like errors.
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
    """Say whether Keras' backend sees a GPU."""
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
    """Name the models of the GPUs that Keras' backend sees."""
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


def require(device: str) -> None:
    """Raise InputError where the config wants a GPU and none is seen."""
    if device == "gpu" and not has_gpu():
        raise InputError(
            "training.device is gpu, but no GPU is visible to this job. Ask the cluster for one (slurm/profile.yaml), "
            "check the driver with nvidia-smi, or set training.device to auto or cpu."
        )


def make_deterministic() -> None:
    """Let the same work give the same bits, at some cost in speed."""
    backend = os.environ["KERAS_BACKEND"]
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True)
    elif backend == "jax":
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_deterministic_ops=true"


def compiled(function: Callable) -> Callable:
    """Compile a function of tensors of fixed shapes by XLA; on PyTorch, run it as it is, without gradients."""
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
def memory_advice(batch_size: int, patch: int) -> Iterator[None]:
    """Turn a backend's way of saying that memory ran out into an InputError that says what to try."""
    try:
        yield
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if not isinstance(error, MemoryError) and not re.search(
            r"RESOURCE_EXHAUSTED|ResourceExhausted|OutOfMemory|out of memory|OOM when", text
        ):
            raise
        smaller = [f"training.batch_size {batch_size // 2}"] if batch_size > 1 else []
        smaller += [f"training.patch {patch // 2}"] if patch >= 64 else []
        raise InputError(
            f"Out of memory with batches of {batch_size} patches of {patch} px ({text.splitlines()[0][:200]}). "
            f"Try {' or '.join([*smaller, 'network.filters halved'])}; a GPU with more memory or, on a cluster, "
            "more mem_mb for the rule train."
        ) from error


def has_amx() -> bool:
    """Say whether the CPU multiplies bfloat16 matrices in hardware (Intel AMX)."""
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def choose_precision(wanted: str) -> tuple[str, str]:
    """Choose the dtype policy; returns it and the reason. `auto` is mixed bfloat16 where hardware speeds it up."""
    if wanted != "auto":
        return wanted, "as configured"
    if has_gpu():
        return "mixed_bfloat16", "a GPU is there"
    if has_amx():
        return "mixed_bfloat16", "the CPU has AMX"
    return "float32", "neither a GPU nor a CPU with AMX"
