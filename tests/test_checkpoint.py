"""Checkpoints: what is saved is what is loaded, and a damaged file costs one checkpoint, not the run."""

import logging

import numpy as np
import pytest

from sepconv import checkpoint

RUN = "0123456789abcdef"


def saved(folder, epochs):
    variables = [np.full((2, 3), epochs, np.float32), np.array(epochs)]
    return checkpoint.save(
        folder, checkpoint.Checkpoint(RUN, variables, [{"epoch": n + 1} for n in range(epochs)], 1.5)
    )


def test_what_is_saved_is_loaded(tmp_path):
    saved(tmp_path, 3)
    loaded = checkpoint.load(tmp_path, RUN)
    assert loaded.epoch == 3
    assert loaded.history == [{"epoch": 1}, {"epoch": 2}, {"epoch": 3}]
    assert loaded.compile_seconds == 1.5
    assert loaded.variables[0].tolist() == [[3, 3, 3], [3, 3, 3]]
    assert loaded.variables[0].dtype == np.float32
    assert loaded.variables[1] == 3


def test_only_the_newest_two_are_kept(tmp_path):
    for epochs in (1, 2, 10):
        saved(tmp_path, epochs)
    assert [path.name for path in sorted(tmp_path.glob("*/*"))] == ["epoch-0002.ckpt", "epoch-0010.ckpt"]


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-10], lambda data: data[:50] + b"x" + data[51:], lambda data: b""]
)
def test_a_damaged_newest_falls_back_to_the_one_before_it(tmp_path, caplog, damage):
    saved(tmp_path, 1)
    newest = saved(tmp_path, 2)
    newest.write_bytes(damage(newest.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert checkpoint.load(tmp_path, RUN).epoch == 1
    assert "epoch-0002.ckpt is damaged" in caplog.text


def test_no_checkpoint_is_none(tmp_path):
    assert checkpoint.load(tmp_path, RUN) is None


def test_discard_leaves_nothing(tmp_path):
    saved(tmp_path, 1)
    checkpoint.discard(tmp_path, RUN)
    assert not list(tmp_path.glob("*/*"))
