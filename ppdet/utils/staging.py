"""Replaces the files of a folder together."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ppdet.core.errors import UserError


@contextmanager
def staged(folder: Path, option: str = "--output_dir") -> Iterator[Path]:
    """Yield a temporary folder whose files replace those of the same names in `folder` at the end.

    `folder` is created. If the body raises, the old files stay. An OSError becomes a UserError that names `folder` and
    the `option` of the command that gives it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as temp:
            yield Path(temp)
            for file in [path for path in Path(temp).iterdir() if path.is_file()]:
                file.replace(folder / file.name)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another {option}") from error
