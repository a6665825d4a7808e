"""Files of a cache folder: locked while they are read, deleted once unused. Their layout: image_cache.py."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

try:
    import fcntl
except ImportError:  # Windows has no such locks: processes are not kept apart
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_UNUSED_DAYS = 30
_UNFINISHED = "unfinished-"


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Creates `folder`, locks it against other processes, and deletes unfinished files of killed processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)
        for unfinished in folder.glob(f"{_UNFINISHED}*"):
            _delete(unfinished, "left by a process that was killed")
        yield


def delete_unused(folder: Path, needed: int) -> None:
    """Deletes caches that no process reads: those unused for a month, and the oldest until `needed` bytes are free."""
    for file in sorted(folder.glob("images-*.cache"), key=_last_use):
        days = (time.time() - _last_use(file)) / 86400
        lacking = shutil.disk_usage(folder).free < needed
        if (lacking or days > _UNUSED_DAYS) and not _is_read(file):
            _delete(file, f"not used for {days:.0f} days" + (", and room is short" if lacking else ""))


def map_file(file: Path) -> np.ndarray:
    """Maps `file` into memory: [bytes] uint8. Notes its use, and keeps it locked for as long as the array lives."""
    with contextlib.suppress(OSError):  # another user's file
        os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns))
    with file.open("rb") as stream:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(stream, fcntl.LOCK_SH)  # the mapping duplicates the stream and so keeps the lock
        return np.memmap(stream, np.uint8, "r")


def write_file(file: Path, size: int, fill: Callable[[np.ndarray], object]) -> None:
    """Writes a file of `size` bytes that `fill` writes into an array. The file gets its name once it is complete."""
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=_UNFINISHED, delete=False) as temp:
        try:
            if size:
                # reserves the space: a full disk is an error here, but SIGBUS when the mapping is written
                getattr(os, "posix_fallocate", _extend)(temp.fileno(), 0, size)
            buffer = np.memmap(temp.name, np.uint8, "r+")
            fill(buffer)
            buffer.flush()
            os.fsync(temp.fileno())
            os.replace(temp.name, file)
        except BaseException:
            os.unlink(temp.name)
            raise


def _last_use(file: Path) -> float:
    return file.stat().st_atime


def _is_read(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _delete(file: Path, reason: str) -> None:
    with contextlib.suppress(OSError):  # another user's, or of an older process without locks
        size = file.stat().st_size
        file.unlink()
        logger.info("cache: disk: deleted %s (%d MB), %s", file, size >> 20, reason)


def _extend(descriptor: int, offset: int, length: int) -> None:
    """Replaces os.posix_fallocate on systems without it (Windows, macOS), but does not reserve the space."""
    os.truncate(descriptor, offset + length)
