"""Worker processes: whatever happens to them or to the main process, nothing waits in silence."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.data.loading.batches import shared_tensor
from ppdet.data.loading.workers import PREFETCH, SPARE_BUFFERS, Buffers, WorkerPool

SHAPE = (2, 3, 16, 16)
SIZE = 4 * 2 * 3 * 16 * 16
PoolFactory = Callable[..., WorkerPool]


def constant(order: int, buffer: np.ndarray, progress: np.ndarray) -> dict[str, Any]:
    """Memory full of the order's number."""
    memory = buffer[:SIZE]
    memory.view(np.float32)[:] = order
    return {"memory": memory, "order": order}


def named(order: Any, progress: np.ndarray) -> str:
    return f"image {order}, at {progress[0]}"


@pytest.fixture
def pool() -> Iterator[PoolFactory]:
    """WorkerPools that are closed at the end of the test; a hang ends it after a minute."""
    pools: list[WorkerPool] = []

    def make(work: Any = constant, worker_num: int = 2, **options: Any) -> WorkerPool:
        pools.append(WorkerPool(work, worker_num, SIZE, **{"name": named, "limit": 60.0} | options))
        return pools[-1]

    def hangs(*_: object) -> None:
        raise AssertionError("the test hangs")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(60)
    yield make
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    for one in pools:
        one.close()


# ---- memory ----


def test_results_may_be_kept(pool: PoolFactory) -> None:
    """More of them than there are buffers, over two epochs, which begin while all are kept."""
    ours = pool()
    kept = [parts for _ in range(2) for parts in ours.results(range(20))]
    assert [parts["order"] for parts in kept] == [*range(20)] * 2
    for parts in kept:
        assert (parts["memory"].view(np.float32) == parts["order"]).all()


def test_buffers_come_back_and_results_that_are_not_kept_lie_in_them(pool: PoolFactory) -> None:
    ours = pool()
    copies = sum(parts["memory"].base is None for _ in range(3) for parts in ours.results(range(20)))
    gc.collect()
    assert copies == 0
    assert len(ours._buffers.free) == 2 * PREFETCH + SPARE_BUFFERS


@pytest.mark.parametrize("keep", ["array", "view", "tensor", "tensor view"])
def test_a_buffer_is_lent_until_the_last_user_ends(keep: str) -> None:
    buffers = Buffers(2, SIZE)
    array = buffers.lend(buffers.free.pop())[:SIZE].view(np.float32).reshape(SHAPE)
    array[:] = 3
    user: Any = shared_tensor(array) if "tensor" in keep else array
    if "view" in keep:
        user = user.reshape([-1])[5:]
    if keep.startswith("tensor"):
        array[:] = 4
        assert float(user.max()) == float(user.min()) == 4  # no copy
    del array
    gc.collect()
    assert list(buffers.free) == [0]
    del user
    gc.collect()
    assert sorted(buffers.free) == [0, 1]


def test_no_memory_for_the_buffers_is_an_error(pool: PoolFactory) -> None:
    with pytest.raises(UserError, match="^batch_size: no memory"):
        WorkerPool(constant, 2, 1 << 60, named, 60.0)


# ---- a worker in trouble ----


def stopping(order: int, buffer: np.ndarray, progress: np.ndarray) -> dict[str, Any]:
    """Stops itself, as a hand or a file system that is gone would, in the middle of its third order."""
    progress[0] = 10 * order
    if order == 2:
        os.kill(os.getpid(), signal.SIGSTOP)
    return {"order": order}


def test_a_stopped_worker_is_an_error_that_names_what_it_read(pool: PoolFactory) -> None:
    ours = pool(stopping, 1, limit=1.0)
    with pytest.raises(UserError, match=r"^image 2, at 20: reading it has taken 1 s; .*PPDET_READ_SECONDS"):
        list(ours.results(range(5)))
    ours.close()
    assert not any(process.is_alive() for process in ours.processes)


def unpicklable(order: int, buffer: np.ndarray, progress: np.ndarray) -> dict[str, Any]:
    return {"order": lambda: order}


def leaving(order: int, buffer: np.ndarray, progress: np.ndarray) -> dict[str, Any]:
    os._exit(3)


@pytest.mark.parametrize(("work", "code"), [(unpicklable, 1), (leaving, 3)])
def test_a_worker_that_ends_is_an_error(pool: PoolFactory, work: Any, code: int) -> None:
    with pytest.raises(UserError, match=rf"died \(exit code {code}\)"):
        list(pool(work).results(range(5)))


