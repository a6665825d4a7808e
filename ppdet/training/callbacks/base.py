"""The interface of the listeners, which `fit` calls on rank 0 with plain numbers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ppdet.core.errors import UserError
from ppdet.metrics.results import ImageDetections
from ppdet.runtime import distributed

Numbers = Mapping[str, float | int | str]


@dataclass(frozen=True)
class Run:
    """The run that is listened to.

    Attributes:
        name: its name.
        folder: its output folder.
        config: its whole config, as plain values.
        updates: the updates that are done; records of later ones may come a second time.
        continued: whether a run of this folder goes on; False: a new one begins.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    updates: int
    continued: bool


class Callback:
    """Listens to a training run. Every method does nothing here; a subclass has those that it needs."""

    def on_begin(self, run: Run) -> None:
        """Receive the run before its first step. Raises UserError if it cannot be listened to."""

    def on_detections(self, detections: Sequence[ImageDetections]) -> None:
        """Receive the detections of an evaluation on all images, before its numbers."""

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        """Receive the numbers of a log line (`kind` "train") or of an evaluation ("eval") after `updates` updates."""

    def on_checkpoint(self) -> None:
        """Receive word of a checkpoint at the end of an epoch, after its evaluation if there is one."""

    def on_end(self, complete: bool) -> None:
        """Receive the end of the run; `complete` is False after a signal, an error or the end of the time."""


def begin_all(callbacks: Sequence[Callback], run: Run) -> None:
    """Calls `on_begin` of all on rank 0. A collective; raises a UserError of rank 0 on all ranks.

    The callbacks before one that raises it are ended, so that no run stays open.
    """
    error = None
    if distributed.rank() == 0:
        begun: list[Callback] = []
        try:
            for callback in callbacks:
                callback.on_begin(run)
                begun.append(callback)
        except UserError as e:
            error = e
            end_all(begun, complete=False)
    distributed.raise_on_all_ranks(error)


def tell_detections(callbacks: Sequence[Callback], detections: Sequence[ImageDetections]) -> None:
    """Calls `on_detections` of all."""
    for callback in callbacks:
        callback.on_detections(detections)


def end_all(callbacks: Sequence[Callback], complete: bool) -> None:
    """Calls `on_end` of all on rank 0."""
    if distributed.rank() == 0:
        for callback in callbacks:
            callback.on_end(complete)


def require(module: str, option: str, name: str, package: str) -> ModuleType:
    """Imports the library of a logger.

    Args:
        module: its name in Python.
        option: the option that asks for it, for the error.
        name: its name in words.
        package: its name for pip.

    Raises:
        UserError: it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"{option}: {name} is not installed; pip install {package}") from error
    except Exception as error:  # libraries that do not fit each other raise anything
        words = " ".join(str(error).split())[:150]
        raise UserError(f"{option}: {name} cannot be imported ({words}); pip install -U {package}") from error


def scalars(numbers: Numbers) -> dict[str, float]:
    """The entries that are numbers."""
    return {name: value for name, value in numbers.items() if isinstance(value, (int, float))}
