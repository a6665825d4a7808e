"""Writes files so that a crash or a full disk never leaves half a file under the final name."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ppdet.core.errors import UserError

# errors of folders that are full, over their quota, read-only, missing, or owned by somebody else
_NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENOENT, errno.EACCES, errno.EPERM)


def with_suffix(path: Path, suffix: str) -> Path:
    """Returns `path` with `suffix` appended; unlike Path.with_suffix, it keeps an existing suffix."""
    return path.with_name(path.name + suffix)


def checksum(file: Path) -> int:
    """Returns the CRC-32 of a file's content."""
    return zlib.crc32(file.read_bytes())


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` with the same extension; on success it is renamed to `path`.

    Missing parent folders are created. If the body raises, the old file stays and the temporary one is removed.
    An operating-system error (read-only folder, disk full) becomes a UserError that names `path`.
    """
    final = Path(os.path.realpath(path))  # a symbolic link keeps pointing where it did
    temp = final.with_name(f".{final.stem}.{secrets.token_hex(4)}.tmp{final.suffix}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temp
        with temp.open("rb+") as file:
            os.fsync(file.fileno())  # otherwise a power cut after the rename can leave an empty file
        temp.replace(final)
    except OSError as error:
        # an error without a number (network) or about another file has another cause
        about_this = error.filename is None or Path(str(error.filename)) in (temp, *temp.parents)
        if error.errno is None or not about_this:
            raise
        raise UserError(f"{path}: cannot be written ({error.strerror}); check the folder and the free space") from error
    finally:
        with suppress(OSError):
            temp.unlink()


@contextmanager
def atomic_write(path: str | Path) -> Iterator[TextIO]:
    """Open `path` for writing in UTF-8; the file appears whole or not at all."""
    with atomic_path(path) as temp, temp.open("w", encoding="utf-8") as file:
        yield file


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that is removed at the end. Raises UserError if it, or a file in it, cannot be written."""
    try:
        with tempfile.TemporaryDirectory(prefix="ppdet-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    except OSError as error:
        about_this = error.filename is None or str(error.filename).startswith(tempfile.gettempdir())
        if error.errno not in _NO_PLACE or not about_this:
            raise
        raise UserError(
            f"TMPDIR: {tempfile.gettempdir()} cannot be written ({error.strerror}); make room there, or set TMPDIR to "
            "another folder"
        ) from error


def require_space(folder: Path, size: int) -> None:
    """Raise OSError if `size` bytes cannot be written in `folder`, for libraries that do not notice a full disk."""
    if not hasattr(os, "posix_fallocate"):  # Windows, macOS
        return
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):  # other errors: the file system cannot tell
                raise OSError(error.errno, error.strerror, str(folder)) from None
