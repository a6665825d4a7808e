"""Ranks: thin wrappers around paddle.distributed, so that the engine reads the same for one rank and for many."""

from __future__ import annotations

import os
from typing import Any

import paddle
import paddle.distributed as dist
from paddle import nn


def rank() -> int:
    """This process's number, 0 on a single process."""
    return dist.get_rank()


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size()


def init() -> None:
    """Join the other processes if `python3 -m paddle.distributed.launch` started this one."""
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1 and not dist.is_initialized():
        dist.init_parallel_env()


def parallel(model: nn.Layer) -> nn.Layer:
    """The model whose `forward` averages gradients over ranks; the model itself on a single process.

    The first weights of rank 0 are sent to all.
    """
    return paddle.DataParallel(model) if world_size() > 1 else model


@paddle.no_grad()
def share(model: nn.Layer) -> None:
    """Rank 0's weights and norm statistics on every rank: the statistics differ where they are not synchronised."""
    if world_size() > 1:
        for value in model.state_dict().values():
            dist.broadcast(value, src=0)


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
