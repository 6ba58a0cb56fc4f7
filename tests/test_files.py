"""Files of others are read within bounds; what is written is there in full or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest

from sepconv.files import read_bounded, write_atomically


def test_a_file_of_the_greatest_size_is_read_and_a_larger_one_is_not(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"1234")
    assert read_bounded(path, 4) == b"1234"
    with pytest.raises(OSError, match="expected at most 3 bytes"):
        read_bounded(path, 3)


def test_a_sparse_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="expected at most"):
        read_bounded(path)


@pytest.mark.parametrize("special", ["fifo", "device", "endless"])
def test_special_files_are_refused_at_once(tmp_path, special):
    path = tmp_path / "file"
    if special == "fifo":
        os.mkfifo(path)  # a plain read would wait for a writer for ever
    else:
        path = Path("/dev/null" if special == "device" else "/dev/zero")
    with pytest.raises(OSError, match="expected a regular file"):
        read_bounded(path)


def test_a_file_that_grows_while_it_is_read_is_bounded_too(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    seen = os.fstat

    def before_it_grew(descriptor):
        return os.stat_result([4 if i == stat.ST_SIZE else value for i, value in enumerate(seen(descriptor)[:10])])

    monkeypatch.setattr(os, "fstat", before_it_grew)
    with pytest.raises(OSError, match="expected at most 4 bytes"):
        read_bounded(path, 4)


@pytest.mark.parametrize("answer", [errno.EINVAL, errno.ENOTSUP])
def test_file_systems_that_cannot_sync_a_folder_are_written_to(tmp_path, monkeypatch, answer):
    synced = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(answer, os.strerror(answer))
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_file_systems_without_permissions_are_written_to(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuse)
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_disk_that_fails_to_sync_a_folder_is_reported(tmp_path, monkeypatch):
    synced = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        write_atomically(tmp_path / "file", b"content")
