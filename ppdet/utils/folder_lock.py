"""One process at a time for an output folder."""

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
except ImportError:  # Windows: processes are not kept apart
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_NAME = ".lock"
_TAKEN = (errno.EACCES, errno.EAGAIN)


@contextmanager
def folder_lock(folder: Path, otherwise: str) -> Iterator[None]:
    """Hold the lock of `folder`, which is made; the system drops the lock when the process dies.

    It is a record lock: reader processes, which may outlive a killed run for a moment, do not inherit it. A file system
    without locks gets a warning. Nothing is locked where nothing can be written: the first file says so.

    Raises:
        UserError: another process holds it; `otherwise` says what to do then.
    """
    made = not folder.exists()
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
                if made:
                    folder.rmdir()  # if nothing was written


def _take(folder: Path, otherwise: str) -> BinaryIO:
    """The open and locked file. Whoever had it before may have deleted it after it was opened here."""
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
            logger.warning("%s: the file system has no locks (%s); see to it that one run at a time writes there",
                           folder, error.strerror)  # fmt: skip
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
    """Whether `file` still has the name `path`. Opening that a second time would end the lock when it is closed."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
