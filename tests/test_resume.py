"""A run that is killed at any instant continues, and ends with the bits of one that was never stopped."""

import multiprocessing
import os
import random
import time
from dataclasses import replace

import keras
import numpy as np
import pytest

from sepconv import checkpoint
from sepconv.papers import paper
from sepconv.spec import Budget, Run, Scale

EPOCHS = 14
KILLED_AFTER = (0, 1, 3, 6, 10)  # epochs whose checkpoints are there; then within about an epoch, at random
# A fresh server process imports Keras once; every run is a fork of it in which no computation has begun.
SERVER = multiprocessing.get_context("forkserver")


def tiny():
    """Dropout, augmentation, Adam and a batch that is not whole: all that carries state from step to step."""
    experiment = paper("tseng2020").experiment("da-conv")
    scale = Scale(epochs=EPOCHS, train_images=70, evaluate_images=64)
    recipe = replace(experiment.recipe, augment=(("flip",),))  # one augmentation traces in less time than five
    return Run("tseng2020", replace(experiment, recipe=recipe, reduced=scale), Budget.REDUCED, seed=0)


def train_here(folder, images):
    """Train to the end with a checkpoint after each epoch; the last one holds the final weights."""
    os.environ["SEPCONV_DATA"] = images
    import tensorflow as tf

    from sepconv import train

    tf.config.experimental.enable_op_determinism()
    train.train(tiny(), checkpoints=folder, checkpoint_every=1)


def begin(folder, images):
    process = SERVER.Process(target=train_here, args=(folder, images))
    process.start()
    return process


def newest_epoch(folder):
    names = [path.stem for path in folder.glob("*/epoch-*.ckpt")]
    return max((int(name.removeprefix("epoch-")) for name in names), default=0)


def kill_after(epoch, process, folder, pause):
    while newest_epoch(folder) < epoch:
        assert process.is_alive()
        time.sleep(0.002)
    time.sleep(pause)
    assert process.is_alive(), "the run ended before it could be killed"
    process.kill()
    process.join()


def numbers(saved):
    return [{name: value for name, value in epoch.items() if "seconds" not in name} for epoch in saved.history]


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="op determinism is TensorFlow's")
def test_kill_9_at_random_instants_changes_no_bit(tmp_path, cifar10, cifar_folder):
    SERVER.set_forkserver_preload(["sepconv.train"])
    whole = begin(tmp_path / "whole", cifar_folder)
    whole.join()
    assert whole.exitcode == 0
    expected = checkpoint.load(tmp_path / "whole", tiny().id)

    pauses = random.Random(0)
    for epoch in KILLED_AFTER:
        kill_after(epoch, begin(tmp_path / "killed", cifar_folder), tmp_path / "killed", pauses.uniform(0, 0.1))
    last = begin(tmp_path / "killed", cifar_folder)
    last.join()
    assert last.exitcode == 0
    got = checkpoint.load(tmp_path / "killed", tiny().id)

    assert len(expected.history) == EPOCHS
    assert numbers(got) == numbers(expected)
    for ours, theirs in zip(got.variables, expected.variables, strict=True):
        assert np.array_equal(ours, theirs)
