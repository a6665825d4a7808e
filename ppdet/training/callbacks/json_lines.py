"""The run's own record: a file with one line of JSON for each log line and each evaluation."""

from __future__ import annotations

import json
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.training.callbacks.base import Callback, Numbers


class JsonLines(Callback):
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
