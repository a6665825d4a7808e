"""Training: one visible loop around one step function."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import islice, takewhile
from statistics import fmean

import paddle
from paddle import nn
from paddle.utils import unique_name
from tqdm import tqdm

from ppdet.core.errors import Interrupted, UserError
from ppdet.data import Batch
from ppdet.modeling import PicoDet, Targets
from ppdet.modeling.heads.base import LossSums
from ppdet.modeling.losses import update_normalisers
from ppdet.runtime import distributed
from ppdet.runtime.device import peak_memory_mb
from ppdet.runtime.signals import StopRequest
from ppdet.training.checkpoint import Progress, save_checkpoint
from ppdet.training.checkpoint_folder import remove_older
from ppdet.training.meter import LossError, Meter, describe
from ppdet.training.setup import Trainer
from ppdet.training.static_graph import StaticNetwork

logger = logging.getLogger(__name__)


def train_step(
    model: PicoDet,
    forward: nn.Layer,
    batches: Sequence[Batch],
    epoch: int,
    optimizer: paddle.optimizer.Optimizer,
    scaler: paddle.amp.GradScaler,
    amp: str | None = None,
) -> dict[str, paddle.Tensor]:
    """One update of the weights, as from one batch that holds all `batches`; returns its losses, still on the device.

    forward: the model or its parallel wrap; amp: the type of mixed precision, None for float32; several batches only
    for a head with one divisor of its losses.
    The divisor of such a loss is known after the last batch, but gradients cannot wait for it. They are made with the
    first batch's divisor and multiplied by the right ratio at the end.
    """

    def sums(batch: Batch) -> LossSums:
        # sigmoid in float32: the ETA head's product of two would underflow, and the root's gradient there is NaN
        with paddle.amp.auto_cast(enable=amp is not None, dtype=amp or "float16", custom_black_list=["sigmoid"]):
            outputs = forward(batch.image)
        return model.loss_sums(outputs, Targets(batch.gt_class, batch.gt_bbox, batch.pad_gt_mask), epoch)

    parts, normalisers = [], 0.0
    for batch in batches:
        with nullcontext() if batch is batches[-1] else distributed.unsynchronised(forward):
            found = sums(batch)
            if not parts:
                divisor = update_normalisers(found.normalisers)
            parts.append(found.divided(divisor))
            scaler.scale(parts[-1]["loss"]).backward()
            normalisers = normalisers + found.normalisers
    losses = parts[0]
    if len(parts) > 1:
        ratio = (divisor / update_normalisers(normalisers))[0]
        losses = {name: sum(part[name].detach() for part in parts) * ratio for name in losses}
        with paddle.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.grad.multiply_(ratio)
    scaler.step(optimizer)
    scaler.update()
    optimizer.clear_grad()
    return losses


@distributed.together()
def fit(trainer: Trainer, progress: Progress) -> Progress:
    """Train from `progress` to the last epoch, with a checkpoint every `snapshot_epoch` epochs and at the end.

    On Ctrl-C or SIGTERM in any process all of them finish the same step, a checkpoint named `interrupted` is written,
    and Interrupted raised. A single process does not wait for data or for the end of an evaluation then.
    """
    settings = trainer.settings
    if progress.epoch >= settings.epoch:
        raise UserError(f"epoch: the checkpoint has all {settings.epoch} epochs; raise epoch to train on")
    trainer.begin()
    forward = distributed.parallel(StaticNetwork(trainer.model) if settings.to_static else trainer.model)
    distributed.watch()
    # optimizer slots get the same names in every process, and in every run of one process
    with StopRequest() as stop, unique_name.guard():
        for epoch in range(progress.epoch, settings.epoch):
            if trainer.ema and progress.step == 0:
                trainer.ema.start_epoch(epoch)
            progress = _train_epoch(trainer, forward, trainer.scaler, progress, stop)
            if not stop.made:
                is_last = epoch + 1 == settings.epoch
                if is_last or (epoch + 1) % settings.snapshot_epoch == 0:
                    progress = _snapshot(trainer, progress, "model_final" if is_last else str(epoch), stop)
            if not stop.made:
                progress = replace(progress, epoch=epoch + 1, step=0)
                if is_last:
                    break
                stop.agree()  # a signal during the evaluation has waited long enough
            if stop.made:
                _save(trainer, progress, "interrupted")
                break
    distributed.leave()
    if stop.made:
        logger.warning("interrupted; continue with -r %s", trainer.output_dir / "interrupted")
        raise Interrupted(stop.made)
    logger.info("trained %d epochs, peak memory %.0f MB; the results are in %s", progress.epoch,
                peak_memory_mb(trainer.device), trainer.output_dir)  # fmt: skip
    return progress


def _train_epoch(
    trainer: Trainer, forward: nn.Layer, scaler: paddle.amp.GradScaler, progress: Progress, stop: StopRequest
) -> Progress:
    """The rest of the epoch that `progress` stands in, or as much of it as comes before a stop request."""
    steps, log_iter, together = trainer.steps, trainer.settings.log_iter, trainer.settings.accumulate_steps
    trainer.model.train()
    meter = Meter()
    loaded = trainer.loader.epoch(progress.epoch, progress.step * together)
    # until one is not full, which is left out: asked to its end, the loader keeps its workers for the next epoch
    read = partial(stop.give_up_for, lambda: list(islice(loaded, together)), [])
    updates = takewhile(lambda batches: len(batches) == together, iter(read, None))
    bar = tqdm(updates, desc=f"epoch {progress.epoch + 1}", initial=progress.step, total=steps, unit="step",
               leave=False, disable=True if distributed.rank() else None)  # fmt: skip
    step_end = time.perf_counter()
    for batches in bar:
        data_seconds = time.perf_counter() - step_end
        lr = trainer.learning_rate.at(progress.updates, steps)
        trainer.optimizer.set_lr(lr)
        distributed.begin_update()
        losses = train_step(trainer.model, forward, batches, progress.epoch, trainer.optimizer, scaler, trainer.amp)
        if trainer.ema:
            trainer.ema.update()
        progress = replace(progress, step=progress.step + 1, updates=progress.updates + 1)
        meter.add(losses, paddle.concat([batch.im_id for batch in batches]), data_seconds)
        if progress.step % log_iter == 0 or progress.step == steps:
            _log(trainer, meter, progress, lr)
            meter = Meter()
        stop.ask(progress.updates)
        if stop.made:
            break
        step_end = time.perf_counter()
    if meter.losses:  # of an interval that a stop request cut short
        _log(trainer, meter, progress, lr)
    return progress


def _log(trainer: Trainer, meter: Meter, progress: Progress, lr: float) -> None:
    settings, steps = trainer.settings, trainer.steps
    measured, error = {}, None
    try:
        measured = meter.read(progress.updates, trainer.loader.file_name)
    except LossError as e:
        error = e
    distributed.raise_together(error, error.update if error else 0)
    numbers = {"epoch": progress.epoch + 1, "step": progress.step} | over_ranks(distributed.gather(measured))
    remaining = settings.epoch * steps - (progress.epoch * steps + progress.step)
    numbers |= {"lr": lr, "memory_mb": peak_memory_mb(trainer.device)}
    numbers["eta_seconds"] = remaining * numbers["step_seconds"]
    if distributed.rank() == 0:
        logger.info(describe(numbers, settings.epoch, steps))
        for callback in trainer.callbacks:
            callback.on_record("train", progress.updates, numbers)


def over_ranks(measured: Sequence[dict[str, float]]) -> dict[str, float]:
    """What the ranks' meters say together: the slowest one's times, all of their images, the mean of their losses."""
    combine = {"images_per_second": sum, "data_seconds": max, "step_seconds": max}
    columns = {name: [each[name] for each in measured] for name in measured[0]}
    return {name: combine.get(name, fmean)(values) for name, values in columns.items()}


def _snapshot(trainer: Trainer, progress: Progress, name: str, stop: StopRequest) -> Progress:
    """Evaluate at the end of an epoch, remember the best score, and write the checkpoint(s).

    A stop request can cut the evaluation short; the place is then that of an epoch not evaluated yet.
    """
    _check_finite(trainer.model)
    improved = False
    if trainer.evaluate:
        _save(trainer, progress, name)  # evaluating takes long: killed meanwhile, the run goes on from here
        model = evaluation_model(trainer)
        distributed.share(model)
        scores = stop.give_up_for(partial(trainer.evaluate, model), {})
        if stop.made:
            return progress
        score = scores[trainer.primary]
        improved = progress.best is None or score > progress.best
        progress = replace(progress, best=score if improved else progress.best)
        if distributed.rank() == 0:
            logger.info("epoch %d: %s %.4f, best %.4f", progress.epoch + 1, trainer.primary, score, progress.best)
            for callback in trainer.callbacks:
                callback.on_record("eval", progress.updates, {"epoch": progress.epoch + 1, **scores})
    after = replace(progress, epoch=progress.epoch + 1, step=0)
    if improved and trainer.settings.keep_best_weight:
        _save(trainer, after, "best_model")  # first: a checkpoint whose best score is known only once it is kept
    _save(trainer, after, name)
    return progress


def _check_finite(model: PicoDet) -> None:
    """A last update can break the weights without any loss showing it; such weights must not replace good ones."""
    broken = next((name for name, value in model.state_dict().items() if not bool(value.isfinite().all())), None)
    fault = f"{broken}: became NaN or infinite; lower LearningRate.base_lr; the last checkpoint is kept"
    distributed.raise_together(UserError(fault) if broken else None)


def evaluation_model(trainer: Trainer) -> PicoDet:
    """The model to evaluate: a copy with the averaged weights where EMA is on, so that training is not disturbed."""
    if not trainer.ema:
        return trainer.model
    model = copy.deepcopy(trainer.model)
    model.set_state_dict(trainer.ema.averaged())
    return model


def _save(trainer: Trainer, progress: Progress, name: str) -> None:
    """Write a checkpoint on rank 0, while the others wait; `progress`: where to go on from it."""
    keep, error = trainer.settings.keep_last, None
    if distributed.rank() == 0:
        try:
            save_checkpoint(trainer.output_dir / name, trainer.model, trainer.optimizer, trainer.ema, progress,
                            trainer.scaler, trainer.categories)  # fmt: skip
            if keep and name.isdecimal():
                remove_older(trainer.output_dir, keep, newest=int(name))
        except UserError as e:
            error = e
    distributed.raise_together(error)
