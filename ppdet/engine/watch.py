"""Notices a process of a distributed run that was killed, is stopped, or sits on a machine that is gone.

A collective waits for every rank, and Paddle's own limit is 30 minutes. So each process counts up a number of its own
in the key-value store through which Paddle's processes found each other, and rank 0 watches that all numbers go on;
the others watch that rank 0's does, whose process holds the store. The first to see `SILENCE` seconds without
news says whose and ends its process, whereupon the launcher ends the job.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

from paddle.base import core

SILENCE = 25.0  # seconds; the launcher needs up to 30 more to end a job with a process that is stopped
STATUS = 3  # of a process that ends because of another one
_BEAT = 1.0  # seconds between two signs of life
_ADVICE = "its log may say more; continue with --resume auto"
_LEFT = 1 << 40  # added to a number by a process that is done


class Watch:
    """The signs of life of this process and, where `rank` is 0, those of all."""

    def __init__(self, host: str, port: int, rank: int, world_size: int) -> None:
        self._store = core.TCPStore(host, port, False, world_size, timeout=int(SILENCE))  # of its own: they queue
        self._rank = rank
        self._others = range(1, world_size) if rank == 0 else range(1)
        self._heard = {other: (0, time.monotonic()) for other in self._others}
        self._done = threading.Event()
        # the second thread: an answer of the store that never comes holds the first
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._beat, self._look)]
        for thread in self._threads:
            thread.start()
        atexit.register(self.end)
        sys.excepthook = _let_the_dead_be_found

    def leave(self) -> None:
        """Nobody need wait for this process any more; it may be silent from now on."""
        if not self._done.is_set():
            self._store.add(f"alive/{self._rank}", _LEFT)
            self.end()

    def end(self) -> None:
        self._done.set()
        self._threads[0].join(timeout=2 * _BEAT)

    def _beat(self) -> None:
        while not self._done.wait(_BEAT):
            try:
                self._store.add(f"alive/{self._rank}", 1)
                for other in self._others:
                    count = self._store.add(f"alive/{other}", 0)
                    if count != self._heard[other][0]:
                        self._heard[other] = count, time.monotonic()
            except RuntimeError:  # no connection: as silent as the others
                pass

    def _look(self) -> None:
        while not self._done.wait(_BEAT):
            if silent := silent_ranks(self._heard, time.monotonic()):
                self._give_up(silent)

    def _give_up(self, silent: list[int]) -> None:
        fault = f"no sign of life for {SILENCE:.0f} s; it was killed, is stopped, or its machine is out of reach"
        end_job(f"rank {', '.join(map(str, silent))}: {fault}; {_ADVICE}")


def silent_ranks(heard: dict[int, tuple[int, float]], now: float) -> list[int]:
    """Ranks of `heard` (count, time of its last change) that have been silent for too long and have not left."""
    return [rank for rank, (count, when) in heard.items() if count < _LEFT and now - when > SILENCE]


def is_lost_connection(error: BaseException) -> bool:
    """Whether `error` is what gloo says where another process has died; it does not always say which."""
    return isinstance(error, RuntimeError) and "gloo/transport" in str(error)


def _let_the_dead_be_found(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Not to be taken for the culprit, wait until the launcher (one machine) or the watch has named who is gone."""
    if not is_lost_connection(error):
        sys.__excepthook__(kind, error, trace)
        return
    print(f"error: a connection to another rank broke: {error}", file=sys.stderr, flush=True)
    try:
        time.sleep(SILENCE + 10 * _BEAT)
    finally:
        os._exit(STATUS)


def end_job(message: str, exit_process: Callable[[int], None] = os._exit) -> None:
    """Say `message` and end this process at once: its main thread waits in a collective for what will not come."""
    print("error:", message, file=sys.stderr, flush=True)
    exit_process(STATUS)
