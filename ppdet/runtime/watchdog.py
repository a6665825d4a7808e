"""Watchdog for distributed training: ends the job, and names the rank, when a rank dies, stops or hangs.

Without it, a collective would wait for a missing rank until Paddle's limit of 30 minutes. Each process counts up a
heartbeat in the key-value store through which Paddle's processes found each other. Rank 0 watches the heartbeats of all
ranks. The others watch that of rank 0, whose process holds the store. The first process that sees no change of a
heartbeat for `SILENCE` seconds names its rank and ends, and then the launcher ends the job.

A heartbeat does not show that the main thread of a process makes progress. So each process compares the number of
updates it has begun with the largest number of all ranks: the others cannot finish an update without it. A process that
is behind for `patience` seconds names itself, prints the stack of its main thread, and ends. Saving, scoring and
evaluating may take any time, because no rank begins an update then.

A rank that meets a mistake of the user tells the others through the store, so that all of them end with the status for
mistakes: the launcher's status is that of its first process that failed.
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

from ppdet.deploy.errors import printable
from ppdet.utils.waiting import seconds_from

SILENCE = 25.0  # seconds; the launcher needs up to 30 more to end a job with a process that is stopped
STATUS = 3  # of a process that ends because of another one
_MISTAKE = 2  # of a process that ends because another one met a mistake of the user
PATIENCE = "PPDET_HANG_SECONDS"  # the environment variable
_INTERVAL = 1.0  # seconds between two heartbeats
_ADVICE = "its log may say more; continue with --resume auto"
_DETACHED = 1 << 40  # added to the heartbeat of a process that nobody has to wait for any more
_ERROR_SECONDS = 30.0  # time for all ranks to notice an error: one of them may be parsing a large file
# errors of a store that is gone together with rank 0; which one comes differs between versions of Paddle
_NO_STORE = (RuntimeError, ValueError, OSError, SystemError)
_STORE_ERRORS = ("TCP send error", "TCP receive error", "TCP connection reset by peer")


def patience() -> float:
    """Returns how many seconds ranks wait for a stuck rank, by default 40: the job then ends in a minute."""
    return seconds_from(PATIENCE, 40)


class StragglerTimer:
    """Measures for how long the other ranks have waited for the main thread of this process.

    Attributes:
        begun: number of updates that this process has begun; all ranks do the same updates.
    """

    def __init__(self) -> None:
        self.begun, self._seen, self._since = 0, -1, 0.0

    def seconds(self, most: int, now: float) -> float:
        """Returns the waiting time at the time `now` in seconds. Call it regularly.

        `most` is the largest number of updates that any rank has begun.
        """
        if self.begun >= most or self.begun != self._seen:
            self._seen, self._since = self.begun, now
        return now - self._since


class Watch:
    """Sends the heartbeat of this process and follows those of others: on rank 0 of all ranks, elsewhere of rank 0.

    Attributes:
        timer: the main thread increments its `begun`.
    """

    def __init__(self, host: str, port: int, rank: int, world_size: int) -> None:
        self.timer = StragglerTimer()
        self._patience = patience()
        self._store = core.TCPStore(host, port, False, world_size, timeout=int(SILENCE))  # not Paddle's: calls queue
        self._rank, self._world_size = rank, world_size
        self._error: str | None = None  # what this rank tells the others
        self._all_know = threading.Event()
        self._others = range(1, world_size) if rank == 0 else range(1)
        self._heard = {other: (0, time.monotonic()) for other in self._others}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._heartbeat, daemon=True)
        self._thread.start()
        atexit.register(self.end)

    def begin(self) -> None:
        """Begin to look for silent ranks."""
        self._heard = {other: (count, time.monotonic()) for other, (count, _) in self._heard.items()}
        # in a separate thread, because the heartbeat thread hangs if the store never answers
        threading.Thread(target=self._check_peers, daemon=True).start()
        _delay_ends_after_lost_connections()

    def end_with_error(self, error: str | None) -> None:
        """Wait until all ranks know the `error` that is about to end this one; None: they know it already."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which the launcher sends once another rank has ended
        if error is not None and not self._done.is_set():
            self._error = error
            self._all_know.wait(_ERROR_SECONDS + 10 * _INTERVAL)

    def detach(self) -> None:
        """Tell the others that nobody has to wait for this process any more, and stop the heartbeat."""
        if not self._done.is_set():
            with suppress(*_NO_STORE):  # rank 0 has ended already, and the store with it
                self._store.add(f"alive/{self._rank}", _DETACHED)
                self._store.add("aware", 1)
            self.end()

    def end(self) -> None:
        """Stop the heartbeat."""
        self._done.set()
        self._thread.join(timeout=2 * _INTERVAL)

    def _heartbeat(self) -> None:
        while not self._done.wait(_INTERVAL):
            with suppress(*_NO_STORE):  # no connection: the others count as silent
                self._exchange()
                self._exchange_errors()

    def _exchange_errors(self) -> None:
        """Tell the others about an error of this rank, or end this process because of an error of another one."""
        if self._error is not None:
            self._store.set("error", self._error)
            self._store.add("errors", 1)
        if not self._store.add("errors", 0):
            return
        error = self._error or self._store.get("error").decode()
        _libc_signal(signal.SIGTERM)
        end = time.monotonic() + _ERROR_SECONDS
        with suppress(*_NO_STORE):  # rank 0 has ended, so it knew
            aware = self._store.add("aware", 1)
            while aware < self._world_size and time.monotonic() < end:
                time.sleep(_INTERVAL / 10)
                aware = self._store.add("aware", 0)
        self._all_know.set()
        if self._error is None:
            end_job(error, status=_MISTAKE)
        self._done.set()

    def _exchange(self) -> None:
        """Send a heartbeat and the number of begun updates, and read those of the others."""
        self._store.add(f"alive/{self._rank}", 1)
        for other in self._others:
            count = self._store.add(f"alive/{other}", 0)
            if count != self._heard[other][0]:
                self._heard[other] = count, time.monotonic()
        most = self._store.add("begun", 0)
        if self.timer.begun > most:  # not `add`: two ranks at once would add the difference twice
            self._store.set("begun", str(self.timer.begun))
        if not self._done.is_set() and self.timer.seconds(most, time.monotonic()) > self._patience:
            self._abort_self()

    def _check_peers(self) -> None:
        while not self._done.wait(_INTERVAL):
            if silent := silent_ranks(self._heard, time.monotonic()):
                self._abort_for(silent)

    def _abort_for(self, silent: list[int]) -> None:
        fault = f"no sign of life for {SILENCE:.0f} s; it was killed, is stopped, or its machine is out of reach"
        end_job(f"rank {', '.join(map(str, silent))}: {fault}; {_ADVICE}")

    def _abort_self(self) -> None:
        main = sys._current_frames()[threading.main_thread().ident or 0]
        print("Stuck at:\n", *traceback.format_stack(main), sep="", file=sys.stderr)
        fault = f"the others have waited for its update {self.timer.begun + 1} for {self._patience:.0f} s"
        end_job(f"rank {self._rank}: {fault}; fix what the trace above shows, or raise {PATIENCE}; {_ADVICE}")


