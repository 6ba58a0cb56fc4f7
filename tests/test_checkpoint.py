"""Checkpoints: what is saved is what is loaded, and a damaged file costs one checkpoint, not the run."""

import errno
import logging
import os
import resource

import numpy as np
import pytest

from sepconv.training import checkpoint
from sepconv.training.checkpoint import CheckpointError

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
    (warning,) = caplog.messages
    assert "epoch-0002.ckpt is damaged (wrong checksum) and was deleted" in warning
    assert warning.endswith("falling back to the checkpoint before it")
    assert "\n" not in warning


def test_two_damaged_ones_mean_starting_over(tmp_path, caplog):
    for epochs in (1, 2):
        saved(tmp_path, epochs).write_bytes(b"damaged")
    assert checkpoint.load(tmp_path, RUN) is None
    newest, oldest = caplog.messages
    assert newest.endswith("falling back to the checkpoint before it")
    assert "epoch-0001.ckpt is damaged" in oldest
    assert oldest.endswith("starting over")


def test_damaged_files_of_later_epochs_do_not_outlive_what_is_written(tmp_path):
    for epochs in (8, 9):
        saved(tmp_path, epochs).write_bytes(b"damaged")
    assert saved(tmp_path, 1).exists()
    assert checkpoint.load(tmp_path, RUN).epoch == 1
    assert [path.name for path in tmp_path.glob("*/*")] == ["epoch-0001.ckpt"]


def test_a_checkpoint_that_cannot_be_read_is_one_line_and_stays(tmp_path):
    path = tmp_path / RUN / "epoch-0001.ckpt"
    path.parent.mkdir()
    os.mkfifo(path)  # a plain read would wait for a writer for ever
    with pytest.raises(CheckpointError, match=r"epoch-0001.ckpt: cannot be read: expected a regular file; delete it"):
        checkpoint.load(tmp_path, RUN)
    assert path.exists()


@pytest.fixture
def full(monkeypatch):
    """A disk that takes the first thousand bytes of a file and no more, or everything until it is synced."""

    def fill(where):
        if where == "sync":
            monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
        else:
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
            undo.append(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))

    undo = []
    yield fill
    for call in undo:
        call()


@pytest.mark.parametrize("where", ["write", "sync"])
def test_a_full_disk_is_one_line_and_leaves_the_earlier_checkpoint(tmp_path, full, where):
    saved(tmp_path, 1)
    full(where)
    with pytest.raises(CheckpointError, match=r"epoch-0002.ckpt: cannot be written: [\w ]+; make room") as raised:
        saved(tmp_path, 2)
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.glob("*/*")] == ["epoch-0001.ckpt"]
    assert checkpoint.load(tmp_path, RUN).epoch == 1


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / RUN).touch()  # permissions would not bind root
    with pytest.raises(CheckpointError, match=r"epoch-0001.ckpt: cannot be written: File exists; make room"):
        saved(tmp_path, 1)


def test_a_checkpoint_copied_under_another_runs_id_is_refused(tmp_path):
    saved(tmp_path, 1)
    (tmp_path / RUN).rename(tmp_path / "another")
    with pytest.raises(CheckpointError, match=f"expected a checkpoint of run another, got one of {RUN}"):
        checkpoint.load(tmp_path, "another")


def test_no_checkpoint_is_none(tmp_path):
    assert checkpoint.load(tmp_path, RUN) is None


def test_discard_leaves_nothing(tmp_path):
    saved(tmp_path, 1)
    checkpoint.discard(tmp_path, RUN)
    assert not list(tmp_path.glob("*/*"))
