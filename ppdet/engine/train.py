"""Training: one visible loop around one step function."""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import replace

import paddle
from paddle import nn
from paddle.utils import unique_name
from tqdm import tqdm

from ppdet.core.errors import UserError
from ppdet.data import Batch
from ppdet.engine import distributed
from ppdet.engine.checkpoint import Progress, save_checkpoint
from ppdet.engine.device import peak_memory_mb
from ppdet.engine.interrupt import StopRequest
from ppdet.engine.progress import Meter, describe
from ppdet.engine.static import StaticNetwork
from ppdet.engine.trainer import Trainer
from ppdet.modeling import PicoDet, Targets

logger = logging.getLogger(__name__)


def train_step(
    model: PicoDet,
    forward: nn.Layer,
    batch: Batch,
    epoch: int,
    optimizer: paddle.optimizer.Optimizer,
    scaler: paddle.amp.GradScaler,
) -> dict[str, paddle.Tensor]:
    """One update of the weights; returns the losses, still on the device. `forward`: the model or its parallel wrap."""
    # sigmoid in float32: the ETA head's product of two would underflow, and the root's gradient there is NaN
    with paddle.amp.auto_cast(enable=scaler.is_enable(), custom_black_list=["sigmoid"]):
        outputs = forward(batch.image)
    targets = Targets(batch.gt_class, batch.gt_bbox, batch.pad_gt_mask)
    losses = model.loss(outputs, targets, epoch)
    scaler.scale(losses["loss"]).backward()
    scaler.step(optimizer)
    scaler.update()
    optimizer.clear_grad()
    return losses


def fit(trainer: Trainer, progress: Progress) -> Progress:
    """Train from `progress` to the last epoch, with a checkpoint every `snapshot_epoch` epochs and at the end.

    On Ctrl-C the step in hand is finished, a checkpoint named `interrupted` written, and KeyboardInterrupt raised.
    """
    settings = trainer.settings
    if progress.epoch >= settings.epoch:
        raise UserError(f"epoch: the checkpoint has all {settings.epoch} epochs; raise epoch to train on")
    forward = distributed.parallel(StaticNetwork(trainer.model) if settings.to_static else trainer.model)
    scaler = paddle.amp.GradScaler(enable=trainer.amp, init_loss_scaling=1024)
    # optimizer slots get the same names in every process, and in every run of one process
    with StopRequest() as stop, unique_name.guard():
        for epoch in range(progress.epoch, settings.epoch):
            if trainer.ema and progress.step == 0:
                trainer.ema.start_epoch(epoch)
            progress = _train_epoch(trainer, forward, scaler, progress, stop)
            if stop.made:
                break
            progress = replace(progress, epoch=epoch + 1, step=0)
            is_last = progress.epoch == settings.epoch
            if is_last or progress.epoch % settings.snapshot_epoch == 0:
                progress = _snapshot(trainer, progress, "model_final" if is_last else str(epoch))
    if stop.made and progress.epoch < settings.epoch:
        _save(trainer, progress, "interrupted")
        logger.warning("interrupted; continue with -r %s", trainer.output_dir / "interrupted")
        raise KeyboardInterrupt
    logger.info("trained %d epochs, peak memory %.0f MB; the results are in %s", progress.epoch,
                peak_memory_mb(trainer.device), trainer.output_dir)  # fmt: skip
    return progress


def _train_epoch(
    trainer: Trainer, forward: nn.Layer, scaler: paddle.amp.GradScaler, progress: Progress, stop: StopRequest
) -> Progress:
    """The rest of the epoch that `progress` stands in, or as much of it as comes before a stop request."""
    steps, log_iter = len(trainer.loader), trainer.settings.log_iter
    trainer.model.train()
    meter = Meter()
    batches = trainer.loader.epoch(progress.epoch, progress.step)
    bar = tqdm(batches, desc=f"epoch {progress.epoch + 1}", initial=progress.step, total=steps, unit="step",
               leave=False, disable=True if distributed.rank() else None)  # fmt: skip
    step_end = time.perf_counter()
    for batch in bar:
        data_seconds = time.perf_counter() - step_end
        lr = trainer.learning_rate.at(progress.updates, steps)
        trainer.optimizer.set_lr(lr)
        losses = train_step(trainer.model, forward, batch, progress.epoch, trainer.optimizer, scaler)
        if trainer.ema:
            trainer.ema.update()
        progress = replace(progress, step=progress.step + 1, updates=progress.updates + 1)
        meter.add(losses, batch.im_id, data_seconds)
        if progress.step % log_iter == 0 or progress.step == steps or stop.made:
            _log(trainer, meter, progress, lr)
            meter = Meter()
        if stop.made:
            break
        step_end = time.perf_counter()
    return progress


def _log(trainer: Trainer, meter: Meter, progress: Progress, lr: float) -> None:
    settings, steps = trainer.settings, len(trainer.loader)
    numbers = {"epoch": progress.epoch + 1, "step": progress.step} | meter.read(progress.updates)
    remaining = settings.epoch * steps - (progress.epoch * steps + progress.step)
    numbers |= {"lr": lr, "memory_mb": peak_memory_mb(trainer.device)}
    numbers["images_per_second"] *= distributed.world_size()
    numbers["eta_seconds"] = remaining * numbers["step_seconds"]
    if distributed.rank() == 0:
        logger.info(describe(numbers, settings.epoch, steps))
        for callback in trainer.callbacks:
            callback.on_record("train", progress.updates, numbers)


def _snapshot(trainer: Trainer, progress: Progress, name: str) -> Progress:
    """Evaluate, remember the best score, and write the checkpoint(s)."""
    _check_finite(trainer.model)
    improved = False
    if trainer.evaluate:
        model = evaluation_model(trainer)
        distributed.share(model)
        scores = trainer.evaluate(model)
        score = scores[trainer.primary]
        improved = progress.best is None or score > progress.best
        progress = replace(progress, best=score if improved else progress.best)
        if distributed.rank() == 0:
            logger.info("epoch %d: %s %.4f, best %.4f", progress.epoch, trainer.primary, score, progress.best)
            for callback in trainer.callbacks:
                callback.on_record("eval", progress.updates, {"epoch": progress.epoch, **scores})
    _save(trainer, progress, name)
    if improved and trainer.settings.keep_best_weight:
        _save(trainer, progress, "best_model")
    return progress


def _check_finite(model: PicoDet) -> None:
    """A last update can break the weights without any loss showing it; such weights must not replace good ones."""
    for name, value in model.state_dict().items():
        if not bool(value.isfinite().all()):
            raise UserError(f"{name}: became NaN or infinite; lower LearningRate.base_lr; the last checkpoint is kept")


def evaluation_model(trainer: Trainer) -> PicoDet:
    """The model to evaluate: a copy with the averaged weights where EMA is on, so that training is not disturbed."""
    if not trainer.ema:
        return trainer.model
    model = copy.deepcopy(trainer.model)
    model.set_state_dict(trainer.ema.averaged())
    return model


def _save(trainer: Trainer, progress: Progress, name: str) -> None:
    if distributed.rank() == 0:
        save_checkpoint(trainer.output_dir / name, trainer.model, trainer.optimizer, trainer.ema, progress)
    distributed.barrier()
