"""Keeps the faults of a logger away from the training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ppdet.core.errors import UserError, telling_line
from ppdet.metrics.results import ImageDetections
from ppdet.training.callbacks.base import Callback, Numbers, Run

logger = logging.getLogger(__name__)


class Tolerant(Callback):
    """Passes everything on to a logger until it fails; then one warning says so, and the training goes on without it.

    A disk may be full, a server out of reach. Before the first step a fault is still a UserError.
    """

    def __init__(self, callback: Callback, name: str) -> None:
        """Wraps a logger.

        Args:
            callback: the logger.
            name: the option or file that the messages name.
        """
        self._callback, self._name = callback, name
        self._failed = False

    def on_begin(self, run: Run) -> None:
        try:
            self._callback.on_begin(run)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{self._name}: cannot start ({_words(error)}); repair that, or leave it out") from error

    def on_detections(self, detections: Sequence[ImageDetections]) -> None:
        self._call(self._callback.on_detections, detections)

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        self._call(self._callback.on_record, kind, updates, numbers)

    def on_checkpoint(self) -> None:
        self._call(self._callback.on_checkpoint)

    def on_end(self, complete: bool) -> None:
        self._call(self._callback.on_end, complete)

    def _call(self, method: Callable[..., None], *args: Any) -> None:
        if self._failed:
            return
        try:
            method(*args)
        except Exception as error:  # libraries raise anything
            self._failed = True
            logger.warning("%s: failed (%s); the training goes on without it", self._name, _words(error))
            if method != self._callback.on_end:
                with suppress(Exception):  # it may still close its files and threads
                    self._callback.on_end(False)


def _words(error: Exception) -> str:
    return telling_line(str(error) or type(error).__name__)[:300]
