"""Writing files so that a crash or a full disk never leaves half a file under the final name."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ppdet.core.errors import UserError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same extension); on success it takes the name `path`.

    Missing parent folders are made. When the body raises, the old file stays and the temporary one is removed.
    An operating-system error (read-only folder, disk full) becomes a UserError that names `path`.
    """
    final = Path(os.path.realpath(path))  # a symbolic link keeps pointing where it did
    temp = final.with_name(f".{final.stem}.{secrets.token_hex(4)}.tmp{final.suffix}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        yield temp
        _flush_to_disk(temp)
        temp.replace(final)
    except OSError as error:
        # an error without a number (network) or about another file is not about this write
        if error.errno is None or error.filename not in (None, str(temp)):
            raise
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temp.unlink()


@contextmanager
def atomic_write(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Like `open(path, mode)` with mode "w" (UTF-8) or "wb", but the file appears whole or not at all."""
    if mode not in ("w", "wb"):
        raise ValueError(f"atomic_write: mode is {mode!r}; expected 'w' or 'wb'")
    with atomic_path(path) as temp, temp.open(mode, encoding=None if "b" in mode else "utf-8") as file:
        yield file


def _cannot_write(path: str | Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be written ({error.strerror}); check the folder and the free space")


def _flush_to_disk(path: Path) -> None:
    """Without this, a power cut after the rename can leave an empty file under the final name."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
