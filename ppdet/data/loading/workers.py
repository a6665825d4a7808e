"""Worker processes that build batches in memory shared with the main process.

Paddle's DataLoader copies each batch into new shared memory and sleeps half a second between epochs; two of its workers
are hardly faster than none. Here the buffers exist before the workers are forked and are lent again and again:
collation writes a batch's images straight into one, and the small arrays travel through a pipe.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import multiprocessing
import os
import signal
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from queue import SimpleQueue
from typing import Any

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.utils.waiting import wait_for

PREFETCH = 2  # batches that each worker has to build
SPARE_BUFFERS = 3  # extra buffers, so that the consumer may hold 3 batches without a copy
_PR_SET_PDEATHSIG = 1
_HEARTBEAT = 2.0  # seconds between a worker's checks that the main process is alive
_IGNORED = {signal.SIGINT, signal.SIGTERM}

Parts = dict[str, Any]
Work = Callable[[Any, np.ndarray, np.ndarray], Parts]
NO_IMAGE = -1  # in `progress`: no image is being read


class Buffers:
    """`count` equal pieces of shared memory. A piece is free until it is lent, and again once nothing uses it."""

    def __init__(self, count: int, size: int) -> None:
        try:
            self.memory = [mmap.mmap(-1, max(size, 1)) for _ in range(count)]  # takes memory once written to
        except OSError as error:
            raise UserError(
                f"batch_size: no memory for the reader's buffers, {count} of {size >> 20} MB ({error.strerror}); "
                "lower it, or worker_num"
            ) from None
        self.free = deque(range(count))

    def lend(self, number: int) -> np.ndarray:
        """The piece as an array [bytes] uint8. It is free again once this array and all views of it are gone."""
        memory = self.memory[number]
        loan = (ctypes.c_char * len(memory)).from_buffer(memory)
        weakref.finalize(loan, self.free.append, number).atexit = False
        return np.frombuffer(memoryview(loan), np.uint8)


class WorkerPool:
    """Forked processes that call `work(order, buffer, progress)`. Orders and results are pickled.

    If the result's "memory" [bytes] uint8 is the beginning of the buffer, only its length is sent.
    """

    def __init__(
        self, work: Work, worker_num: int, buffer_bytes: int, name: Callable[[Any, np.ndarray], str], limit: float
    ) -> None:
        """Starts the processes.

        Args:
            work: gets an order, a buffer [bytes] uint8 and `progress`, [1] int64, which it writes to.
            worker_num: processes.
            buffer_bytes: size of each buffer.
            name: returns what a worker reads, for messages, from its order and its progress.
            limit: seconds that a worker may take for an order.
        """
        if not hasattr(os, "fork"):
            raise UserError(f"worker_num: found {worker_num}; reader processes need Linux or macOS; set it to 0")
        self._buffers = Buffers(worker_num * PREFETCH + SPARE_BUFFERS, buffer_bytes)
        self._progress = np.frombuffer(mmap.mmap(-1, 8 * worker_num), np.int64)
        self._progress[:] = NO_IMAGE
        self._name, self._limit = name, limit
        # Linux ends children with the thread that forked them. The main thread lives as long as its process.
        parent = os.getpid() if threading.current_thread() is threading.main_thread() else None
        self._connections: list[Connection] = []
        self.processes: list[Any] = []
        # At exit Python waits for daemons to end on SIGTERM, which these ignore.
        Finalize(self, _kill, (self.processes,), exitpriority=0)
        # Signals are blocked meanwhile: they would end workers that do not ignore them yet.
        signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
        try:
            for number in range(worker_num):
                self._start(work, self._progress[number : number + 1], parent)
        except OSError as error:
            self.close()
            raise UserError(f"worker_num: no process could be started ({error.strerror}); lower it") from None
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _IGNORED)

    def _start(self, work: Work, progress: np.ndarray, parent: int | None) -> None:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        self._connections.append(ours)
        args = (work, theirs, self._buffers.memory, progress, [*self._connections], parent)
        process = context.Process(target=_serve, args=args, daemon=True)
        process.start()
        theirs.close()  # so that the pipe closes with the worker
        self.processes.append(process)

    def results(self, orders: Iterable[Any]) -> Iterator[Parts]:
        """The results of the orders, in the same order. A result that is kept is not overwritten.

        The first orders are sent at once. Exhaust the iterator, or call `close`.

        Raises:
            UserError: a worker died or takes too long.
        """
        remaining = iter(orders)
        idle = deque(list(range(len(self.processes))) * PREFETCH)
        busy: deque[tuple[int, int, Any]] = deque()

        def send() -> None:
            """Sends orders until none is left or all workers have enough."""
            while idle and (order := next(remaining, None)) is not None:
                busy.append((idle.popleft(), self._buffers.free.pop(), order))
                self._send(*busy[-1])

        def receive() -> Iterator[Parts]:
            while busy:
                worker, number, order = busy.popleft()
                parts = self._receive(worker, order)
                idle.append(worker)
                memory = self._buffers.lend(number)
                if isinstance(parts.get("memory"), int):
                    memory = memory[: parts["memory"]]
                    lent = len(self._buffers.memory) - len(self._buffers.free) - len(busy)
                    # a copy keeps buffers for the workers
                    parts["memory"] = memory if lent <= SPARE_BUFFERS else memory.copy()
                del memory
                send()
                yield parts

        send()
        return receive()

    def kill(self) -> None:
        """End the processes, and thereby a call that waits for them on another thread."""
        _kill(self.processes)

    def close(self) -> None:
        self.kill()
        for connection in self._connections:
            connection.close()

    def _send(self, worker: int, number: int, order: Any) -> None:
        try:
            self._connections[worker].send((order, number))
        except OSError:
            raise self._died(worker) from None

    def _receive(self, worker: int, order: Any) -> Parts:
        connection = self._connections[worker]
        try:
            wait_for(connection.poll, lambda: self._name(order, self._progress[worker : worker + 1]), self._limit)
            parts: Parts = connection.recv()
        except (EOFError, OSError):
            raise self._died(worker) from None
        return parts

    def _died(self, worker: int) -> UserError:
        process = self.processes[worker]
        process.join(_HEARTBEAT)  # it has closed its pipe and is about to end
        code = process.exitcode
        how = "its pipe is broken" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"
        return UserError(
            f"worker_num: a reader process died ({how}); if memory ran out (signal 9) lower worker_num or batch_size"
        )


def _kill(processes: Iterable[Any]) -> None:
    for process in processes:
        process.kill()  # it holds nothing that needs cleaning up
    for process in processes:
        process.join(_HEARTBEAT)  # a process that waits for a dead file system may not end


def _serve(
    work: Work,
    connection: Connection,
    memory: list[mmap.mmap],
    progress: np.ndarray,
    inherited: list[Connection],
    parent: int | None,
) -> None:
    """The main function of a worker.

    Args:
        work: see WorkerPool.
        connection: this worker's end of its pipe.
        memory: the buffers.
        progress: [1] int64, passed to `work`.
        inherited: the main process's ends of the pipes, which are open here because of the fork.
        parent: the process to end with, even if this one is stopped; None: `_listen` alone ends this process.
    """
    if parent is not None:
        _end_with(parent)
    for each in _IGNORED:  # the main process handles them; terminals and launchers send them to all processes
        signal.signal(each, signal.SIG_IGN)
    for end in inherited:
        end.close()  # so that writing fails once the main process has ended
    gc.freeze()  # garbage collection of the inherited objects would copy all of their pages
    cv2.setNumThreads(0)  # one thread per worker: the workers are the parallelism
    buffers = [np.frombuffer(piece, np.uint8) for piece in memory]
    orders: SimpleQueue[tuple[Any, int]] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, os.getppid(), orders), daemon=True).start()
    while True:
        order, number = orders.get()
        parts = work(order, buffers[number], progress)
        progress[0] = NO_IMAGE
        if "memory" in parts and np.may_share_memory(parts["memory"], buffers[number]):
            parts["memory"] = len(parts["memory"])
        connection.send(parts)


def _end_with(parent: int) -> None:
    """Asks the kernel to kill this process when its parent ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended before the request
        os._exit(0)


def _listen(connection: Connection, main: int, orders: SimpleQueue[tuple[Any, int]]) -> None:
    """Reads orders from the pipe even while a result waits for space in it; ends the worker with the main process.

    Without it both processes could wait for the other to read if orders and results are large. A closed pipe is not
    enough to notice that the main process was killed: workers of other loaders may hold it open.
    """
    try:
        while os.getppid() == main:
            if connection.poll(_HEARTBEAT):
                orders.put(connection.recv())
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)
