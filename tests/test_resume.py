"""A run that is killed at any instant continues, and ends with the bits of one that was never stopped."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest

from factories import ScaledRun, smoke
from sepconv.papers import paper
from sepconv.results import store
from sepconv.spec import Scale
from sepconv.training import campaign, checkpoint, data

EPOCHS = 120
KILLS = 20
# A fresh server process imports Keras once; every run is a fork of it in which no computation has begun.
SERVER = multiprocessing.get_context("forkserver")


def tiny():
    """Augmentation, Adam and a batch that is not whole: with the network below, all that carries state on."""
    experiment = paper("tseng2020").experiment("da-conv")
    scale = Scale(epochs=EPOCHS, train_images=70, evaluate_images=64)
    recipe = replace(experiment.recipe, augment=(("flip",),), train_images=70)
    return ScaledRun("tseng2020", replace(experiment, recipe=recipe), scale)


def tiny_network(_, image_shape, classes):
    """Dropout and batch norm, and nothing that takes time: a process is to be started twenty times."""
    layers = keras.layers
    inputs = x = keras.Input(image_shape)
    for layer in (
        layers.Conv2D(4, 3, strides=4),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(classes),
    ):
        x = layer(x)
    return keras.Model(inputs, x)


def train_here(folder, cifar):
    """Train to the end with a checkpoint after each epoch; the last one holds the final weights."""
    import tensorflow as tf

    from sepconv.training import trainer

    tf.config.experimental.enable_op_determinism()
    trainer.build = tiny_network
    data.load = lambda _: cifar
    trainer.train(tiny(), checkpoints=folder, checkpoint_every=1)


def newest_epoch(folder):
    names = [path.stem for path in folder.glob("*/epoch-*.ckpt")]
    return max((int(name.removeprefix("epoch-")) for name in names), default=0)


def wait_for(process, folder, epoch, at_most=float("inf")):
    """Wait for the checkpoint of an epoch, ``at_most`` so many seconds; return how long that was."""
    begun = time.monotonic()
    while newest_epoch(folder) < epoch and time.monotonic() < begun + at_most:
        assert process.is_alive(), "the run ended before it could be killed"
        time.sleep(0.002)
    return time.monotonic() - begun


def numbers(history):
    return [{name: value for name, value in epoch.items() if "seconds" not in name} for epoch in history]


@pytest.fixture
def begin(cifar10):
    """Start training in a fork of the server; what is still alive at the end of a failed test is killed."""
    SERVER.set_forkserver_preload(["sepconv.training.trainer"])
    some = data.Images(cifar10.train.pixels[:134], cifar10.train.labels[:134])  # 70 to train on, 64 to validate
    few = data.Cifar(some, some, cifar10.class_names, cifar10.sha256)
    begun = []

    def start(folder):
        begun.append(SERVER.Process(target=train_here, args=(folder, few)))
        begun[-1].start()
        return begun[-1]

    yield start
    for process in begun:
        process.kill()


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="op determinism is TensorFlow's")
def test_kill_9_at_random_instants_changes_no_bit(tmp_path, begin):
    whole = begin(tmp_path / "whole")
    wait_for(whole, tmp_path / "whole", 1)
    second = time.monotonic()
    whole.join()
    assert whole.exitcode == 0
    epoch_seconds = (time.monotonic() - second) / EPOCHS
    expected = checkpoint.load(tmp_path / "whole", tiny().id)

    instants, killed, starting = random.Random(0), tmp_path / "killed", 0.0
    for kill in range(KILLS):
        process, following = begin(killed), newest_epoch(killed) + 1
        if kill % 4 == 3:  # while it starts, or writes its first checkpoint
            wait_for(process, killed, following, at_most=instants.uniform(0, starting))
        else:  # within about two epochs after its first
            starting = wait_for(process, killed, following)
            time.sleep(instants.uniform(0, 2 * epoch_seconds))
        assert process.is_alive(), "the run ended before it could be killed"
        process.kill()
        process.join()
    last = begin(tmp_path / "killed")
    last.join()
    assert last.exitcode == 0
    got = checkpoint.load(tmp_path / "killed", tiny().id)

    assert len(expected.history) == EPOCHS
    assert numbers(got.history) == numbers(expected.history)
    for ours, theirs in zip(got.variables, expected.variables, strict=True):
        assert np.array_equal(ours, theirs)


def minds_sigterm(process):
    """Whether the process has installed its handler (Linux shows a mask of the signals that a process catches)."""
    (mask,) = (
        line.split()[1] for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "SigCgt" in line
    )
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.usefixtures("cifar10")
def test_sigterm_in_the_first_epoch_changes_no_bit(tmp_path):
    one_thread = os.environ | {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}  # the same bits each time

    def command(folder):
        options = ["--results", tmp_path / folder, "--checkpoints", tmp_path / f"{folder}-checkpoints"]
        return subprocess.Popen(
            [sys.executable, "-m", "sepconv", "run", "tseng2020", "conv", *options],
            env=one_thread,
            stderr=subprocess.PIPE,
            text=True,
        )

    with command("stopped") as stopped:
        while not minds_sigterm(stopped):
            assert stopped.poll() is None
            time.sleep(0.02)
        stopped.terminate()
        _, said = stopped.communicate()
    assert stopped.returncode == campaign.STOPPED, said
    assert said.endswith("tseng2020/conv/smoke-seed-0: stopped after epoch 1 of 2\n")
    assert checkpoint.load(tmp_path / "stopped-checkpoints", smoke().id).epoch == 1
    assert store.find_run(tmp_path / "stopped", smoke()) is None

    for folder in ("stopped", "whole"):
        with command(folder) as process:
            _, said = process.communicate()
        assert process.returncode == 0, said
    continued, whole = (store.find_run(tmp_path / folder, smoke()) for folder in ("stopped", "whole"))
    assert numbers(asdict(e) for e in continued.history) == numbers(asdict(e) for e in whole.history)
    assert continued.final == whole.final
