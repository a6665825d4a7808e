"""Ends a distributed run of which a process was killed, is stopped, sits on a machine that is gone, or is stuck.

A collective waits for every rank, and Paddle's own limit is 30 minutes. So each process counts up a number of its own
in the key-value store through which Paddle's processes found each other, and rank 0 watches that all numbers go on;
the others watch that rank 0's does, whose process holds the store. The first to see `SILENCE` seconds without
news says whose and ends its process, whereupon the launcher ends the job.

That a process is alive does not mean that its main thread gets on. So each compares the updates it has begun with the
most that any rank has: the others cannot finish an update without it. One that is behind for `patience` seconds names
itself, shows where it is, and ends. Saving, scoring and evaluating may take any time: no rank begins an update then.

A rank that finds a mistake of the user's tells the others through the store as well, so that all of them, and the
launcher, end with the status that says so; the launcher's is that of its first process which failed.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from paddle.base import core

from ppdet.core.errors import printable
from ppdet.utils.waiting import seconds_from

SILENCE = 25.0  # seconds; the launcher needs up to 30 more to end a job with a process that is stopped
STATUS = 3  # of a process that ends because of another one
_MISTAKE = 2  # where that found a mistake of the user's
PATIENCE = "PPDET_HANG_SECONDS"  # the environment variable
_BEAT = 1.0  # seconds between two signs of life
_ADVICE = "its log may say more; continue with --resume auto"
_LEFT = 1 << 40  # added to a number by a process that is done
_HEARING = 30.0  # seconds that the ranks get to hear of an error: one may be parsing a large file
# of a store that is gone with rank 0; which of them, and for what, differs between the versions of Paddle
_NO_STORE = (RuntimeError, ValueError, OSError, SystemError)


def patience() -> float:
    """Seconds that the others wait for a stuck rank, from the environment; 40, with which the job ends in a minute."""
    return seconds_from(PATIENCE, 40)


class Lag:
    """For how long the main thread of this process has kept others waiting.

    begun  the updates it has begun, all ranks the same ones
    """

    def __init__(self) -> None:
        self.begun, self._seen, self._since = 0, -1, 0.0

    def seconds(self, most: int, now: float) -> float:
        """most: updates that some rank has begun; now: in seconds. To be asked again and again."""
        if self.begun >= most or self.begun != self._seen:
            self._seen, self._since = self.begun, now
        return now - self._since


class Watch:
    """The signs of life of this process and, where `rank` is 0, those of all. `lag.begun` is for its main thread."""

    def __init__(self, host: str, port: int, rank: int, world_size: int) -> None:
        self.lag = Lag()
        self._patience = patience()
        self._store = core.TCPStore(host, port, False, world_size, timeout=int(SILENCE))  # of its own: they queue
        self._rank, self._world_size = rank, world_size
        self._error: str | None = None  # of this rank, for the others
        self._all_know = threading.Event()
        self._others = range(1, world_size) if rank == 0 else range(1)
        self._heard = {other: (0, time.monotonic()) for other in self._others}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        atexit.register(self.end)

    def begin(self) -> None:
        """Look for silent ranks from now on."""
        self._heard = {other: (count, time.monotonic()) for other, (count, _) in self._heard.items()}
        # on a thread of its own: an answer of the store that never comes holds the other one
        threading.Thread(target=self._look, daemon=True).start()
        _let_the_dead_be_found()

    def end_with_error(self, error: str | None) -> None:
        """Wait until all ranks know of the `error` that is about to end this one; None: they know it."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the launcher's, once another one has ended
        if error is not None and not self._done.is_set():
            self._error = error
            self._all_know.wait(_HEARING + 10 * _BEAT)

    def leave(self) -> None:
        """Nobody need wait for this process any more; it may be silent from now on."""
        if not self._done.is_set():
            with suppress(*_NO_STORE):  # rank 0 has left already, and its store with it
                self._store.add(f"alive/{self._rank}", _LEFT)
                self._store.add("aware", 1)
            self.end()

    def end(self) -> None:
        self._done.set()
        self._thread.join(timeout=2 * _BEAT)

    def _beat(self) -> None:
        while not self._done.wait(_BEAT):
            with suppress(*_NO_STORE):  # no connection: as silent as the others
                self._exchange()
                self._exchange_errors()

    def _exchange_errors(self) -> None:
        if self._error is not None:
            self._store.set("error", self._error)
            self._store.add("errors", 1)
        if not self._store.add("errors", 0):
            return
        error = self._error or self._store.get("error").decode()
        _libc_signal(signal.SIGTERM)
        end = time.monotonic() + _HEARING
        with suppress(*_NO_STORE):  # rank 0 has gone: it knew
            aware = self._store.add("aware", 1)
            while aware < self._world_size and time.monotonic() < end:
                time.sleep(_BEAT / 10)
                aware = self._store.add("aware", 0)
        self._all_know.set()
        if self._error is None:
            end_job(error, status=_MISTAKE)
        self._done.set()

    def _exchange(self) -> None:
        self._store.add(f"alive/{self._rank}", 1)
        for other in self._others:
            count = self._store.add(f"alive/{other}", 0)
            if count != self._heard[other][0]:
                self._heard[other] = count, time.monotonic()
        most = self._store.add("begun", 0)
        if self.lag.begun > most:  # adding the difference would count it twice where two ranks do so at once
            self._store.set("begun", str(self.lag.begun))
        if not self._done.is_set() and self.lag.seconds(most, time.monotonic()) > self._patience:
            self._give_itself_up()

    def _look(self) -> None:
        while not self._done.wait(_BEAT):
            if silent := silent_ranks(self._heard, time.monotonic()):
                self._give_up(silent)

    def _give_up(self, silent: list[int]) -> None:
        fault = f"no sign of life for {SILENCE:.0f} s; it was killed, is stopped, or its machine is out of reach"
        end_job(f"rank {', '.join(map(str, silent))}: {fault}; {_ADVICE}")

    def _give_itself_up(self) -> None:
        main = sys._current_frames()[threading.main_thread().ident or 0]
        print("Stuck at:\n", *traceback.format_stack(main), sep="", file=sys.stderr)
        fault = f"the others have waited for its update {self.lag.begun + 1} for {self._patience:.0f} s"
        end_job(f"rank {self._rank}: {fault}; mend what the trace above shows, or raise {PATIENCE}; {_ADVICE}")


