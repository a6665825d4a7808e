"""Folders that a command writes: new ones, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ppdet.core.errors import UserError


def require_new(folder: Path, source: Path, option: str) -> None:
    """Raise UserError, which names the option, if the folder has files, or would become a part of the data `source`."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{option}: {folder} exists already; give a new folder")
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise UserError(f"{option}: {folder} lies inside {source}, which stays as it is; give a place outside")


@contextmanager
def new_folder(folder: Path, option: str) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`, which takes its name on success and is removed otherwise."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temp = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            yield temp
            temp.chmod(0o755)  # mkdtemp's folders are for their owner alone
            temp.replace(folder)
        finally:
            shutil.rmtree(temp, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{option}: {folder} cannot be written ({error.strerror}); give another folder") from error