def test_a_worker_killed_in_the_middle_of_a_message(pool: PoolFactory) -> None:
    """A result that fills the pipe: the worker is writing when it dies."""
    ours = pool(large)
    results = ours.results([(number,) for number in range(8)])
    next(results)
    time.sleep(0.5)
    os.kill(ours.processes[1].pid, signal.SIGKILL)
    with pytest.raises(UserError, match="signal 9"):
        list(results)


def large(order: Any, buffer: np.ndarray, progress: np.ndarray) -> dict[str, Any]:
    """4 MB through the pipe, which takes 0.2."""
    return {"order": order, "rest": np.zeros(1 << 20, np.float32)}


def test_full_pipes_in_both_directions(pool: PoolFactory) -> None:
    """Orders and results larger than a pipe, and a main process that is slow."""
    orders = [list(range(100_000 + number)) for number in range(8)]
    received = []
    for parts in pool(large).results(orders):
        time.sleep(0.1)
        received.append(parts["order"])
    assert received == orders


# ---- the main process ----

KILLED = """
import os, signal, sys, time
import numpy as np
from ppdet.data.loading.workers import WorkerPool
def work(order, buffer, progress):
    return {"rest": np.zeros(1 << 20, np.float32)}
one, two = WorkerPool(work, 2, 100, str, 60.0), WorkerPool(work, 1, 100, str, 60.0)
results = one.results(range(100)), two.results(range(100))
for result in results:
    next(result)
print(*(process.pid for pool in (one, two) for process in pool.processes), flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_the_main_process(number: signal.Signals) -> None:
    """Those that wait for orders, and those that wait for room in their pipe."""
    main = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert main.stdout is not None
    pids = [int(pid) for pid in main.stdout.readline().split()]
    assert len(pids) == 3
    main.send_signal(number)
    main.wait(30)
    end = time.monotonic() + 30
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(alive, pids))


def test_a_stopped_worker_ends_with_the_main_process() -> None:
    """It runs no code of its own any more."""
    main = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert main.stdout is not None
    pids = [int(pid) for pid in main.stdout.readline().split()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    main.kill()
    main.wait(30)
    end = time.monotonic() + 30
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(alive, pids))


def test_workers_outlive_the_thread_that_started_them(pool: PoolFactory) -> None:
    made: list[WorkerPool] = []
    thread = threading.Thread(target=lambda: made.append(pool()))
    thread.start()
    thread.join()
    assert len(list(made[0].results(range(10)))) == 10


def heavy(order: int, buffer: np.ndarray, progress: np.ndarray) -> dict[str, Any]:
    """The work of a reader process, and more."""
    image = np.full((600, 600, 3), order, np.uint8)
    product = np.ones((300, 300)) @ np.ones((300, 300))
    return {"sum": float(cv2.resize(cv2.GaussianBlur(image, (9, 9), 2), (900, 900)).mean() + product[0, 0])}


def test_fork_after_every_thread_pool_was_used(pool: PoolFactory) -> None:
    """Numba's, OpenMP's, OpenBLAS's and OpenCV's threads do not survive a fork; waiting for one would be for ever."""
    numba = pytest.importorskip("numba")

    @numba.njit(parallel=True)
    def total(values: np.ndarray) -> float:
        result = 0.0
        for index in numba.prange(len(values)):
            result += values[index]
        return result

    before = cv2.getNumThreads()
    paddle.set_device("cpu")
    paddle.base.core.set_num_threads(2)
    cv2.setNumThreads(2)
    try:
        assert total(np.ones(1_000_000)) == 1_000_000
        paddle.matmul(paddle.ones([500, 500]), paddle.ones([500, 500])).numpy()
        np.ones((800, 800)) @ np.ones((800, 800))
        cv2.GaussianBlur(np.ones((2000, 2000, 3), np.uint8), (31, 31), 5)
        for first in (pool(heavy), pool(heavy)):  # two loaders at once
            sums = [parts["sum"] for parts in first.results(range(6))]
            assert sums == [300.0 + number for number in range(6)]
        assert total(np.ones(1_000_000)) == 1_000_000  # and the main process's own still work
    finally:
        cv2.setNumThreads(before)
        paddle.base.core.set_num_threads(1)


def test_two_pools_take_turns(pool: PoolFactory) -> None:
    results = [pool().results(range(10)), pool().results(range(10))]
    for number, (one, other) in enumerate(zip(*results, strict=True)):
        assert (one["memory"].view(np.float32) == number).all()
        assert (other["memory"].view(np.float32) == number).all()


def test_an_abandoned_epoch_leaves_nothing(pool: PoolFactory) -> None:
    ours = pool()
    kept = next(ours.results(range(20)))["memory"]
    ours.close()
    assert not any(process.is_alive() for process in ours.processes)
    assert not set(ours.processes) & set(multiprocessing.active_children())
    assert (kept == 0).all()
