"""Check whether a job can use a GPU, and say why not."""

import ctypes
import importlib.metadata
import os
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

from brightcell import provenance

from . import backend
from .backend import HIDDEN

NVIDIA_SMI = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]


@dataclass
class Facts:
    """What a job knows about its GPUs.

    visible : CUDA_VISIBLE_DEVICES, None if it is not set; device_files : names of /dev/nvidia0 and so on;
    driver : a line of nvidia-smi for each GPU; smi_error : why there is none;
    cuda_driver, cuda_built : newest CUDA version that the driver runs, and the one that the backend was built for; (0, 0)
    if there is no such library, None if unknown; seen : GPUs that the backend sees; error : why it cannot compute on
    them; container, slurm_job : where this runs, empty for neither; allocated : the GPUs that SLURM gave.
    """

    backend: str = "tensorflow"
    seen: list[str] = field(default_factory=list)
    error: str = ""
    visible: str | None = None
    device_files: list[str] = field(default_factory=list)
    driver: list[str] = field(default_factory=list)
    smi_error: str = ""
    cuda_driver: tuple[int, int] | None = None
    cuda_built: tuple[int, int] | None = None
    container: str = ""
    slurm_job: str = ""
    allocated: str = ""


def reason(facts: Facts) -> str:
    """Return why no GPU can be used and what to do; empty if one can.

    >>> reason(Facts(seen=["NVIDIA H200"]))
    ''
    >>> reason(Facts(visible="")).split(":")[0]
    'this job was given no GPU'
    """
    if facts.seen and not facts.error:
        return ""
    mismatch = _mismatch(facts)
    if facts.seen:
        return (
            f"{facts.backend} sees {', '.join(facts.seen)} but cannot compute on it ({facts.error}). {mismatch}"
        ).strip()
    if facts.visible in HIDDEN:
        return (
            f"this job was given no GPU: CUDA_VISIBLE_DEVICES is {facts.visible!r}. On a cluster ask for one (the line "
            "GPUs in slurm/profile.yaml); elsewhere unset the variable."
        )
    if not facts.device_files and not facts.driver and facts.allocated:
        return (
            f"SLURM gave this job GPU {facts.allocated}, but this node shows none (no /dev/nvidia0, nvidia-smi: "
            f"{facts.smi_error or 'reports no GPU'}): its driver is not loaded. Tell the administrators which node it is."
        )
    if not facts.device_files and not facts.driver:
        advice = (
            "Name the partition that has GPUs and ask for one (slurm/profile.yaml)"
            if facts.slurm_job
            else "Where one is built in, install its driver"
        )
        return (
            "this machine shows no NVIDIA GPU (no /dev/nvidia0): none is built in, its driver is not loaded, or the job "
            f"was given none. {advice}."
        )
    if facts.container and facts.cuda_driver == (0, 0):
        return (
            f"the container {Path(facts.container).name} does not see the driver of the GPU that is here (libcuda.so.1 is "
            'missing in it): start it with --nv, as `apptainer-args: "--nv"` in slurm/profile.yaml or '
            '--apptainer-args="--nv" on the command line does.'
        )
    if facts.cuda_driver == (0, 0) or not facts.driver:
        return (
            f"a GPU is built in, but its driver does not answer (nvidia-smi: {facts.smi_error or 'reports no GPU'}). "
            "Install the driver or load it again, or tell the administrators which node this is."
        )
    if facts.cuda_built == (0, 0):
        build = (
            "the image with `make containers DEVICE=gpu`"
            if facts.container
            else "it with `make setup DEVICE=gpu`"
        )
        return f"{facts.backend} is installed in its CPU build: install {build}."
    if mismatch:
        return mismatch
    return (
        f"{facts.backend} does not see the GPU although driver and device are there ({'; '.join(facts.driver)}): its "
        "CUDA libraries are missing or of other versions. Install again with `make setup DEVICE=gpu`."
    )


def _mismatch(facts: Facts) -> str:
    """Return a message if the driver is too old for the backend; a driver runs builds for its own CUDA major version."""
    if not facts.cuda_driver or not facts.cuda_built or facts.cuda_driver[0] >= facts.cuda_built[0]:
        return ""
    driver, built = (".".join(map(str, version)) for version in (facts.cuda_driver, facts.cuda_built))
    return (
        f"the driver runs CUDA {driver} at most, {facts.backend} was built for CUDA {built}: ask the administrators for a "
        "newer driver, or for nodes that have one."
    )


def look() -> Facts:
    """Gather the facts; the backend, which takes seconds to import, is only imported if a GPU could be seen."""
    name = os.environ.get("KERAS_BACKEND", "tensorflow")
    driver, smi_error = ask_nvidia_smi()
    facts = Facts(
        backend=name,
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
        device_files=sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*")),
        driver=driver,
        smi_error=smi_error,
        cuda_driver=driver_cuda(),
        container=provenance.container(),
        slurm_job=os.environ.get("SLURM_JOB_ID", ""),
        allocated=backend.allocated(),
    )
    if facts.visible in HIDDEN or not (facts.device_files or facts.driver):
        return facts
    facts.cuda_built = built_cuda(name)
    if facts.cuda_built != (0, 0):
        facts.seen, facts.error = try_backend()
    return facts


def ask_nvidia_smi() -> tuple[list[str], str]:
    """Return a line for each GPU, and why there is none."""
    try:
        done = subprocess.run(NVIDIA_SMI, capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        return [], "not found"
    except subprocess.TimeoutExpired:
        return [], "no answer within 30 s"
    if done.returncode:
        return [], " ".join((done.stdout + done.stderr).split())
    return [line.strip() for line in done.stdout.splitlines() if line.strip()], ""


def driver_cuda() -> tuple[int, int]:
    """Return the newest CUDA version that the driver runs; (0, 0) without the driver's library."""
    version = ctypes.c_int(0)
    try:
        ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return (0, 0)
    return version.value // 1000, version.value % 1000 // 10


def built_cuda(name: str) -> tuple[int, int] | None:
    """Return the CUDA version that TensorFlow was built for, (0, 0) for its CPU build; None for other backends."""
    if name != "tensorflow":
        return None
    try:
        importlib.metadata.version("tensorflow-cpu")
        return (0, 0)
    except importlib.metadata.PackageNotFoundError:
        pass
    with backend.native_messages_held():
        import tensorflow as tf

    version = str(tf.sysconfig.get_build_info().get("cuda_version") or "0.0").split(".")
    return int(version[0]), int(version[1]) if len(version) > 1 else 0


def try_backend() -> tuple[list[str], str]:
    """Return the GPUs that Keras' backend sees, and why it cannot multiply matrices on them."""
    backend.prepare(threads=1)
    if not backend.has_gpu():
        return [], ""
    from keras import ops

    names = backend.gpu_names()
    try:
        product = ops.convert_to_numpy(ops.matmul(ops.ones((64, 64)), ops.ones((64, 64))))
    except Exception as error:  # the user must read whatever the backend raises
        return names, " ".join(str(error).split())[:300]
    return names, "" if (product == 64).all() else "a matrix product came out wrong"


def report(facts: Facts, wanted: str) -> dict:
    """Return the result as fields: wanted, device, reason, and all facts."""
    return {
        "wanted": wanted,
        "device": "cpu" if reason(facts) else "gpu",
        "reason": reason(facts),
        "host": os.uname().nodename,
        **asdict(facts),
    }
