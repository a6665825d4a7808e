"""Optional listeners of a training run. `fit` calls them on rank 0 with plain dicts of numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

from ppdet.core.errors import UserError

Numbers = Mapping[str, float | int | str]


class Callback(Protocol):
    """`kind` is "train" (one per log interval) or "eval" (one per evaluation)."""

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None: ...


class JsonLines:
    """Appends every record as one line of JSON, for machines to read."""

    def __init__(self, path: Path):
        self.path = path

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": kind, "updates": updates, **numbers}) + "\n")
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); check the folder and the free space"
            ) from error


class VisualDL:
    """Scalars for `visualdl --logdir <folder>`."""

    def __init__(self, folder: Path):
        try:
            from visualdl import LogWriter
        except ImportError as error:
            raise UserError("--use_vdl: VisualDL is not installed; pip install visualdl") from error
        self._open = partial(LogWriter, str(folder))

    @cached_property
    def _writer(self) -> Any:
        """Opened with the first record, and so on rank 0 only."""
        return self._open()

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        for name, value in numbers.items():
            if isinstance(value, (int, float)):
                self._writer.add_scalar(tag=f"{kind}/{name}", step=updates, value=value)
