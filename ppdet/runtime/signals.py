"""Ctrl-C, SIGTERM and a time limit stop a training between two steps, after the same step on every rank."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import TypeVar

from ppdet.core.errors import Interrupted, OutOfTime
from ppdet.runtime import distributed

T = TypeVar("T")

_POLL_SECONDS = 2.0  # time between two exchanges of the ranks
OUT_OF_TIME = 1  # a request beside the numbers of signals; less than those of SIGINT and SIGTERM, which go first


def end_on_sigterm() -> None:
    """Make SIGTERM raise Interrupted. Call it after the import of Paddle, whose own handler prints a trace."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the launcher sends it three times
    raise Interrupted(number)


class GracefulStop:
    """Context in which a first signal is only noted; a second Ctrl-C interrupts at once.

    The end of the time is a request to stop as well. Signals reach the ranks one after the other, or only one of them.
    An exchange after every update would make the host wait for the device each time, so the ranks exchange every
    `_POLL_SECONDS`, counted in updates that all agree on.

    Attributes:
        local: the signal that this process got; 0: none.
        agreed: the signal that any process got, or OUT_OF_TIME, which all of them know after the same update; 0: none.
    """

    def __init__(self, signals: Sequence[int] = (signal.SIGINT, signal.SIGTERM), deadline: float = math.inf) -> None:
        """Prepares the context.

        Args:
            signals: those that are noted; none: this process leaves its handlers as they are.
            deadline: the time of `time.monotonic()` from which on the process asks to stop.
        """
        self._signals = signals
        self._deadline = deadline
        self.local = self.agreed = 0
        self._interruptible = False
        self._next = 0  # the update of the next exchange
        self._last: int | None = None  # the update of the last exchange; a resumed run begins with a large number
        self._last_time = time.perf_counter()

    def __enter__(self) -> GracefulStop:
        self._previous = {number: signal.signal(number, self._handle) for number in self._signals}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        previous = self._previous
        # if the process is about to end, further signals of the launcher must not hurry it
        if self._signals and (self.local or self.agreed):
            previous = previous | {signal.SIGTERM: signal.SIG_IGN}  # at once: one that is on its way would end it
        for number, handler in previous.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: a handler of Paddle in C++, which is lost

    def poll(self, updates: int) -> None:
        """Set `agreed` if it is time for an exchange. Call it after every update, with its number. A collective."""
        if updates < self._next:
            return
        now = time.perf_counter()
        per_update = (now - self._last_time) / (1 if self._last is None else max(1, updates - self._last))
        self._last, self._last_time = updates, now
        slowest = self.sync(per_update)
        self._next = updates + (max(1, int(_POLL_SECONDS / slowest)) if distributed.world_size() > 1 else 1)

    def sync(self, seconds: float = 0.0) -> float:
        """Set `agreed` on all ranks and return the largest of their `seconds`. A collective."""
        own = self.local or (OUT_OF_TIME if time.monotonic() >= self._deadline else 0)
        requests, times = zip(*distributed.all_gather_object((own, seconds)), strict=True)
        self.agreed = max(requests)  # SIGTERM before SIGINT
        slowest: float = max(times)
        return slowest

    def raise_agreed(self) -> None:
        """Raise OutOfTime or Interrupted if the processes agreed to stop."""
        if self.agreed:
            raise OutOfTime if self.agreed == OUT_OF_TIME else Interrupted(self.agreed)

    def run_interruptible(self, call: Callable[[], T], default: T) -> T:
        """Returns the result of `call()`, or `default` if a signal ends it, which sets `agreed`.

        `call` must leave nothing half done when it is ended. With several ranks a signal does not end it, because the
        others wait in a collective for its result.
        """
        try:
            self._interruptible = distributed.world_size() == 1
            if self._interruptible and self.local:
                raise Interrupted(self.local)
            return call()
        except Interrupted:
            self._interruptible = False
            self.sync()
            return default
        finally:
            self._interruptible = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT == self.local:
            raise KeyboardInterrupt
        self.local = number
        if self._interruptible:
            self._interruptible = False  # the launcher sends SIGTERM three times
            raise Interrupted(number)
