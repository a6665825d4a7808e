"""The files of a cache folder: locked while they are read, and deleted when nobody needs them. Layout: cache.py."""

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
except ImportError:  # Windows: processes are not kept apart
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_UNUSED_DAYS = 30
_UNFINISHED = "unfinished-"


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Make `folder` and keep other processes out. What a killed one left unfinished there is deleted."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)
        for unfinished in folder.glob(f"{_UNFINISHED}*"):
            _delete(unfinished, "left by a process that was killed")
        yield


def delete_unused(folder: Path, needed: int) -> None:
    """Delete caches that no process reads: those of a month ago, and while `needed` bytes are not free, the oldest."""
    for file in sorted(folder.glob("images-*.cache"), key=_last_use):
        days = (time.time() - _last_use(file)) / 86400
        lacking = shutil.disk_usage(folder).free < needed
        if (lacking or days > _UNUSED_DAYS) and not _is_read(file):
            _delete(file, f"not used for {days:.0f} days" + (", and room is short" if lacking else ""))


def opened(file: Path) -> np.ndarray:
    """The bytes of `file`, mapped into memory. It counts as used now, and as being read until the array ends."""
    with contextlib.suppress(OSError):  # somebody else's
        os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns))
    with file.open("rb") as stream:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(stream, fcntl.LOCK_SH)  # the mapping keeps a duplicate of the stream, and so the lock
        return np.memmap(stream, np.uint8, "r")


def write_whole(file: Path, size: int, fill: Callable[[np.ndarray], object]) -> None:
    """Write `size` bytes with `fill`, which gets them as an array; the file has its name only when it is whole."""
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=_UNFINISHED, delete=False) as temp:
        try:
            if size:
                # with the room: a full disk is an error here, and SIGBUS in the mapping
                getattr(os, "posix_fallocate", _extended)(temp.fileno(), 0, size)
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
    with contextlib.suppress(OSError):  # somebody else's, or of an older process without locks
        size = file.stat().st_size
        file.unlink()
        logger.info("cache: disk: deleted %s (%d MB), %s", file, size >> 20, reason)


def _extended(number: int, offset: int, length: int) -> None:
    """What os.posix_fallocate does where there is none (Windows, macOS), without the room."""
    os.truncate(number, offset + length)
