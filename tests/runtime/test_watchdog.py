"""Who counts as silent; tests/tools/test_distributed.py stops and kills real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from ppdet.core.errors import UserError
from ppdet.runtime import watchdog
from ppdet.runtime.watchdog import (
    PATIENCE,
    SILENCE,
    STATUS,
    StragglerTimer,
    Watch,
    end_job,
    is_lost_connection,
    patience,
    silent_ranks,
)
from tests.support.ranks import free_port


def test_only_the_silent_are_named() -> None:
    left = 1 << 41
    heard = {1: (5, 0.0), 2: (7, 10.0), 3: (left, 0.0)}
    assert silent_ranks(heard, SILENCE) == []
    assert silent_ranks(heard, SILENCE + 5) == [1]
    assert silent_ranks(heard, SILENCE + 15) == [1, 2]


def test_the_end_says_why(capsys) -> None:
    statuses: list[int] = []
    end_job("rank 1: gone", statuses.append)
    assert statuses == [STATUS]
    assert capsys.readouterr().err == "error: rank 1: gone\n"


def test_errors_of_gloo_are_known() -> None:
    text = "[/paddle/third_party/gloo/gloo/transport/tcp/pair.cc:576] Read error [127.0.0.1]:4009: Connection reset"
    assert is_lost_connection(RuntimeError(text))
    assert not is_lost_connection(RuntimeError("out of memory"))
    assert not is_lost_connection(ValueError(text))
    assert is_lost_connection(ValueError("(InvalidArgument) TCP send error. Details: Broken pipe"))
    assert is_lost_connection(ValueError("(InvalidArgument) TCP connection reset by peer. Details: Success."))


STORE = """
import sys
from paddle.base import core
store = core.TCPStore("127.0.0.1", {port}, True, 2, timeout=60)
print("both are there", flush=True)
sys.stdin.read()
"""


def test_a_rank_whose_store_is_gone_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank 0 has finished and ended, and the store with it; rank 1 is late."""
    monkeypatch.setattr(watchdog, "_INTERVAL", 0.1)
    port, pipe = free_port(), subprocess.PIPE
    argv = [sys.executable, "-c", STORE.format(port=port)]
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as rank_0:
        watch = Watch("127.0.0.1", port, 1, 2)
        assert rank_0.stdout
        assert rank_0.stdout.readline() == "both are there\n"
        rank_0.kill()

    heartbeats, exchange = threading.Semaphore(0), watch._exchange

    errors: list[Exception] = []

    def noted() -> None:
        try:
            exchange()
        except Exception as error:
            errors.append(error)
            raise
        finally:
            heartbeats.release()

    watch._exchange = noted  # type: ignore[method-assign]
    for _ in range(3):  # the first may still go out; the thread survives the second
        assert heartbeats.acquire(timeout=120)
    watch.detach()
    assert not watch._thread.is_alive()
    assert errors
    assert all(map(is_lost_connection, errors)), errors


def test_lag_counts_while_others_are_ahead_and_nothing_is_begun() -> None:
    timer = StragglerTimer()
    assert [timer.seconds(0, 100.0), timer.seconds(0, 900.0)] == [0, 0]  # nobody begins: evaluating, saving
    assert [timer.seconds(1, 901.0), timer.seconds(1, 930.0)] == [1, 30]
    timer.begun = 1
    assert timer.seconds(20, 931.0) == 0  # behind, but getting on
    assert timer.seconds(20, 941.0) == 10
    timer.begun = 2
    assert [timer.seconds(20, 942.0), timer.seconds(20, 943.0)] == [0, 1]
    timer.begun = 21
    assert [timer.seconds(20, 944.0), timer.seconds(21, 999.0)] == [0, 0]


def test_lag_of_a_rank_whose_first_look_comes_late() -> None:
    assert StragglerTimer().seconds(5, 900.0) == 0


@pytest.mark.parametrize(("text", "seconds"), [(None, 40), ("300", 300), ("0", float("inf"))])
def test_patience(monkeypatch: pytest.MonkeyPatch, text: str | None, seconds: float) -> None:
    monkeypatch.delenv(PATIENCE, raising=False)
    if text:
        monkeypatch.setenv(PATIENCE, text)
    assert patience() == seconds


def test_patience_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PATIENCE, "1m")
    with pytest.raises(UserError, match="PPDET_HANG_SECONDS: found '1m'; expected whole seconds"):
        patience()


# after a second a thread aborts in C code, while the main thread holds the interpreter's lock for half a minute
ABORT = """
import ctypes, signal, threading
from ppdet.runtime import watchdog
watchdog._delay_ends_after_lost_connections()
watchdog._libc_signal(signal.SIGALRM, "abort")
libc = ctypes.CDLL(None)
threading.Thread(target=libc.sleep, args=(250,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
libc.alarm(1)
print("begun", flush=True)
ctypes.PyDLL(None).sleep(250)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="signal handlers of the C library are set on Linux only")
def test_an_abort_waits_for_the_launcher_and_still_aborts() -> None:
    process = subprocess.Popen([sys.executable, "-c", ABORT], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    begun = time.monotonic()
    process.communicate(timeout=300)
    assert 6 <= time.monotonic() - begun < 200
    assert process.returncode == -signal.SIGABRT
