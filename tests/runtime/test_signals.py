"""Requests to stop: held until a step ends, and heeded by all ranks after the same one."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from ppdet.core.errors import Interrupted, OutOfTime
from ppdet.runtime import signals as interrupt
from ppdet.runtime.signals import GracefulStop, end_on_sigterm


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler or signal.SIG_DFL)


def send(number: int) -> None:
    signal.raise_signal(number)  # to this thread: os.kill may reach another one, and be late


def test_sigterm_again_and_again_ends_nothing():
    with GracefulStop() as stop:
        stop.poll(1)
        assert not stop.agreed
        for _ in range(3):
            send(signal.SIGTERM)
        assert not stop.agreed  # until it is asked for
        stop.poll(2)
        assert stop.agreed == signal.SIGTERM
        send(signal.SIGTERM)
    send(signal.SIGTERM)  # the launcher's next one, while the process ends


def test_a_resumed_run_asks_as_often_as_a_new_one(monkeypatch):
    monkeypatch.setattr(interrupt.distributed, "world_size", lambda: 2)
    monkeypatch.setattr(interrupt.distributed, "all_gather_object", lambda value: (value, value))
    monkeypatch.setattr(interrupt.time, "perf_counter", iter(range(100)).__next__)  # a second per update
    stop = GracefulStop()
    stop.poll(100_001)
    stop.local = signal.SIGTERM
    for update in range(100_002, 100_005):
        stop.poll(update)
    assert stop.agreed == signal.SIGTERM


def test_second_ctrl_c_ends_at_once():
    with GracefulStop():
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_nothing_received_leaves_the_handlers_as_they_were():
    end_on_sigterm()
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with GracefulStop():
        pass
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_the_end_of_the_time():
    """It is a request that a signal outdoes, and a process that notes no signals keeps its handlers."""
    before = signal.getsignal(signal.SIGTERM)
    with GracefulStop((), deadline=0.0) as stop:
        assert not stop.agreed
        stop.poll(1)
        assert stop.agreed == interrupt.OUT_OF_TIME
        with pytest.raises(OutOfTime) as error:
            stop.raise_agreed()
    assert error.value.status == 124
    assert signal.getsignal(signal.SIGTERM) == before
    with GracefulStop(deadline=0.0) as stop:
        send(signal.SIGTERM)
        stop.sync()
        with pytest.raises(Interrupted) as error:
            stop.raise_agreed()
    assert error.value.status == 143


def test_time_that_is_left():
    with GracefulStop((), deadline=interrupt.time.monotonic() + 1000) as stop:
        stop.poll(1)
        assert not stop.agreed
        stop.raise_agreed()


def test_sigterm_outside_training():
    end_on_sigterm()
    with pytest.raises(Interrupted) as error:
        send(signal.SIGTERM)
    assert error.value.status == 143
    send(signal.SIGTERM)  # no second one while the first is dealt with


@pytest.mark.parametrize("told", [[signal.SIGTERM, 0], [0, signal.SIGINT], [signal.SIGTERM, signal.SIGINT]])
def test_ranks_ask_after_the_same_updates(monkeypatch, told):
    """Two ranks whose clocks differ, with a signal after update 40: both stop after the same update."""
    ranks = [GracefulStop(), GracefulStop()]
    asked: list[list[int]] = [[], []]
    clock = [0.0, 0.0]

    def step(rank: int, updates: int, others: list) -> None:
        """Poll as this rank; `others` is what the exchange returns."""
        monkeypatch.setattr(interrupt.time, "perf_counter", lambda: clock[rank])
        monkeypatch.setattr(
            interrupt.distributed, "all_gather_object", lambda value: (asked[rank].append(updates), others)[1]
        )
        ranks[rank].poll(updates)

    monkeypatch.setattr(interrupt.distributed, "world_size", lambda: 2)
    for stop in ranks:
        stop._last_time = 0.0
    for updates in range(1, 60):
        clock[0] += 0.1
        clock[1] += 0.15
        if updates == 41:
            for stop, number in zip(ranks, told, strict=True):
                stop.local = number
        per_update = [
            (clock[r] - ranks[r]._last_time) / max(1, updates - (ranks[r]._last or updates - 1)) for r in range(2)
        ]
        reports = [(stop.local, seconds) for stop, seconds in zip(ranks, per_update, strict=True)]
        for rank in range(2):
            step(rank, updates, reports)
        assert ranks[0].agreed == ranks[1].agreed
        if ranks[0].agreed:
            break
    assert ranks[0].agreed == max(told)
    assert asked[0] == asked[1] == [1, 14, 27, 40, 53]  # 13 updates of 0.15 s: every two seconds
