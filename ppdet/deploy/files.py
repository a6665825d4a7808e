"""Writing files so that a crash or a full disk never leaves half a file under the final name."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from .errors import DeployError

_TEMPORARY = re.compile(r"\..*\.[0-9a-f]+\.tmp(\.\w+)?")  # the names that atomic_path gives


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` (same extension); on success it takes the name `path`.

    Missing parent folders are made. If the body raises, the old file stays and the temporary one is removed. An
    operating-system error (read-only folder, disk full) becomes a DeployError that names `path`.
    """
    final = Path(os.path.realpath(path))  # a symbolic link keeps pointing where it did
    temp = final.with_name(f".{final.stem}.{secrets.token_hex(4)}.tmp{final.suffix}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temp
        with temp.open("rb+") as file:
            os.fsync(file.fileno())  # else a power cut after the rename can leave an empty file
        temp.replace(final)
    except OSError as error:
        # an error without a number (network) or about another file is not about this write
        about_this = error.filename is None or Path(str(error.filename)) in (temp, *temp.parents)
        if error.errno is None or not about_this:
            raise
        problem = f"cannot be written ({error.strerror})"
        raise DeployError(f"{path}: {problem}; check the folder and the free space") from error
    finally:
        with suppress(OSError):
            temp.unlink()


@contextmanager
def atomic_write(path: str | Path) -> Iterator[TextIO]:
    """Like `open(path, "w")` in UTF-8, but the file appears whole or not at all."""
    with atomic_path(path) as temp, temp.open("w", encoding="utf-8") as file:
        yield file


def unfinished_files(folder: Path) -> list[Path]:
    """The temporary files that processes left in `folder` because they were killed inside of `atomic_path`."""
    return [path for path in folder.glob(".*") if _TEMPORARY.fullmatch(path.name) and path.is_file()]


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` as the file `path`, whole or not at all."""
    with atomic_path(path) as temp:
        temp.write_bytes(data)


def write_json(path: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Writes the entries as one JSON list, whole or not at all."""
    with atomic_write(path) as file:
        json.dump(list(entries), file)
