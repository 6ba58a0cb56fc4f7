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
from sepconv import cli
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
def fork():
    """Call a function in a fork of the server; what is still alive at the end of a failed test is killed."""
    SERVER.set_forkserver_preload(["sepconv.training.trainer"])
    begun = []

    def start(function, *arguments):
        begun.append(SERVER.Process(target=function, args=arguments))
        begun[-1].start()
        return begun[-1]

    yield start
    for process in begun:
        process.kill()


@pytest.fixture
def begin(fork, cifar10):
    """Start training in a folder."""
    some = data.Images(cifar10.train.pixels[:134], cifar10.train.labels[:134])  # 70 to train on, 64 to validate
    few = data.Cifar(some, some, cifar10.class_names, cifar10.sha256)
    return lambda folder: fork(train_here, folder, few)


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


def command(folder, *options):
    folders = ["--results", f"{folder}/results", "--checkpoints", f"{folder}/checkpoints"]
    return ["run", "tseng2020", "conv", *folders, *options]


def run_command(folder, *options):
    """The command, with the same bits each time; what it prints stands in the folder."""
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    for stream in (sys.stdout, sys.stderr):
        os.dup2(os.open(folder / stream.name.strip("<>"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC), stream.fileno())
    sys.argv = ["sepconv", *command(folder, *options)]
    cli.main()


def assert_stopped(folder, process):
    """After its first epoch, of which there is a checkpoint and no result."""
    process.join()
    said = (folder / "stderr").read_text()
    assert process.exitcode == campaign.STOPPED, said
    assert said.endswith("tseng2020/conv/smoke-seed-0: stopped after epoch 1 of 2\n")
    assert [path.name for path in folder.glob("checkpoints/*/*")] == ["epoch-0001.ckpt"]
    assert checkpoint.load(folder / "checkpoints", smoke().id).epoch == 1
    assert campaign.missing([smoke()], folder / "results")


def assert_finished(folder, process):
    """With a result of two epochs, which it says, and no checkpoint; return the result."""
    process.join()
    assert process.exitcode == 0, (folder / "stderr").read_text()
    result = store.find_run(folder / "results", smoke())
    assert len(result.history) == 2
    assert f"test accuracy {result.final.test_accuracy:.2f} %" in (folder / "stdout").read_text()
    assert not list(folder.glob("checkpoints/*/*"))
    return result


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.usefixtures("cifar10")
def test_the_command_stops_continues_changes_no_bit_and_is_done(tmp_path, fork):
    folders = terminated, late, whole = [tmp_path / name for name in ("terminated", "late", "whole")]
    for folder in folders:
        folder.mkdir()

    stopped = fork(run_command, terminated)
    while not minds_sigterm(stopped):
        assert stopped.is_alive()
        time.sleep(0.02)
    stopped.terminate()
    assert_stopped(terminated, stopped)
    assert_stopped(late, fork(run_command, late, "--deadline", "0"))

    continued, expected = (assert_finished(folder, fork(run_command, folder)) for folder in (terminated, whole))
    assert numbers(asdict(e) for e in continued.history) == numbers(asdict(e) for e in expected.history)
    assert continued.final == expected.final

    written = store.path_of(whole / "results", smoke().key).stat()
    without_images = os.environ | {"SEPCONV_DATA": str(tmp_path / "nowhere")}
    program = [sys.executable, "-m", "sepconv", *command(whole)]
    again = subprocess.run(program, env=without_images, capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (0, (whole / "stdout").read_text())
    assert store.path_of(whole / "results", smoke().key).stat() == written
