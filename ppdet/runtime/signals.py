"""Ctrl-C and SIGTERM between two steps instead of in the middle of one, and after the same step on every rank."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TypeVar

from ppdet.core.errors import Interrupted
from ppdet.runtime import distributed

T = TypeVar("T")

_PATIENCE = 2.0  # seconds between two times that the ranks ask one another


def end_on_sigterm() -> None:
    """Let SIGTERM end this process in the tools' way. To be called after the import of Paddle, which prints a trace."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the launcher sends it three times
    raise Interrupted(number)


class StopRequest:
    """While entered, SIGTERM and the first Ctrl-C only set `received`; a second Ctrl-C interrupts at once.

    received  the signal that this process got, 0: none
    made      the signal that some process got, known to all of them after the same update

    Signals reach ranks one by one, or one of them alone. Asking after each update would make the host wait for the
    device each time, so the ranks ask every `_PATIENCE` seconds, counted in updates that all of them agree on.
    """

    def __init__(self) -> None:
        self.received = self.made = 0
        self._gives_up = False
        self._next = 0  # the update to ask after
        self._last: int | None = None  # when it was asked; a resumed run begins with a large number
        self._last_time = time.perf_counter()

    def __enter__(self) -> StopRequest:
        self._previous = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: of Paddle's C++ side, and lost
        if self.received or self.made:  # the process is about to end; the launcher's further ones must not hurry it
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def ask(self, updates: int) -> None:
        """Set `made` if it is time to. To be called after every update, with its number; a collective."""
        if updates < self._next:
            return
        now = time.perf_counter()
        per_update = (now - self._last_time) / (1 if self._last is None else max(1, updates - self._last))
        self._last, self._last_time = updates, now
        slowest = self.agree(per_update)
        self._next = updates + (max(1, int(_PATIENCE / slowest)) if distributed.world_size() > 1 else 1)

    def agree(self, seconds: float = 0.0) -> float:
        """Set `made` on all ranks; a collective. Returns the largest of their `seconds`."""
        signals, times = zip(*distributed.gather((self.received, seconds)), strict=True)
        self.made = max(signals)  # SIGTERM before SIGINT
        return max(times)

    def give_up_for(self, call: Callable[[], T], otherwise: T) -> T:
        """The result of `call()`, which leaves nothing half done; a request ends it, sets `made`, gives `otherwise`.

        With several ranks a request has to wait: the others wait in a collective for what `call` gives.
        """
        try:
            self._gives_up = distributed.world_size() == 1
            if self._gives_up and self.received:
                raise Interrupted(self.received)
            return call()
        except Interrupted:
            self._gives_up = False
            self.agree()
            return otherwise
        finally:
            self._gives_up = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT == self.received:
            raise KeyboardInterrupt
        self.received = number
        if self._gives_up:
            self._gives_up = False  # the launcher sends it three times
            raise Interrupted(number)
