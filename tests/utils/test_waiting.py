"""Time limits: what ends in time is unchanged, what does not ends in one line."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ppdet.core.errors import Interrupted, UserError
from ppdet.utils import waiting
from ppdet.utils.waiting import Background, call_within, one_ahead, reading_limit, wait_for

ROOT = Path(__file__).resolve().parents[2]


def never(seconds: float) -> bool:
    return False


def test_the_event_is_waited_for() -> None:
    asked: list[float] = []
    wait_for(lambda seconds: asked.append(seconds) or len(asked) == 3, lambda: "x.jpg", 5.0)
    assert asked == [1.0] * 3


def test_the_limit_is_counted_in_slices() -> None:
    """The clock plays no part: a process that was stopped itself finds its event when it goes on."""
    with pytest.raises(UserError, match=r"^x\.jpg: reading it has taken 5 s; .* raise PPDET_READ_SECONDS"):
        wait_for(never, lambda: "x.jpg", 5.0)


def test_a_long_wait_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    slices = iter([False] * 130 + [True])
    with caplog.at_level(logging.WARNING, logger="ppdet"):
        wait_for(lambda seconds: next(slices), lambda: "x.jpg", float("inf"))
    assert caplog.messages == [f"x.jpg: reading it has taken {seconds} s so far" for seconds in (60, 120)]


def test_a_call_gives_its_result_or_its_error() -> None:
    assert call_within(5.0, lambda: "x.jpg", lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        call_within(5.0, lambda: "x.jpg", lambda: 1 // 0)


def test_a_call_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_GRACE", 0.1)
    never_set = threading.Event()
    with pytest.raises(UserError, match=r"^x\.jpg: reading it has taken 1 s"):
        call_within(1.0, lambda: "x.jpg", never_set.wait)
    never_set.set()


class InterruptedLock:
    """A lock of which a signal's exception comes as soon as a wait for it has ended."""

    def __init__(self) -> None:
        self.lock, self.interrupted = threading.Lock(), False

    def acquire(self, timeout: float = -1) -> bool:
        acquired = self.lock.acquire(timeout=timeout)
        if acquired and timeout > 0 and not self.interrupted:
            self.interrupted = True
            raise Interrupted(signal.SIGINT)
        return acquired

    def release(self) -> None:
        self.lock.release()


def test_a_signal_at_the_very_end_of_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()
    running = Background(lambda: begun.wait(10))
    monkeypatch.setattr(running, "_running", InterruptedLock())
    running.begin()
    threading.Timer(0.1, begun.set).start()
    with pytest.raises(Interrupted):
        running.result()
    assert running.ended(0)
    assert running.result() is True


# ---- one item ahead ----


class Numbers:
    """A generator of numbers that tells how far it is."""

    def __init__(self, count: int, fault: Exception | None = None) -> None:
        self.count, self.fault = count, fault
        self.made = 0
        self.closed = False
        self.threads: set[int] = set()

    def items(self) -> Iterator[int]:
        try:
            for number in range(self.count):
                self.threads.add(threading.get_ident())
                self.made = number + 1
                yield number
            if self.fault:
                raise self.fault
        finally:
            self.closed = True


def no_interrupt() -> None:
    raise AssertionError("nothing has to be interrupted")


def test_items_are_made_one_ahead_on_another_thread() -> None:
    numbers = Numbers(5)
    found = []
    for item in one_ahead(numbers.items(), no_interrupt):
        found.append(item)
        wait_for(lambda seconds: numbers.made == min(len(found) + 1, 5), lambda: "an item", 50.0)
    assert found == [0, 1, 2, 3, 4]
    assert numbers.closed
    assert threading.get_ident() not in numbers.threads


def test_never_more_than_one_ahead() -> None:
    numbers = Numbers(5)
    items = one_ahead(numbers.items(), no_interrupt)
    next(items)
    time.sleep(0.2)  # time for mistakes: the result is the same without it
    assert numbers.made == 2
    items.close()
    assert numbers.closed
    assert numbers.made == 2


def test_an_error_comes_where_the_item_would() -> None:
    items = one_ahead(Numbers(2, UserError("a fault")).items(), no_interrupt)
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(UserError, match="a fault"):
        next(items)


class Held:
    """A generator whose second step waits until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.closed = 0

    def items(self) -> Iterator[int]:
        try:
            yield 0
            self.released.wait()
            yield 1
        finally:
            self.closed += 1


def test_leaving_early_interrupts_a_running_step_and_closes_the_items() -> None:
    held = Held()
    ahead = one_ahead(held.items(), held.released.set)
    assert next(ahead) == 0
    ahead.close()
    assert held.released.is_set()
    assert held.closed == 1


def test_a_signal_while_a_thread_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step that has begun is interrupted, and the caller sees the signal's exception."""
    held = Held()
    start = threading.Thread.start

    def start_interrupted(thread: threading.Thread) -> None:
        start(thread)
        threads.append(thread)
        if len(threads) == 2:
            raise Interrupted(signal.SIGINT)

    threads: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", start_interrupted)
    with pytest.raises(Interrupted):
        next(one_ahead(held.items(), held.released.set))
    assert held.released.is_set()
    assert held.closed == 1


def test_a_step_that_never_ends_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_GRACE", 0.1)
    released, interrupts = threading.Event(), []

    def items() -> Iterator[int]:
        yield 0
        released.wait()

    ahead = one_ahead(items(), lambda: interrupts.append(True))
    assert next(ahead) == 0
    ahead.close()
    assert interrupts == [True]
    released.set()


STOPPED = """
import signal
import threading
from ppdet.core.errors import Interrupted
from ppdet.utils import waiting

def stop(number, frame):
    raise Interrupted(number)

waiting._GRACE = 0.1
signal.signal(signal.SIGALRM, stop)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    waiting.call_within(60.0, lambda: "x.jpg", threading.Event().wait)
except Interrupted:
    print("interrupted")
"""


def test_signals_are_heeded_meanwhile() -> None:
    done = subprocess.run([sys.executable, "-c", STOPPED], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted\n", "", 0)


@pytest.mark.parametrize(("text", "seconds"), [(None, 600), ("30", 30), ("0", float("inf"))])
def test_the_limit_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, text: str | None, seconds: float
) -> None:
    monkeypatch.delenv("PPDET_READ_SECONDS", raising=False)
    if text:
        monkeypatch.setenv("PPDET_READ_SECONDS", text)
    assert reading_limit() == seconds


@pytest.mark.parametrize("text", ["1m", "-3", "²", ""])
def test_a_limit_that_is_no_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PPDET_READ_SECONDS", text)
    with pytest.raises(UserError, match="^PPDET_READ_SECONDS: found .*; expected whole seconds"):
        reading_limit()
