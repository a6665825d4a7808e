"""One update of the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import paddle
from paddle import nn

from ppdet.data import Batch
from ppdet.modeling.criterion import AnyCriterion, Divisor
from ppdet.runtime import distributed

Reduce = Callable[[paddle.Tensor], Divisor]
Losses = dict[str, paddle.Tensor]  # `loss_vfl`, `loss_bbox`, `loss_dfl` and their sum `loss`: scalars on the device


def train_step(
    model: nn.Layer,
    criterion: AnyCriterion,
    batch: Batch,
    epoch: int,
    optimizer: paddle.optimizer.Optimizer,
    scaler: paddle.amp.GradScaler,
    amp_dtype: str | None = None,
    reduce: Reduce | None = None,
) -> Losses:
    """Updates the weights from one batch, without waiting for the device.

    Args:
        amp_dtype: type of mixed precision; None: float32.
        reduce: makes the divisor of the losses, see `AnyCriterion`; None: `begin_divisor`.
    """
    with autocast(amp_dtype):
        outputs = model(batch.image)
    losses = criterion(outputs, batch.targets, epoch, reduce or begin_divisor)
    scaler.scale(losses["loss"]).backward()
    scaler.step(optimizer)
    scaler.update()
    optimizer.clear_grad(set_to_zero=False)
    return losses


def accumulated_train_step(
    model: nn.Layer,
    criterion: AnyCriterion,
    batches: Sequence[Batch],
    epoch: int,
    optimizer: paddle.optimizer.Optimizer,
    scaler: paddle.amp.GradScaler,
    amp_dtype: str | None = None,
) -> Losses:
    """Updates the weights as from one batch that holds all `batches`; `criterion` must have one divisor.

    The divisor is known after the last batch, but gradients cannot wait for it. They are made with the first batch's
    divisor and multiplied by the right ratio at the end.
    """
    parts: list[Losses] = []
    avg_factor = 0.0
    for batch in batches:
        with distributed.no_sync(model) if batch is not batches[-1] else nullcontext():
            with autocast(amp_dtype):
                outputs = model(batch.image)
            matched = criterion.match(outputs, batch.targets, epoch)
            avg_factor = avg_factor + matched.avg_factor
            if batch is batches[0]:
                first = begin_divisor(avg_factor)
            if batch is batches[-1]:
                whole = begin_divisor(avg_factor)
            losses = criterion.sums(matched).normalize(first())
            scaler.scale(losses["loss"]).backward()
        parts.append({name: loss.detach() for name, loss in losses.items()})
    ratio = (first() / whole())[0]
    with paddle.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad.multiply_(ratio)
    scaler.step(optimizer)
    scaler.update()
    optimizer.clear_grad(set_to_zero=False)
    return {name: sum(part[name] for part in parts) * ratio for name in parts[0]}


def autocast(dtype: str | None) -> AbstractContextManager[None]:
    """Mixed precision in `dtype`, None: float32.

    The sigmoid stays float32: the ETA head's product of two would underflow, and the root's gradient there is NaN.
    """
    options = {"enable": dtype is not None, "dtype": dtype or "float16", "custom_black_list": ["sigmoid"]}
    context: AbstractContextManager[None] = paddle.amp.auto_cast(**options)
    return context


def begin_divisor(avg_factor: paddle.Tensor) -> Divisor:
    """Begins to make the divisor of an update from the sums `avg_factor` [2] of each rank, in one collective.

    They belong to the images of all ranks, are at least 1 for those together, and are divided by the number of ranks,
    as the gradients are: the update does not depend on how its images are spread.
    """
    total = distributed.begin_all_reduce_sum(avg_factor)
    return cache(lambda: total().clip(min=1) / distributed.world_size())
