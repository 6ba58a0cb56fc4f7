"""What killed runs, writers and downloads have left on the disk, and which of it nobody needs any more."""

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sepconv.results.store import read_all
from sepconv.training import data
from sepconv.training.campaign import Folders

_WRITING_SECONDS = 3600  # a temporary file that is younger may still become a result
_TEMPORARY = re.compile(r"\..+\.(json|ckpt)\.[a-z0-9_]{8}")  # as write_atomically names them


@dataclass(frozen=True)
class Leftover:
    """A file, or the folder of a run's checkpoints."""

    path: Path
    what: str
    needed: bool  # to continue something

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        files = [self.path, *self.path.rglob("*")]
        return sum(file.lstat().st_size for file in files if file.is_file())

    def delete(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path) if self.path.is_dir() else self.path.unlink(missing_ok=True)


def find(folders: Folders) -> Iterator[Leftover]:
    """All that is left below these folders and in the cache of images; nothing of a run that is being trained."""
    finished = {run.run_id for run in read_all(folders.results).runs} if folders.results.is_dir() else set()
    for folder in sorted(folders.checkpoints.glob("*/")):
        if not _is_trained(folder):
            done = folder.name in finished
            yield Leftover(folder, "checkpoints of a run with a result" if done else "checkpoints", needed=not done)
    for root in (folders.results, folders.checkpoints):
        for path in sorted(root.rglob(".*")):
            if _TEMPORARY.fullmatch(path.name) and time.time() - path.lstat().st_mtime > _WRITING_SECONDS:
                yield Leftover(path, "of a writer that was killed", needed=False)
    for path in sorted(data.cache().glob("*.part")):
        yield Leftover(path, "part of a download", needed=True)


def lines(found: list[Leftover]) -> Iterator[str]:
    """A line for each, with its size, and whether something would be continued from it."""
    for each in found:
        continued = ", can be continued" if each.needed else ""
        yield f"{each.size / 1e6:10.1f} MB  {each.path}  ({each.what}{continued})"


def _is_trained(folder: Path) -> bool:
    try:
        with FileLock(folder.with_name(f"{folder.name}.lock")).acquire(blocking=False):
            return False
    except Timeout:
        return True
