"""A lock that lets one process at a time write to an output folder."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ppdet.core.errors import UserError

try:
    import fcntl
except ImportError:  # Windows: no locks
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_NAME = ".lock"
_TAKEN = (errno.EACCES, errno.EAGAIN)


@contextmanager
def folder_lock(folder: Path, otherwise: str) -> Iterator[None]:
    """Hold the lock of `folder`, which is created; the system drops the lock if the process dies.

    It is a record lock, because reader processes do not inherit record locks: they may outlive a killed run for a
    moment. A file system without locks gets a warning. A folder that cannot be written is not locked: the first file
    will report it.

    Raises:
        UserError: another process holds the lock; the message ends with `otherwise`, which says what to do.
    """
    created = not folder.exists()
    file = None
    with suppress(OSError):
        file = _take(folder, otherwise)
    if file is None:
        yield
        return
    with file:
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / _NAME).unlink()  # while the lock is held: see _take
                if created:
                    folder.rmdir()  # if nothing was written


def _take(folder: Path, otherwise: str) -> BinaryIO:
    """Returns the open, locked file. Tries again if the former holder deleted the file after it was opened here."""
    path = folder / _NAME
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("ab+")
        try:
            if fcntl is not None:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                with file:
                    holder = _holder(file)
                raise UserError(f"{folder}: {holder} is at work there; wait for its end, or {otherwise}") from None
            advice = "let only one run at a time write there"
            logger.warning("%s: the file system has no locks (%s); %s", folder, error.strerror, advice)
        if _is_at(path, file):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            file.flush()
            return file
        file.close()


def _holder(file: BinaryIO) -> str:
    file.seek(0)
    text = file.read(200).decode("utf-8", "replace")
    return text if text.isprintable() and text else "another process"


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Whether `file` still has the name `path`, without opening `path` again: closing it would drop the lock."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
