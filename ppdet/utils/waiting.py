"""Time limits for what may never answer: a file system that is gone, a process that is stopped."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import TypeVar

from ppdet.core.errors import UserError

logger = logging.getLogger(__name__)

READING = "PPDET_READ_SECONDS"  # the environment variable: how long the images of a batch may take
_SLICE = 1.0  # seconds; counted one by one, so that a process that is itself stopped for an hour goes on afterwards
_NOTICE = 60  # slices between two lines in the log
_GRACE = 2.0  # seconds that a call which is given up gets to end

T = TypeVar("T")


def seconds_from(variable: str, default: int) -> float:
    """A time limit out of the environment, in whole seconds; 0 is without end."""
    text = os.environ.get(variable, str(default))
    if not (text.isascii() and text.isdecimal()):
        raise UserError(f"{variable}: found {text!r}; expected whole seconds, 0: without end")
    return float(text) or float("inf")


def reading_limit() -> float:
    """Seconds that reading a batch may take: ten minutes unless the environment says otherwise."""
    return seconds_from(READING, 600)


def wait_for(done: Callable[[float], bool], name: Callable[[], str], limit: float) -> None:
    """Call `done(seconds)`, which waits that long for an event, until it says that the event has come.

    Raises UserError after `limit` seconds. name: the file that is being read, asked for when there is something to say.
    """
    slices = 0
    while not done(_SLICE):
        slices += 1
        if slices * _SLICE >= limit:
            raise UserError(
                f"{name()}: reading it has taken {limit:.0f} s; the file system does not answer or the process that "
                f"reads it is stopped; see to that, or raise {READING} (0: wait without end)"
            )
        if slices % _NOTICE == 0:
            logger.warning("%s: reading it has taken %.0f s so far", name(), slices * _SLICE)


def call_within(limit: float, name: Callable[[], str], call: Callable[[], T]) -> T:
    """The result of `call()`, made on a thread: a system call that never ends cannot be left in any other way.

    Signals are heeded meanwhile. Raises UserError after `limit` seconds, and what `call` raises.
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
        thread.join(_GRACE)  # at the end of the process a thread in the middle of compiled code can crash it
        raise
    if errors:
        raise errors[0]
    return results[0]
