"""Listeners of a training run. `fit` calls them on rank 0 with plain dicts of numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

from ppdet.core.errors import UserError

Numbers = Mapping[str, float | int | str]


class Callback(Protocol):
    """Receives the numbers of a training run."""

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        """Receive the numbers of a log line (`kind` "train") or of an evaluation ("eval") after `updates` updates."""


class JsonLines:
    """Appends each record to a file, as a line of JSON."""

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
    """Writes scalars for `visualdl --logdir <folder>`."""

    def __init__(self, folder: Path):
        try:
            from visualdl import LogWriter
        except ImportError as error:
            raise UserError("--use_vdl: VisualDL is not installed; pip install visualdl") from error
        self._open = partial(LogWriter, str(folder))

    @cached_property
    def _writer(self) -> Any:
        """The writer, opened at the first record and therefore on rank 0 only."""
        return self._open()

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        for name, value in numbers.items():
            if isinstance(value, (int, float)):
                self._writer.add_scalar(tag=f"{kind}/{name}", step=updates, value=value)
