"""Ranks: thin wrappers around paddle.distributed, so that the engine reads the same for one rank and for many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import paddle
import paddle.distributed as dist
from paddle import nn

from ppdet.core.errors import UserError, out_of_memory
from ppdet.runtime.device import launched_backend
from ppdet.runtime.watchdog import Watch

_watch: Watch | None = None  # from `init` on; one per process, as the rank itself


class SharedError(UserError):
    """An error that every rank raises."""


def rank() -> int:
    """This process's number, 0 on a single process."""
    return dist.get_rank()


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size()


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
    """From here on a rank that is gone, stopped or stuck ends the job and is named; a collective.

    Not earlier: while a process parses a large annotation file it can give no sign of life.
    """
    gather(None)
    if _watch:
        _watch.begin()


@contextmanager
def together() -> Iterator[None]:
    """An error of the user's that one rank raises inside ends all of them, with the same line and status 2."""
    try:
        yield
    except Exception as error:
        fault = error if isinstance(error, UserError) else out_of_memory(error)
        if fault and _watch:
            _watch.end_with_error(None if isinstance(error, SharedError) else f"{fault} (rank {rank()})")
        raise


def begin_update() -> None:
    """Let the watch know that this rank is about to do its next update. To be called before each."""
    if _watch:
        _watch.lag.begun += 1


def leave() -> None:
    """Take no more part in collectives: whatever the others still do, they do not wait for this process."""
    if _watch:
        _watch.leave()


def parallel(model: nn.Layer) -> nn.Layer:
    """The model whose `forward` averages gradients over ranks; the model itself on a single process.

    The first weights of rank 0 are sent to all.
    """
    return paddle.DataParallel(model) if world_size() > 1 else model


def unsynchronised(forward: nn.Layer) -> AbstractContextManager[None]:
    """While entered, gradients of `forward` (as from `parallel`) only add up on each rank."""
    return forward.no_sync() if isinstance(forward, paddle.DataParallel) else nullcontext()


@paddle.no_grad()
def share(model: nn.Layer) -> None:
    """Rank 0's weights and norm statistics on every rank: the statistics differ where they are not synchronised."""
    if world_size() > 1:
        for value in model.state_dict().values():
            dist.broadcast(value, src=0)


def all_reduce_sum(values: paddle.Tensor) -> paddle.Tensor:
    """Sum of `values` over all ranks, on every rank; a collective. `values` itself is not changed."""
    if world_size() > 1:
        values = values.clone()
        dist.all_reduce(values)
    return values


def barrier() -> None:
    """Wait for every rank."""
    if world_size() > 1:
        dist.barrier()


def gather(value: Any) -> list[Any]:
    """`value` (anything that pickles) of every rank, in rank order, on every rank."""
    if world_size() == 1:
        return [value]
    gathered: list[Any] = []
    dist.all_gather_object(gathered, value)
    return gathered


def gather_rows(rows: np.ndarray) -> list[np.ndarray]:
    """`rows` [n, ...] float32 or int64 of every rank, n differing, in rank order, on every rank."""
    if world_size() == 1:
        return [rows]
    lengths = gather(len(rows))
    padded = np.zeros((max(*lengths, 1), *rows.shape[1:]), rows.dtype)  # a collective takes equal shapes
    padded[: len(rows)] = rows
    gathered: list[paddle.Tensor] = []
    dist.all_gather(gathered, paddle.to_tensor(padded))
    return [part.numpy()[:length] for part, length in zip(gathered, lengths, strict=True)]


def raise_together(error: UserError | None, update: int = 0) -> None:
    """Where some rank has an error, raise it on every rank and name the rank; a collective.

    update  when it happened: the earliest error is raised, what came of it on other ranks is not
    """
    if world_size() == 1:
        if error:
            raise error
        return
    errors = [(when, at, text) for at, (when, text) in enumerate(gather((update, error and str(error)))) if text]
    if errors:
        _, at, text = min(errors)
        raise SharedError(f"{text} (rank {at})") from error
