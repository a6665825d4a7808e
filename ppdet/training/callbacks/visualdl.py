"""Scalars for VisualDL."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ppdet.training.callbacks.base import Callback, Numbers, require, scalars

FOLDER = "visualdl"  # of the logger that the config names


class VisualDL(Callback):
    """Writes scalars for `visualdl --logdir <folder>`."""

    def __init__(self, folder: Path, option: str = "--use_vdl"):
        """Raises UserError, which names the option, if VisualDL is not installed."""
        self._open = partial(require("visualdl", option, "VisualDL", "visualdl").LogWriter, str(folder))

    @cached_property
    def _writer(self) -> Any:
        """The writer, opened at the first record and therefore on rank 0 only."""
        return self._open()

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        for name, value in scalars(numbers).items():
            self._writer.add_scalar(tag=f"{kind}/{name}", step=updates, value=value)

    def on_end(self, complete: bool) -> None:
        if "_writer" in vars(self):  # else there was no record
            self._writer.close()
