"""What killed processes left is told and removed; what is needed, or is being written, stays."""

import os

import pytest
from filelock import FileLock

from factories import result_of, smoke
from sepconv.results import store
from sepconv.training import data, leftovers
from sepconv.training.campaign import Folders

OLD = 0  # seconds since 1970


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "cache", lambda: tmp_path / "cache")
    return Folders(tmp_path / "results", tmp_path / "checkpoints")


def put(path, modified=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 1000)
    if modified is not None:
        os.utime(path, (modified, modified))
    return path


def test_every_kind_is_found_and_only_what_is_needed_is_marked(folders, tmp_path):
    store.write(folders.results, result_of(smoke(0)))
    done = put(folders.checkpoints / smoke(0).id / "epoch-0001.ckpt").parent
    unfinished = put(folders.checkpoints / smoke(1).id / "epoch-0001.ckpt").parent
    killed = put(folders.results / "tseng2020" / "conv" / ".smoke-seed-3.json.a1b2c3_4", OLD)
    part = put(tmp_path / "cache" / "mini.tar.gz.part")
    found = {each.path: each for each in leftovers.find(folders)}
    assert {path: each.needed for path, each in found.items()} == {
        done: False, unfinished: True, killed: False, part: True,
    }  # fmt: skip
    assert found[done].size == 1000
    assert f"0.0 MB  {unfinished}  (checkpoints, can be continued)" in "\n".join(leftovers.lines(list(found.values())))
    for each in found.values():
        each.delete()
    assert list(leftovers.find(folders)) == []
    assert len(store.read_all(folders.results).runs) == 1


def test_what_is_being_written_or_trained_or_is_a_result_is_not_left(folders):
    path = store.write(folders.results, result_of(smoke(0)))
    put(path.with_name(".smoke-seed-3.json.a1b2c3_4"))
    put(path.with_name(".smoke-seed-3.json"), OLD)  # a hidden file of the user's
    put(folders.checkpoints / smoke(1).id / "epoch-0001.ckpt")
    with FileLock(folders.checkpoints / f"{smoke(1).id}.lock"):
        assert list(leftovers.find(folders)) == []
