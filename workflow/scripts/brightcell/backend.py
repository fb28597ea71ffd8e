"""Set Keras up before it is imported: backend, threads, device, precision."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

logger = logging.getLogger("brightcell")


def start(threads: int, device: str, precision: str) -> str:
    """Prepare the backend, see to the device that the config wants, and return the dtype policy, logged."""
    prepare(threads, device)
    require(device)
    policy, reason = choose_precision(precision)
    logger.info(
        "precision %s: %s; backend %s, %d threads", policy, reason, os.environ["KERAS_BACKEND"], threads
    )
    return policy


def prepare(threads: int, device: str = "auto") -> None:
    """Tell the backend, before its first import, how many threads and which device it may take.

    The backend is TensorFlow unless the environment variable KERAS_BACKEND names another. device `cpu` hides
    every GPU from it.
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
    import keras

    return bool(keras.distribution.list_devices("gpu"))


def require(device: str) -> None:
    """Raise InputError where the config wants a GPU and none is seen."""
    if device == "gpu" and not has_gpu():
        raise InputError(
            "training.device is gpu, but no GPU is visible to this job. Ask the cluster for one (slurm/profile.yaml), "
            "check the driver with nvidia-smi, or set training.device to auto or cpu."
        )


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
