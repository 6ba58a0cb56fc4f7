"""Checkpoints at epoch ends: all that a run needs to continue, in one checksummed file, the newest two kept."""

import hashlib
import io
import json
import logging
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sepconv.files import read_bounded, write_atomically
from sepconv.spec import InputError

KEPT = 2
MOST_BYTES = 8 * 2**30
_DIGEST_BYTES = hashlib.sha256().digest_size
_log = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818 - no error: the run continues later
    """Training was asked to stop and left a checkpoint."""


class CheckpointError(InputError):
    """A checkpoint that cannot be written, or is of another network."""


@dataclass(frozen=True)
class Checkpoint:
    """State after the last epoch of ``history``: every variable of model and optimizer, in order."""

    run_id: str
    variables: Sequence[NDArray[Any]]
    history: list[dict[str, Any]]
    compile_seconds: float
    stretches: list[dict[str, Any]] = field(default_factory=list)  # who trained it: first epoch and environment of each

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.history)


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint atomically below ``folder`` and keep, beside it, only the newest other one of its run.

    Raises:
        CheckpointError: the disk is full, or the folder cannot be written. Earlier checkpoints stay whole.
    """
    arrays = {f"variable_{i:04d}": np.asarray(v) for i, v in enumerate(checkpoint.variables)}
    meta = json.dumps({f.name: getattr(checkpoint, f.name) for f in fields(checkpoint) if f.name != "variables"})
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, meta=np.array(meta), **arrays)
    data = buffer.getvalue()
    path = folder / checkpoint.run_id / f"epoch-{checkpoint.epoch:04d}.ckpt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, hashlib.sha256(data).digest() + data)
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be written: {error.strerror}; make room there, then run it again to continue"
        ) from None
    others = [other for other in _newest_first(folder, checkpoint.run_id) if other != path]
    for old in others[KEPT - 1 :]:
        old.unlink(missing_ok=True)
    return path


def load(folder: Path, run_id: str) -> Checkpoint | None:
    """The newest whole checkpoint of a run, or None where there is none.

    A damaged one is deleted with a warning: kept, it would pass for newer than those that are written from now on.

    Raises:
        CheckpointError: a checkpoint is another run's, or cannot be read, which does not say that it is damaged.
    """
    found = _newest_first(folder, run_id)
    for path in found:
        try:
            return _read(path, run_id)
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read: {error.strerror}; delete it to go on without it") from None
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            then = "starting over" if path == found[-1] else "falling back to the checkpoint before it"
            _log.warning("%s is damaged (%s) and was deleted; %s", path, error, then)
            path.unlink(missing_ok=True)
    return None


def newest_epoch(folder: Path, run_id: str) -> int:
    """The last epoch of which a run has a checkpoint, whole or not; 0 where it has none."""
    return max((int(path.stem.removeprefix("epoch-")) for path in _newest_first(folder, run_id)), default=0)


def discard(folder: Path, run_id: str) -> None:
    """Delete the checkpoints of a run whose result has been written, and what killed writers left beside them."""
    shutil.rmtree(folder / run_id, ignore_errors=True)


def _newest_first(folder: Path, run_id: str) -> list[Path]:
    return sorted((folder / run_id).glob("epoch-*.ckpt"), reverse=True)


def _read(path: Path, run_id: str) -> Checkpoint:
    content = read_bounded(path, MOST_BYTES)
    digest, data = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(data).digest() != digest:
        raise ValueError("wrong checksum")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        meta = json.loads(str(arrays["meta"]))
        variables = [arrays[name] for name in sorted(arrays.files) if name != "meta"]
    if (of := meta.get("run_id", run_id)) != run_id:  # not recorded at first
        raise CheckpointError(f"{path}: expected a checkpoint of run {run_id}, got one of {of}; move that file away")
    return Checkpoint(run_id, variables, meta["history"], meta["compile_seconds"], meta.get("stretches", []))