def silent_ranks(heard: dict[int, tuple[int, float]], now: float) -> list[int]:
    """Returns the ranks of `heard` (count, time of its last change) that are silent for too long and not detached."""
    return [rank for rank, (count, when) in heard.items() if count < _DETACHED and now - when > SILENCE]


def is_lost_connection(error: BaseException) -> bool:
    """Whether gloo or the store raised `error` because another process has died."""
    text = str(error)
    of_store = isinstance(error, _NO_STORE) and any(words in text for words in _STORE_ERRORS)
    return of_store or (isinstance(error, RuntimeError) and "gloo/transport" in text)


def _delay_ends_after_lost_connections() -> None:
    """Delay the end of this process if another rank dies.

    The launcher looks at its processes every second and names the first one that has ended.
    """
    sys.excepthook = _end_later
    # An error of gloo in a backward pass goes through Paddle's C++ code, which aborts the process. A handler in Python
    # would need the interpreter's lock, which a thread that hangs in a collective may hold.
    _libc_signal(signal.SIGABRT, "sleep")  # is called with the signal's number and so waits for 6 s


def _libc_signal(number: int, function: str = "") -> None:
    """Let a C function handle a signal, or ignore it, from any thread; signal.signal works in the main thread only."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
        libc.signal.restype = ctypes.c_void_p
        handler = ctypes.cast(getattr(libc, function), ctypes.c_void_p) if function else int(signal.SIG_IGN)
        libc.signal(number, handler)


def _end_later(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the error, then wait until the launcher (on one machine) or the watchdog has named the dead rank."""
    if not is_lost_connection(error):
        sys.__excepthook__(kind, error, trace)
        return
    print(f"error: a connection to another rank broke: {error}", file=sys.stderr, flush=True)
    try:
        time.sleep(SILENCE + 10 * _INTERVAL)
    finally:
        os._exit(STATUS)


def end_job(message: str, exit_process: Callable[[int], None] = os._exit, status: int = STATUS) -> None:
    """Print `message` and end this process at once: its main thread may hang in a collective."""
    print("error:", printable(message), file=sys.stderr, flush=True)
    exit_process(status)
