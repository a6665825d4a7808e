"""Thin wrappers around paddle.distributed, so that callers read the same for one rank and for many.

A function is called a collective if every rank has to call it: each one waits for the others.
"""

from __future__ import annotations

import os
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
    return paddle.DataParallel(model) if world_size() > 1 else model


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
    gathered: list[Any] = []
    dist.all_gather_object(gathered, value)
    return gathered


def gather_rows(rows: np.ndarray) -> list[np.ndarray]:
    """Returns the `rows` [n, ...] float32 or int64 of every rank, in rank order; n may differ. A collective."""
    if world_size() == 1:
        return [rows]
    lengths = all_gather_object(len(rows))
    padded = np.zeros((max(*lengths, 1), *rows.shape[1:]), rows.dtype)  # a collective takes equal shapes
    padded[: len(rows)] = rows
    gathered: list[paddle.Tensor] = []
    dist.all_gather(gathered, paddle.to_tensor(padded))
    return [part.numpy()[:length] for part, length in zip(gathered, lengths, strict=True)]


def raise_on_all_ranks(error: UserError | None, update: int = 0) -> None:
    """Raise the error of any rank on every rank, with the number of its rank. A collective.

    Args:
        error: the error of this rank, if there is one.
        update: the update in which it happened. Only the earliest error is raised: later ones follow from it.
    """
    if world_size() == 1:
        if error:
            raise error
        return
    reports = enumerate(all_gather_object((update, error and str(error))))
    errors = [(when, at, text) for at, (when, text) in reports if text]
    if errors:
        _, at, text = min(errors)
        raise SharedError(f"{text} (rank {at})") from error
