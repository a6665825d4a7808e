"""Time limits for waiting on something that may never answer, like a lost file system or a stopped process."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Generator
from typing import Generic, TypeVar, cast

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


class Background(Generic[T]):
    """A call on a thread of its own: only a thread can be left if a system call never ends."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._results: list[T] = []
        self._errors: list[Exception] = []
        # A signal's exception can come at any point of the waiting thread, even between acquire and release. After that
        # Python 3.12 and older can take a running Thread for an ended one, and an Event can stay locked.
        self._ended = False
        self._running = threading.Lock()  # for waiting only

    def begin(self) -> None:
        """Starts the thread. A signal's exception can come out of this although the thread runs."""
        thread = threading.Thread(target=self._run, daemon=True)
        self._running.acquire()
        thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except Exception as error:
            self._errors.append(error)
        finally:
            self._ended = True
            self._running.release()

    def ended(self, seconds: float) -> bool:
        """Wait at most `seconds` for the end of the call, and return whether it has come."""
        if not self._ended and self._running.acquire(timeout=seconds):
            self._running.release()
        return self._ended

    def result(self) -> T:
        """Wait for the result and return it, or raise the call's error. Signals are handled meanwhile."""
        while not self.ended(_SLICE):
            pass
        if self._errors:
            raise self._errors[0]
        return self._results[0]


def call_within(limit: float, name: Callable[[], str], call: Callable[[], T]) -> T:
    """Returns the result of `call()`, which runs on a thread. Signals are handled meanwhile.

    Args:
        limit: seconds.
        name: returns the file that is being read, for messages.
        call: the function.

    Raises:
        UserError: `call` has not ended within the limit.
    """
    running = Background(call)
    try:
        running.begin()
        wait_for(running.ended, name, limit)
    except BaseException:
        running.ended(_GRACE)  # a thread that is in compiled code when the process ends can crash it
        raise
    return running.result()


def one_ahead(items: Generator[T, None, None], interrupt: Callable[[], object]) -> Generator[T, None, None]:
    """Yields the items of a generator that runs on a thread, one item ahead of the caller.

    Args:
        items: the generator; it is closed at the end.
        interrupt: makes a running step of the generator end soon; called if the caller leaves early.
    """
    end: list[T] = []
    running = Background(lambda: next(items, end))
    try:
        running.begin()
        while (item := running.result()) is not end:
            running = Background(lambda: next(items, end))
            running.begin()
            yield cast("T", item)
    finally:
        if not running.ended(0):
            interrupt()
        if running.ended(_GRACE):  # otherwise the file system does not answer, and the thread is left to itself
            items.close()
