"""Shared parts of the loggers: the config as a flat table, and the ids that a continued run keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ppdet.deploy.files import atomic_write
from ppdet.training.callbacks.base import Run

IDS = "loggers.json"


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str]:
    """The config by dotted key; lists as JSON, null left out."""
    found: dict[str, bool | int | float | str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, (bool, int, float, str)):
            found[f"{prefix}{key}"] = value
        elif value is not None:
            found[f"{prefix}{key}"] = json.dumps(value, default=str)
    return found


def kept_id(run: Run, name: str) -> str | None:
    """The id that the logger `name` has given to the run that goes on; None for a new run, or if it has none."""
    found = _ids(run).get(name) if run.continued else None
    return found if isinstance(found, str) else None


def keep_id(run: Run, name: str, value: str) -> None:
    """Writes down the id of the run for `kept_id`."""
    with atomic_write(run.folder / IDS) as file:
        json.dump(_ids(run) | {name: value}, file)


def _ids(run: Run) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads((run.folder / IDS).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}
