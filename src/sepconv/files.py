"""Reading files that others made, and writing files so that a reader sees all of a file or nothing of it."""

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_NO_SYNC = {errno.EINVAL, errno.ENOTSUP}  # what SMB, CIFS and exFAT answer to fsync of a folder
MOST_BYTES = 64 * 2**20  # of any file that is read whole into memory, unless its reader says otherwise


def read_bounded(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a regular file of at most ``most`` bytes.

    Pipes and devices are refused without waiting for them, as are files that would fill the memory.

    Raises:
        OSError: the file cannot be read, is no regular file, or is larger.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "expected a regular file", str(path))
        content = file.read(most + 1) if status.st_size <= most else b""
        if status.st_size > most or len(content) > most:
            raise OSError(errno.EFBIG, f"expected at most {most:,} bytes", str(path))
        return content


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to a temporary file beside ``path``, sync it, rename it, sync the folder."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            with suppress(PermissionError):  # of exFAT and the like, whose mount says who may read what
                os.fchmod(file.fileno(), 0o644)  # temporary files are for their owner only; results are for everyone
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _NO_SYNC:  # the file has its new name; these file systems just cannot sync folders
            raise
    finally:
        os.close(folder)
