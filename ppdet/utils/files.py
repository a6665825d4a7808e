"""Names, checksums and space of files; `ppdet.deploy.files` writes them whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ppdet.core.errors import UserError

# errors of folders that are full, over their quota, read-only, missing, or owned by somebody else
_NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENOENT, errno.EACCES, errno.EPERM)


def with_suffix(path: Path, suffix: str) -> Path:
    """Returns `path` with `suffix` appended; unlike Path.with_suffix, it keeps an existing suffix."""
    return path.with_name(path.name + suffix)


def checksum(file: Path) -> int:
    """Returns the CRC-32 of a file's content."""
    return zlib.crc32(file.read_bytes())


def sha256(file: Path) -> str:
    """Returns the SHA-256 of a file's content, in hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


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
