"""Thin wrappers around paddle.distributed, so that callers read the same for one rank and for many.

A function is called a collective if every rank has to call it: each one waits for the others.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import paddle
import paddle.distributed as dist
from paddle import nn

from ppdet.core.errors import UserError, out_of_memory
from ppdet.runtime.device import launched_backend
from ppdet.runtime.watchdog import Watch

# Largest all-reduces of gradients in MB: the last one of an update, which begins after the backward pass and is not
# hidden by it, and the others. The published models (S: 4.5 MB, L: 22 MB) make two: all gradients but 0.3 MB are
# complete after three quarters of the backward pass, since the first layers have few weights and much work.
_LAST_BUCKET_MB, _BUCKET_MB = 0.25, 25

_LENGTH_BYTES, _FIRST_BYTES = 8, 256  # of an object that is exchanged: most need no second exchange

_watch: Watch | None = None  # set by `init`; one per process, like the rank


class SharedError(UserError):
    """An error that every rank raises."""


def rank() -> int:
    """Returns the number of this process; 0 if it is the only one."""
    return int(dist.get_rank())


def world_size() -> int:
    """Returns the number of processes."""
    return int(dist.get_world_size())


def init() -> None:
    """Join the other processes if `python3 -m paddle.distributed.launch` started this one."""
    global _watch
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1 and not dist.is_initialized():
        os.environ["PADDLE_DISTRI_BACKEND"] = launched_backend()
        dist.init_parallel_env()
        address = os.environ.get("PADDLE_MASTER") or os.environ["PADDLE_TRAINER_ENDPOINTS"].split(",")[0]
        host, _, port = address.rpartition(":")
        _watch = Watch(host, int(port), rank(), world_size())


def watch() -> None:
    """Begin to watch all ranks: one that dies, stops or hangs from now on ends the job and is named. A collective.

    Watching begins after the data is read, because a process that parses a large annotation file sends no heartbeat.
    """
    all_gather_object(None)
    if _watch:
        _watch.begin()


@contextmanager
def together() -> Iterator[None]:
    """Context in which a UserError on one rank ends all ranks, with the same line and status 2."""
    try:
        yield
    except Exception as error:
        fault = error if isinstance(error, UserError) else out_of_memory(error)
        if fault and _watch:
            _watch.end_with_error(None if isinstance(error, SharedError) else f"{fault} (rank {rank()})")
        raise


def begin_update() -> None:
    """Tell the watchdog that this rank begins its next update. Call it before each update."""
    if _watch:
        _watch.timer.begun += 1


def detach() -> None:
    """Tell the watchdog that this rank takes part in no more collectives, so nobody has to wait for it."""
    if _watch:
        _watch.detach()


def parallel(model: nn.Layer) -> nn.Layer:
    """Returns a layer whose `forward` averages gradients over ranks, or the model itself on a single process.

    All ranks get rank 0's weights.
    """
    if world_size() == 1:
        return model
    return paddle.DataParallel(model, last_comm_buffer_size=_LAST_BUCKET_MB, comm_buffer_size=_BUCKET_MB)


def no_sync(forward: nn.Layer) -> AbstractContextManager[None]:
    """Context in which gradients of `forward`, a result of `parallel`, add up on each rank without being averaged."""
    return forward.no_sync() if isinstance(forward, paddle.DataParallel) else nullcontext()


@paddle.no_grad()
def broadcast_state(model: nn.Layer) -> None:
    """Copy rank 0's weights and norm statistics to all ranks: the statistics differ without synchronized norms."""
    if world_size() > 1:
        for value in model.state_dict().values():
            dist.broadcast(value, src=0)


def begin_all_reduce_sum(values: paddle.Tensor) -> Callable[[], paddle.Tensor]:
    """Begins to add up `values` over all ranks, and returns a function that returns the sum. A collective.

    A device computes other things until the sum is asked for, and only the device waits for it then. Between CPUs the
    sum is complete when this returns. `values` do not change.
    """
    if world_size() == 1:
        return lambda: values
    total = values.clone()
    task = dist.all_reduce(total, sync_op=False)

    def end() -> paddle.Tensor:
        task.wait()
        return total

    return end


def barrier() -> None:
    """Wait for every rank. A collective."""
    if world_size() > 1:
        dist.barrier()


def all_gather_object(value: Any) -> list[Any]:
    """Returns the `value` (anything that pickles) of every rank, in rank order. A collective."""
    if world_size() == 1:
        return [value]
    content = pickle.dumps(value)
    message = len(content).to_bytes(_LENGTH_BYTES, "little") + content
    rows = _all_gather_bytes(message, _FIRST_BYTES)
    longest = _LENGTH_BYTES + max(int.from_bytes(row[:_LENGTH_BYTES], "little") for row in rows)
    if longest > _FIRST_BYTES:
        rows = _all_gather_bytes(message, longest)
    return [pickle.loads(row[_LENGTH_BYTES:]) for row in rows]


def gather_rows(rows: np.ndarray) -> list[np.ndarray]:
    """Returns the `rows` [n, ...] float32 or int64 of every rank, in rank order; n may differ. A collective."""
    if world_size() == 1:
        return [rows]
    lengths = all_gather_object(len(rows))
    padded = np.zeros((max(*lengths, 1), *rows.shape[1:]), rows.dtype)  # a collective takes equal shapes
    padded[: len(rows)] = rows
    return [part[:length] for part, length in zip(_all_gather(padded), lengths, strict=True)]


def _all_gather_bytes(message: bytes, size: int) -> list[bytes]:
    """Returns the first `size` bytes of every rank's message; a shorter one ends in zeros. A collective."""
    row = np.frombuffer(message[:size].ljust(size, b"\0"), np.uint8)
    return [part.tobytes() for part in _all_gather(row)]


def _all_gather(array: np.ndarray) -> np.ndarray:
    """Returns the arrays of all ranks along a new first axis; their shapes are equal. A collective.

    Takes one copy to the device and one back; Paddle's functions for lists copy for each rank.
    """
    gathered = paddle.empty([world_size() * len(array), *array.shape[1:]], array.dtype.name)
    dist.stream.all_gather(gathered, paddle.to_tensor(array))
    rows: np.ndarray = gathered.numpy().reshape(world_size(), *array.shape)
    return rows


def raise_on_all_ranks(error: UserError | None, update: int = 0) -> None:
    """Raise the error of any rank on every rank, see `all_gather_or_raise`. A collective."""
    all_gather_or_raise(None, error, update)


def all_gather_or_raise(value: Any, error: UserError | None, update: int = 0) -> list[Any]:
    """Returns the `value` of every rank, or raises an error that a rank has on every rank. A collective.

    Args:
        value: anything that pickles.
        error: the error of this rank, if there is one. It is raised with the number of its rank.
        update: the update in which it happened. Only the earliest error is raised: later ones follow from it.
    """
    if world_size() == 1:
        if error:
            raise error
        return [value]
    reports = all_gather_object((update, error and str(error), value))
    errors = [(when, at, text) for at, (when, text, _) in enumerate(reports) if text]
    if errors:
        _, at, text = min(errors)
        raise SharedError(f"{text} (rank {at})") from error
    return [each for _, _, each in reports]