def silent_ranks(heard: dict[int, tuple[int, float]], now: float) -> list[int]:
    """Ranks of `heard` (count, time of its last change) that have been silent for too long and have not left."""
    return [rank for rank, (count, when) in heard.items() if count < _LEFT and now - when > SILENCE]


def is_lost_connection(error: BaseException) -> bool:
    """Whether `error` is what gloo, or the store, says where another process has died; they do not always say which."""
    text = str(error)
    of_store = isinstance(error, _NO_STORE) and ("TCP send error" in text or "TCP receive error" in text)
    return of_store or (isinstance(error, RuntimeError) and "gloo/transport" in text)


def _let_the_dead_be_found() -> None:
    """Do not end at once of the death of another rank: the launcher looks every second and names the first it sees."""
    sys.excepthook = _end_later
    # in a backward pass gloo's error passes through Paddle's C++ and aborts the process
    _libc_signal(signal.SIGABRT, "sleep")  # called with the signal's number, 6


def _libc_signal(number: int, function: str = "") -> None:
    """Ignore a signal, or let a function of the C library handle it. signal.signal is for the main thread only."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
        libc.signal.restype = ctypes.c_void_p
        handler = ctypes.cast(getattr(libc, function), ctypes.c_void_p) if function else int(signal.SIG_IGN)
        libc.signal(number, handler)


def _end_later(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Wait until the launcher (one machine) or the watch has named who is gone."""
    if not is_lost_connection(error):
        sys.__excepthook__(kind, error, trace)
        return
    print(f"error: a connection to another rank broke: {error}", file=sys.stderr, flush=True)
    try:
        time.sleep(SILENCE + 10 * _BEAT)
    finally:
        os._exit(STATUS)


def end_job(message: str, exit_process: Callable[[int], None] = os._exit, status: int = STATUS) -> None:
    """Say `message` and end this process at once: its main thread waits in a collective for what will not come."""
    print("error:", printable(message), file=sys.stderr, flush=True)
    exit_process(status)
