"""The machine and software that a result comes from, and how much memory a run took."""

import ctypes
import os
import platform
import resource
import shutil
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from sepconv.results.records import Environment, harmless, machine_name
from sepconv.spec import InputError

BACKENDS = ("tensorflow", "jax")

# What is named here can change numbers or speed: flags of XLA, TensorFlow, oneDNN and cuBLAS, 64-bit JAX, determinism,
# TF32 and half precision, threads. Of TensorFlow's, all but what it logs and how it takes a GPU's memory.
_PREFIXES = ("XLA_FLAGS", "JAX_", "TF_", "ONEDNN_", "DNNL_", "CUBLAS_", "NVIDIA_TF32_")
_VARIABLES = {"LIBTPU_INIT_ARGS", "OMP_NUM_THREADS"}
_WITHOUT_EFFECT = ("TF_CPP_", "TF_FORCE_GPU_ALLOW_GROWTH")


class BackendError(InputError):
    """The backend that is asked for is none that trains here, or is not installed."""


def check_backend() -> None:
    """Look whether the backend that Keras would take trains here, without importing it.

    Raises:
        BackendError: it is another one than TensorFlow or JAX, or is not installed.
    """
    asked = os.environ["KERAS_BACKEND"]
    if asked not in BACKENDS:
        raise BackendError(f"expected KERAS_BACKEND={' or '.join(BACKENDS)}, got {asked}")
    if find_spec(asked) is None:
        raise BackendError(f"expected the package {asked}, found none; install it, or set KERAS_BACKEND to the other")


# Options of glibc's mallopt, as malloc.h numbers them, and what is asked of each: never return what was freed to the
# system, never ask it for a block that would have to be returned, and let all threads share what is kept.
_KEEP_FREED = {-1: -1, -4: 0, -8: 1}  # M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX


def keep_freed_memory() -> None:
    """Have this process keep the memory that it frees, where its allocator is glibc's; to be called before threads are.

    A training step frees gigabytes that the next one asks for again. Returned to the system meanwhile, each page has to
    be cleared and mapped anew: that was 40 % of the CPU time of a step of ours2026's separable-1 on Linux 6.18.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        for option, value in _KEEP_FREED.items():
            library.mallopt(option, value)


def describe() -> Environment:
    """The environment of this process. Imports the backend."""
    import keras

    backend = keras.backend.backend()
    device, accelerator = device_of(backend)
    return Environment(
        python=platform.python_version(),
        keras=version("keras"),
        backend=backend,
        backend_version=version(backend),
        numpy=version("numpy"),
        device=harmless(device),
        accelerator=accelerator,
        cores=len(available_cores()),
        system=f"{platform.system()} {platform.machine()}",
        exact_products=exact_products(),
        git_commit=git_commit(),
        settings=settings(),
    )


def settings() -> tuple[str, ...]:
    """The environment variables, as ``NAME=value``, by which a user can change what the backends compute."""
    named = {name for name in os.environ if name.startswith(_PREFIXES)} | (_VARIABLES & os.environ.keys())
    chosen = sorted(name for name in named if not name.startswith(_WITHOUT_EFFECT))
    return tuple(harmless(f"{name}={os.environ[name]}") for name in chosen)


def exact_products() -> bool:
    """Whether the backend multiplies float32 matrices without rounding their values first, as recent GPUs do to TF32.

    Asked of a product rather than of settings: those have other names on each backend, and GPUs without TF32 ignore
    them. A value with 12 bits after its point is multiplied by the identity; TF32 keeps 10 of them, bfloat16 7.
    """
    from keras import ops

    value = 1 + 2**-12
    product = ops.matmul(ops.full((256, 256), value, "float32"), ops.eye(256, dtype="float32"))
    return bool((ops.convert_to_numpy(product) == value).all())


def git_commit() -> str:
    """The commit of the code, ``-dirty`` appended where it was changed; ``SEPCONV_COMMIT`` where there is no git."""
    if stated := os.environ.get("SEPCONV_COMMIT"):
        return stated
    source = Path(__file__).parent
    try:
        _git(source, "ls-files", "--error-unmatch", Path(__file__).name)  # else the repository around is another one
        commit = _git(source, "rev-parse", "HEAD")
        return commit + ("-dirty" if _git(source, "status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def peak_bytes() -> int | None:
    """Most memory taken so far: of the accelerator where the backend tells, else of this process."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        statistics = jax.devices()[0].memory_stats()
        if statistics:
            return int(statistics["peak_bytes_in_use"])
    else:
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def device_of(backend: str) -> tuple[str, bool]:
    """The name of the device that a backend computes on, and whether it is an accelerator. Imports the backend."""
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return (_processor(), False) if device.platform == "cpu" else (device.device_kind, True)
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return _processor(), False
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")), True


def unseen_accelerator(accelerator: bool) -> str:
    """One line where this machine has an NVIDIA device that the backend does not see; else nothing.

    Not where the user hides it, by a variable of CUDA or JAX.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1") or os.environ.get("JAX_PLATFORMS") == "cpu"
    there = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    if accelerator or hidden or not there:
        return ""
    return (
        "this machine has an NVIDIA device that the backend does not see, so it computes on the CPU; install the CUDA "
        "libraries with make env CUDA=tensorflow (or CUDA=jax), or hide the device with CUDA_VISIBLE_DEVICES=-1"
    )


def machine(backend: str) -> str:
    """The machine that a backend computes on, as results name it. Imports the backend."""
    return machine_name(*device_of(backend), len(available_cores()))


def available_cores() -> list[int]:
    """The cores that this process may run on, by which both backends size their pools of threads."""
    if hasattr(os, "sched_getaffinity"):  # macOS has none, and lets every process run on all cores
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return _processor_of_macos() or platform.processor() or platform.machine()


def _processor_of_macos() -> str:
    if sys.platform != "darwin":
        return ""
    asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
    return subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10).stdout.strip()


def _git(folder: Path, *arguments: str) -> str:
    run = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=10)
    return run.stdout.strip()
