"""Shared fixtures: the real CIFAR images, downloaded only if asked for, and one process whose Keras computes on JAX."""

import io
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path

import pooch
import pytest
from filelock import FileLock
from hypothesis import settings

from sepconv.training import data

# Inherited by every program that a test starts. What is compiled there runs a few times only.
os.environ.setdefault(data.DOWNLOAD, "no")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

UNPACK = Path(__file__).parents[2] / "shared" / "data" / "unpack.py"  # lossless copies, where they lie beside the clone


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that no process is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def cifar_folder():
    """Set ``SEPCONV_DATA`` for the session where it is not set and the images can be had without a network."""
    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get(data.SETTING) and UNPACK.exists():
            patch.setenv(data.SETTING, str(_unpacked()))
        yield os.environ.get(data.SETTING)


@pytest.fixture(scope="session", autouse=True)
def images_are_read_once(cifar_folder):
    """Every test that trains reads all images: in a process, the official ones once."""
    kept, load = {}, data.load

    def read_once(name):
        if os.environ.get(data.SETTING) != cifar_folder:
            return load(name)
        if name not in kept:
            kept[name] = load(name)
        return kept[name]

    with pytest.MonkeyPatch.context() as patch:
        if cifar_folder:
            patch.setattr(data, "load", read_once)
        yield


@pytest.fixture(scope="session")
def cifar10(cifar_folder):
    return _load("cifar10")


@pytest.fixture(scope="session")
def cifar100(cifar_folder):
    return _load("cifar100")


@pytest.fixture(scope="session")
def on_jax(cifar_folder):
    """Call a function of a test module in a process whose Keras computes on JAX.

    Keras has one backend per process, and to start one takes seconds: all tests of a session share this one.
    """
    pytest.importorskip("jax")
    settings_of_jax = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings_of_jax.items():
                patch.setenv(name, value)
            pool.submit(os.getpid).result()  # starts the process, which inherits these settings
        yield lambda function, *arguments: pool.submit(function, *arguments).result()


@pytest.fixture
def run_tests_on_jax(on_jax):
    """Run pytest with these arguments on JAX, where every test must pass; return what it printed."""

    def run(*arguments):
        code, printed = on_jax(_run_tests, *map(str, arguments))
        assert code == pytest.ExitCode.OK, printed
        return printed

    return run


def _run_tests(*arguments):
    with redirect_stdout(io.StringIO()) as printed:
        code = pytest.main(["-p", "no:cacheprovider", *arguments])
    return code, printed.getvalue()


def _unpacked() -> Path:
    folder = Path(pooch.os_cache("sepconv")) / "unpacked"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        subprocess.run([sys.executable, UNPACK, folder], check=True, stdout=subprocess.DEVNULL)
    return folder


def _load(name: data.CifarName) -> data.Cifar:
    """Load, or skip where there is nothing to load from; a folder that was named must hold good files."""
    try:
        return data.load(name)
    except data.DataError as error:
        if os.environ.get(data.SETTING):
            raise
        pytest.skip(f"no CIFAR images: {error}")
