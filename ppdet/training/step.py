"""One update of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import paddle
from paddle import nn

from ppdet.data import Batch
from ppdet.modeling.criterion import Criterion
from ppdet.runtime import distributed

Losses = dict[str, paddle.Tensor]  # `loss_vfl`, `loss_bbox`, `loss_dfl` and their sum `loss`: scalars on the device


def train_step(
    model: nn.Layer,
    criterion: Criterion,
    batch: Batch,
    epoch: int,
    optimizer: paddle.optimizer.Optimizer,
    scaler: paddle.amp.GradScaler,
    amp_dtype: str | None = None,
) -> Losses:
    """Updates the weights from one batch, without waiting for the device. `amp_dtype` None: float32."""
    with autocast(amp_dtype):
        outputs = model(batch.image)
    losses = criterion(outputs, batch.targets, epoch, all_reduce_avg_factor)
    scaler.scale(losses["loss"]).backward()
    scaler.step(optimizer)
    scaler.update()
    optimizer.clear_grad(set_to_zero=False)
    return losses


def accumulated_train_step(
    model: nn.Layer,
    criterion: Criterion,
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
    divisor, avg_factor = None, 0.0
    for batch in batches:
        with distributed.no_sync(model) if batch is not batches[-1] else nullcontext():
            with autocast(amp_dtype):
                outputs = model(batch.image)
            sums = criterion.sums(outputs, batch.targets, epoch)
            if divisor is None:
                divisor = all_reduce_avg_factor(sums.avg_factor)
            losses = sums.normalize(divisor)
            scaler.scale(losses["loss"]).backward()
        parts.append({name: loss.detach() for name, loss in losses.items()})
        avg_factor = avg_factor + sums.avg_factor
    ratio = (divisor / all_reduce_avg_factor(avg_factor))[0]
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


def all_reduce_avg_factor(avg_factor: paddle.Tensor) -> paddle.Tensor:
    """Divisors of an update, from the sums `avg_factor` of each rank, in one collective; float32 of the same shape.

    They belong to the images of all ranks, are at least 1 for those together, and are divided by the number of ranks,
    as the gradients are: the update does not depend on how its images are spread.
    """
    return distributed.all_reduce_sum(avg_factor).clip(min=1) / distributed.world_size()
