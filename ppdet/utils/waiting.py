"""Time limits for waiting on something that may never answer, like a lost file system or a stopped process."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import TypeVar

from ppdet.core.errors import UserError

logger = logging.getLogger(__name__)

READING = "PPDET_READ_SECONDS"  # the environment variable: how long the images of a batch may take
_SLICE = 1.0  # seconds; slices are counted, so a process that was itself stopped for an hour goes on afterwards
_NOTICE = 60  # slices between two log lines
_GRACE = 2.0  # seconds for an abandoned call to end

T = TypeVar("T")


def seconds_from(variable: str, default: int) -> float:
    """Returns a time limit from the environment in whole seconds; 0 means no limit."""
    text = os.environ.get(variable, str(default))
    if not (text.isascii() and text.isdecimal()):
        raise UserError(f"{variable}: found {text!r}; expected whole seconds, 0: without end")
    return float(text) or float("inf")


def reading_limit() -> float:
    """Returns the seconds that reading a batch may take: ten minutes, unless the environment says otherwise."""
    return seconds_from(READING, 600)


def wait_for(done: Callable[[float], bool], name: Callable[[], str], limit: float) -> None:
    """Call `done(seconds)`, which waits that long for an event, until it returns true.

    Args:
        done: returns whether the event has come.
        name: returns the file that is being read, for messages.
        limit: seconds.

    Raises:
        UserError: the event has not come within the limit.
    """
    slices = 0
    while not done(_SLICE):
        slices += 1
        if slices * _SLICE >= limit:
            raise UserError(
                f"{name()}: reading it has taken {limit:.0f} s; the file system does not answer or the process that "
                f"reads it is stopped; check both, or raise {READING} (0: wait without end)"
            )
        if slices % _NOTICE == 0:
            logger.warning("%s: reading it has taken %.0f s so far", name(), slices * _SLICE)


def call_within(limit: float, name: Callable[[], str], call: Callable[[], T]) -> T:
    """Returns the result of `call()`, which runs on a thread: only a thread can be left if a system call never ends.

    Signals are handled meanwhile.

    Args:
        limit: seconds.
        name: returns the file that is being read, for messages.
        call: the function.

    Raises:
        UserError: `call` has not ended within the limit.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(call())
        except Exception as error:
            errors.append(error)

    def ended(seconds: float) -> bool:
        thread.join(seconds)
        return not thread.is_alive()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        wait_for(ended, name, limit)
    except BaseException:
        thread.join(_GRACE)  # a thread that is in compiled code when the process ends can crash it
        raise
    if errors:
        raise errors[0]
    return results[0]
