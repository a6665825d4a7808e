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
    if folder.resolve() == Path.cwd():  # which would be another folder then
        raise UserError(f"{option}: {folder} is the current folder; give a new folder")
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise UserError(f"{option}: {folder} lies inside {source}, which stays as it is; give a place outside")


@contextmanager
def new_folder(folder: Path, option: str) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`, which takes its name on success and is removed otherwise."""
    final = folder.resolve()  # a symbolic link keeps pointing where it did
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        temp = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
        try:
            yield temp
            temp.chmod(0o755)  # mkdtemp's folders are for their owner alone
            temp.replace(final)
        finally:
            shutil.rmtree(temp, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{option}: {folder} cannot be written ({error.strerror}); give another folder") from error
