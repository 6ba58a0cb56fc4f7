"""CIFAR is read right, and nothing that is not CIFAR is read at all."""

import hashlib
import http.server
import io
import os
import pickle
import subprocess
import sys
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sepconv.training import data, download

# --- the real images -------------------------------------------------------------------------------------------------


def test_cifar10_is_the_official_dataset(cifar10):
    assert cifar10.train.pixels.shape == (50_000, 32, 32, 3)
    assert cifar10.test.pixels.shape == (10_000, 32, 32, 3)
    assert cifar10.train.pixels.dtype == np.uint8
    assert cifar10.train.labels.dtype == np.int64
    assert np.bincount(cifar10.train.labels).tolist() == [5000] * 10
    assert np.bincount(cifar10.test.labels).tolist() == [1000] * 10
    assert cifar10.class_names[0] == "airplane"
    assert cifar10.class_names[9] == "truck"
    assert cifar10.sha256 == "62f75217f6f8ddd3c962c2c03e5df88181c2375ce99c87cb24f8fcbf58c5b2e9"


def test_cifar100_has_fine_labels(cifar100):
    assert cifar100.train.pixels.shape == (50_000, 32, 32, 3)
    assert np.bincount(cifar100.train.labels).tolist() == [500] * 100
    assert np.bincount(cifar100.test.labels).tolist() == [100] * 100
    assert len(cifar100.class_names) == 100
    assert cifar100.class_names[0] == "apple"
    assert cifar100.sha256 == "1cb55c90e9920ffaf9a7921963cfe0e23b2d72bbde23078e9f3bb9ae73b5e9b9"


def test_normalisation_cifar10_is_measured_on_the_training_images(cifar10):
    values = np.arange(256) / 255
    for channel, mean, std in zip(range(3), *data.NORMALISATIONS["cifar10"], strict=True):
        share = np.bincount(cifar10.train.pixels[..., channel].ravel(), minlength=256) / (50_000 * 32 * 32)
        assert share @ values == pytest.approx(mean, abs=1e-4)
        assert np.sqrt(share @ (values - mean) ** 2) == pytest.approx(std, abs=1e-4)


# --- split -----------------------------------------------------------------------------------------------------------

TEN = data.Images(
    np.zeros((10, 32, 32, 3), np.uint8) + np.arange(10, dtype=np.uint8)[:, None, None, None], np.arange(10)
)


def test_split_is_a_permutation_by_seed():
    train, validation = data.split(TEN, 7, seed=1)
    assert (len(train), len(validation)) == (7, 3)
    assert sorted([*train.labels, *validation.labels]) == list(range(10))
    np.testing.assert_array_equal(train.pixels[:, 0, 0, 0], train.labels)
    np.testing.assert_array_equal(train.labels, data.split(TEN, 7, seed=1)[0].labels)
    assert train.labels.tolist() != data.split(TEN, 7, seed=2)[0].labels.tolist()


def test_split_with_nothing_held_out():
    train, validation = data.split(TEN, 10, seed=0)
    assert (len(train), len(validation)) == (10, 0)
    assert validation.pixels.shape == (0, 32, 32, 3)


@pytest.mark.parametrize("count", [0, 11])
def test_split_refuses_a_count_that_is_not_there(count):
    with pytest.raises(data.DataError, match=f"1 to 10 training images, got {count}"):
        data.split(TEN, count, seed=0)


# --- a small dataset in the official format ---------------------------------------------------------------------------


def _pickled(value) -> bytes:
    """As Python 2 and old numpy wrote it: bytes for strings, numpy's module under its old name."""
    return pickle.dumps(value, protocol=3).replace(b"numpy._core.", b"numpy.core.")


PLANES = np.arange(2 * 3072, dtype=np.uint32).astype(np.uint8).reshape(2, 3072)
FILES = {
    "mini/one": _pickled({b"data": PLANES[:1], b"labels": [3]}),
    "mini/two": _pickled({b"data": PLANES[1:], b"labels": [1]}),
    "mini/test": _pickled({b"data": PLANES, b"labels": [0, 2]}),
    "mini/meta": _pickled({b"names": [b"a", b"b", b"c", b"d"]}),
}


