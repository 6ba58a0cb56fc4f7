"""Fetch one file whose checksum is known, from the first source that serves it, and continue what was cut."""

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from sepconv.spec import InputError

TIMEOUT_SECONDS = 30
ATTEMPTS = 4  # at each source
MOST_BYTES = 2**29
CHUNK_BYTES = 2**16
_SECONDS_BETWEEN_LINES = 60  # of progress, where it goes into a file


class DownloadError(InputError):
    """No source gave the file: one line says what was expected, what each did, and what to do."""


def is_whole(path: Path, md5: str) -> bool:
    """Whether the file is there and has that MD5, in hexadecimal digits."""
    return path.is_file() and _md5(path) == md5


def fetch(urls: Sequence[str], md5: str, path: Path) -> None:
    """Download a file unless it is there whole; it appears at ``path`` only once its checksum is right.

    What has come of it lies beside ``path`` with the suffix ``.part``. A later attempt continues that, at whichever
    source: the checksum tells whether the parts fit. One that is wrong is deleted.

    Args:
        urls: the sources, tried in turn.
        md5: of the whole file.
        path: where it goes; a lock beside it keeps two processes from downloading it at once.

    Raises:
        DownloadError: no source gives the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with FileLock(f"{path}.lock"):
        if is_whole(path, md5):
            return
        problems = {}
        for url in [url for _ in range(ATTEMPTS) for url in urls]:
            if (problem := _problem(url, part, md5)) is None:
                os.replace(part, path)
                return
            problems[url] = problem
    told = "; ".join(f"{url}: {problem}" for url, problem in problems.items())
    came = part.stat().st_size if part.exists() else 0
    if not came:
        part.unlink(missing_ok=True)
    kept = f"; {came:,} bytes are kept and continued next time" if came else ""
    raise DownloadError(f"expected {path.name} with MD5 {md5}, got {told}{kept}")


def _problem(url: str, part: Path, md5: str) -> str | None:
    """Continue ``part`` from ``url``; what kept it from being the whole file, or None."""
    from requests import RequestException  # here, for it is needed for a download only

    try:
        _continue(url, part)
    except (RequestException, OSError) as error:
        return str(error).splitlines()[0]
    if (came := _md5(part)) == md5:
        return None
    size = part.stat().st_size
    part.unlink()
    return f"MD5 {came} of {size:,} bytes"


def _continue(url: str, part: Path) -> None:
    import requests

    there = part.stat().st_size if part.exists() else 0
    # Unpacked on the way, as some servers propose it, the file would be another one.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
        if there and answer.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing is missing; the checksum says whether it is right
        answer.raise_for_status()
        if answer.status_code != requests.codes.partial_content:
            there = 0  # this server sends all of it again
        total = there + int(answer.headers.get("Content-Length", 0))
        print(f"Downloading {url} ({total / 1e6:.0f} MB) to {part.parent}", file=sys.stderr, flush=True)
        with (
            part.open("ab" if there else "wb") as file,
            tqdm(
                desc=part.stem,
                initial=there,
                total=total,
                unit="B",
                unit_scale=True,
                mininterval=0.1 if sys.stderr.isatty() else _SECONDS_BETWEEN_LINES,
            ) as bar,
        ):
            for chunk in answer.iter_content(CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() > MOST_BYTES:
                    raise OSError(f"expected at most {MOST_BYTES:,} bytes")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
