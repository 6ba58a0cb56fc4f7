"""Shared fixtures: the real CIFAR images, found once a session."""

import os
import subprocess
import sys
from pathlib import Path

import pooch
import pytest
from filelock import FileLock
from hypothesis import settings

from sepconv.training import data

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

UNPACK = Path(__file__).parents[2] / "shared" / "data" / "unpack.py"  # lossless copies, where they lie beside the clone


@pytest.fixture(scope="session")
def cifar_folder():
    """Set ``SEPCONV_DATA`` for the session where it is not set and the images can be had without a network."""
    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get(data.SETTING) and UNPACK.exists():
            patch.setenv(data.SETTING, str(_unpacked()))
        yield os.environ.get(data.SETTING)


@pytest.fixture(scope="session")
def cifar10(cifar_folder):
    return _load("cifar10")


@pytest.fixture(scope="session")
def cifar100(cifar_folder):
    return _load("cifar100")


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