def _md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def _source(files: dict[str, bytes], url: str = "http://127.0.0.1:1/mini.tar.gz", md5: str = "") -> data.Source:
    sums = {name.split("/")[1]: _md5(content) for name, content in files.items()}
    train = {name: sums.pop(name) for name in ("one", "two")}
    test, meta = {"test": sums["test"]}, {"meta": sums["meta"]}
    return data.Source(url, md5, "mini", train, test, meta, labels=b"labels", names=b"names")


def _archive(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return buffer.getvalue()


@pytest.fixture
def mini(tmp_path, monkeypatch):
    """The small dataset in a folder that ``SEPCONV_DATA`` names, under the name cifar10."""
    folder = tmp_path / "data"
    (folder / "mini").mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv(data.SETTING, str(folder))
    monkeypatch.setitem(data.SOURCES, "cifar10", _source(FILES))
    return folder


@pytest.fixture
def mini_archive(mini):
    """The same, but as an archive only; gives the path to write it to."""
    for name in FILES:
        (mini / name).unlink()
    (mini / "mini").rmdir()
    return mini / "mini.tar.gz"


def _error() -> str:
    """The one line that loading fails with."""
    with pytest.raises(data.DataError) as caught:
        data.load("cifar10")
    message = str(caught.value)
    assert "\n" not in message
    return message


def _assert_mini(cifar: data.Cifar) -> None:
    assert cifar.train.labels.tolist() == [3, 1]
    assert cifar.test.labels.tolist() == [0, 2]
    assert cifar.class_names == ("a", "b", "c", "d")
    # Pixel (row 2, column 5) of an image lies at 2 * 32 + 5 in each plane of 1024 values.
    assert cifar.train.pixels[1, 2, 5].tolist() == PLANES[1, [69, 1093, 2117]].tolist()
    assert cifar.sha256 == hashlib.sha256(b"".join(FILES.values())).hexdigest()


def test_folder_and_archive_hold_the_same(mini, mini_archive):
    mini_archive.write_bytes(_archive(dict(reversed(FILES.items()))))
    _assert_mini(data.load("cifar10"))


def test_folder(mini):
    _assert_mini(data.load("cifar10"))


# --- damaged and hostile files ---------------------------------------------------------------------------------------


def test_unknown_dataset():
    with pytest.raises(data.DataError, match="unknown dataset 'mnist': expected one of cifar10, cifar100"):
        data.load("mnist")


def test_missing_folder(mini, monkeypatch):
    monkeypatch.setenv(data.SETTING, str(mini / "nowhere"))
    assert "expected mini/ or mini.tar.gz there, found neither" in _error()


def test_missing_file(mini):
    (mini / "mini" / "two").unlink()
    assert "two: expected a readable file of mini, got: No such file" in _error()


def test_truncated_file(mini):
    (mini / "mini/two").write_bytes(FILES["mini/two"][:-100])
    assert f"mini/two: expected MD5 {_md5(FILES['mini/two'])}, got " in _error()


def test_flipped_bit(mini):
    damaged = bytearray(FILES["mini/test"])
    damaged[2000] ^= 1
    (mini / "mini/test").write_bytes(damaged)
    assert "mini/test: expected MD5" in _error()


class Call:
    """Pickles as a call, which unpickling would make."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize(
    "call",
    [
        Call(os.system, "touch {}"),
        Call(eval, "open('{}', 'w').close()"),
        Call(np.memmap, "{}", "u1", "w+", 0, 1),
    ],
    ids=["system", "eval", "numpy"],
)
def test_pickle_that_runs_code(mini, monkeypatch, tmp_path, call):
    """Even where the checksum is right, an unpickled file calls nothing."""
    target = tmp_path / "ran"
    armed = Call(call.function, *(a.format(target) if isinstance(a, str) else a for a in call.arguments))
    hostile = FILES | {"mini/two": pickle.dumps({b"data": armed, b"labels": [1]}, protocol=3)}
    pickle.loads(hostile["mini/two"])
    assert target.exists(), "the attack must work on a plain unpickler"
    target.unlink()
    (mini / "mini/two").write_bytes(hostile["mini/two"])
    monkeypatch.setitem(data.SOURCES, "cifar10", _source(hostile))
    assert "mini/two: expected a pickle of arrays and lists, got one that cannot be read: it refers to" in _error()
    assert not target.exists()


def test_pickle_of_something_else(mini, monkeypatch):
    files = FILES | {"mini/one": pickle.dumps([1])}
    (mini / "mini/one").write_bytes(files["mini/one"])
    monkeypatch.setitem(data.SOURCES, "cifar10", _source(files))
    assert "mini/one: expected a pickled dict, got list" in _error()


# --- archives --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_truncated_archive(mini_archive, share):
    whole = _archive(FILES)
    mini_archive.write_bytes(whole[: int(len(whole) * share)])
    assert "mini.tar.gz: expected a whole tar.gz archive" in _error()


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_flipped_bit_in_archive(mini_archive, share):
    whole = bytearray(_archive(FILES))
    whole[int(len(whole) * share)] ^= 1
    mini_archive.write_bytes(whole)
    assert ": expected " in _error()


def test_an_archive_that_unpacks_to_too_much_is_refused(mini_archive, monkeypatch):
    mini_archive.write_bytes(_archive({"bomb": b"\0" * 1_000_000} | FILES))
    monkeypatch.setattr(data, "MOST_BYTES", 500_000)
    assert mini_archive.stat().st_size < 20_000
    assert "got: more than 500,000 bytes unpacked" in _error()


@pytest.mark.parametrize("special", ["fifo", "sparse"])
def test_a_file_that_never_ends_is_refused(mini, special):
    path = mini / "mini" / "one"
    path.unlink()
    if special == "fifo":
        os.mkfifo(path)
    else:
        with path.open("wb") as file:
            file.truncate(2**40)
    assert "mini/one: expected a readable file of mini, got: expected " in _error()


def test_archive_on_a_failing_disk(mini_archive, monkeypatch):
    mini_archive.write_bytes(_archive(FILES))

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("gzip.GzipFile.read", fail)
    assert "got: [Errno 5] Input/output error" in _error()


def test_archive_that_climbs_out(mini_archive, tmp_path):
    """Members under other names, and links under the right ones, are neither read nor written."""
    members = {name: content for name, content in FILES.items() if name != "mini/two"}
    outside = {"../../escaped": b"x", str(tmp_path / "absolute"): b"x", "mini/../mini/two": FILES["mini/two"]}
    mini_archive.write_bytes(_archive(members | outside, links={"mini/two": "/etc/passwd"}))
    before = sorted(tmp_path.rglob("*"))
    assert "expected the files of mini, without: mini/two" in _error()
    assert sorted(tmp_path.rglob("*")) == before


# --- download --------------------------------------------------------------------------------------------------------


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers each request with the next of ``server.answers``: (status, bytes promised, bytes sent).

    ``server.asked`` are the first bytes that were asked for, in order.
    """

    def do_GET(self):
        self.server.asked.append(int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-")))
        status, promised, sent = self.server.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server on this machine, and no folder, an empty cache and two attempts for the product."""
    monkeypatch.delenv(data.SETTING, raising=False)
    monkeypatch.delenv(data.DOWNLOAD, raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / name)
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    monkeypatch.setattr(download, "CHUNK_BYTES", 1)  # where it is cut, a chunk that is not whole is lost
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        served.answers, served.asked = [], []
        served.archive = _archive(FILES)
        url = f"http://127.0.0.1:{served.server_address[1]}/mini.tar.gz"
        monkeypatch.setitem(data.SOURCES, "cifar10", _source(FILES, url, _md5(served.archive)))
        yield served
        served.shutdown()
        thread.join()


def _whole(content: bytes) -> tuple[int, int, bytes]:
    return 200, len(content), content


def _cut(content: bytes) -> tuple[int, int, bytes]:
    return 200, len(content), content[: len(content) // 2]


def _left_behind(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_download_is_kept_and_not_repeated(server, tmp_path):
    server.answers = [_whole(server.archive)]
    _assert_mini(data.load("cifar10"))
    _assert_mini(data.load("cifar10"))  # a second request would find no answer
    assert _left_behind(tmp_path) == [tmp_path / "sepconv/mini.tar.gz"]


def _rest(content: bytes, start: int) -> tuple[int, int, bytes]:
    return 206, len(content) - start, content[start:]


def test_download_is_continued_where_it_was_cut(server, tmp_path):
    half = len(server.archive) // 2
    server.answers = [_cut(server.archive), _rest(server.archive, half)]
    _assert_mini(data.load("cifar10"))
    assert server.asked == [0, half]
    assert _left_behind(tmp_path) == [tmp_path / "sepconv/mini.tar.gz"]


def test_download_starts_over_where_the_server_cannot_continue(server):
    server.answers = [_cut(server.archive), _whole(server.archive)]
    _assert_mini(data.load("cifar10"))


def test_download_that_is_always_cut_is_continued_the_next_time(server, tmp_path):
    half = len(server.archive) // 2
    server.answers = [_cut(server.archive), (503, 0, b"")]
    message = _error()
    assert f"expected mini.tar.gz with MD5 {_md5(server.archive)}, got http://127.0.0.1:" in message
    assert f"{half:,} bytes are kept and continued next time" in message
    assert _left_behind(tmp_path) == [tmp_path / "sepconv/mini.tar.gz.part"]
    server.answers = [_rest(server.archive, half)]
    _assert_mini(data.load("cifar10"))
    assert _left_behind(tmp_path) == [tmp_path / "sepconv/mini.tar.gz"]


def test_parts_that_do_not_fit_are_fetched_anew(server, tmp_path):
    (tmp_path / "sepconv").mkdir()
    (tmp_path / "sepconv/mini.tar.gz.part").write_bytes(b"of another version")
    server.answers = [_rest(server.archive, 18), _whole(server.archive)]
    _assert_mini(data.load("cifar10"))
    assert server.asked == [18, 0]


def test_a_part_that_lacks_nothing_is_taken(server, tmp_path):
    (tmp_path / "sepconv").mkdir()
    (tmp_path / "sepconv/mini.tar.gz.part").write_bytes(server.archive)
    server.answers = [(416, 0, b"")]
    _assert_mini(data.load("cifar10"))


def test_a_mirror_is_asked_where_the_first_source_does_not_answer(server, monkeypatch):
    first = data.SOURCES["cifar10"]
    mirrored = replace(first, url="http://127.0.0.1:1/mini.tar.gz", mirrors=(first.url,))
    monkeypatch.setitem(data.SOURCES, "cifar10", mirrored)
    server.answers = [_whole(server.archive)]
    _assert_mini(data.load("cifar10"))


def test_download_says_what_from_where_how_much_and_where_to(server, tmp_path, capsys):
    server.answers = [_whole(server.archive)]
    data.load("cifar10")
    said = capsys.readouterr().err
    assert f"Downloading {data.SOURCES['cifar10'].url} (0 MB) to {tmp_path / 'sepconv'}\n" in said


def test_download_without_end_is_cut(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MOST_BYTES", 100)
    server.answers = [_whole(server.archive)] * 2
    assert "expected at most 100 bytes" in _error()


def test_nothing_is_downloaded_where_the_user_forbids_it(server, monkeypatch):
    monkeypatch.setenv(data.DOWNLOAD, "no")
    assert "found none and SEPCONV_DOWNLOAD=no; sepconv data downloads it" in _error()


def test_tests_download_nothing_unless_that_is_asked():
    asked = {name: value for name, value in os.environ.items() if name != data.DOWNLOAD}
    code = f"import os, conftest; print(os.environ[{data.DOWNLOAD!r}])"
    for variables, expected in ({}, "no"), ({data.DOWNLOAD: "yes"}, "yes"):
        said = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent,
            env=asked | variables,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.split() == [expected]


def test_download_of_something_else_leaves_nothing(server, tmp_path):
    server.answers = [_whole(b"<html>moved</html>")] * 2
    assert "mini.tar.gz: MD5 " in _error()
    assert _left_behind(tmp_path) == []


def test_download_that_is_refused(server):
    server.answers = [(404, 0, b"")] * 2
    assert "404" in _error()


def test_no_network(server, monkeypatch):
    closed = replace(data.SOURCES["cifar10"], url="http://127.0.0.1:1/mini.tar.gz")
    monkeypatch.setitem(data.SOURCES, "cifar10", closed)
    assert f"or fetch it by other means and name its folder in {data.SETTING}" in _error()
