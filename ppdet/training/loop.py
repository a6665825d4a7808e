"""The training loop: epochs of updates, log lines, evaluations and checkpoints."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from statistics import fmean

import numpy as np
import paddle
from paddle import nn
from paddle.utils import unique_name
from tqdm import tqdm

from ppdet.core.errors import UserError
from ppdet.data import Batch
from ppdet.modeling import PicoDet
from ppdet.runtime import distributed
from ppdet.runtime.device import peak_memory_mb
from ppdet.runtime.signals import OUT_OF_TIME, GracefulStop
from ppdet.training.callbacks import end_all
from ppdet.training.checkpoint import TrainingPosition, save_checkpoint
from ppdet.training.checkpoint_folder import remove_older
from ppdet.training.early_stop import reason_to_stop
from ppdet.training.meter import LossError, Meter, describe
from ppdet.training.model import training_network
from ppdet.training.setup import TrainerParts
from ppdet.training.step import Losses, accumulated_train_step, train_step
from ppdet.training.trend import more_epochs

logger = logging.getLogger(__name__)


@distributed.together()
def fit(trainer: TrainerParts, progress: TrainingPosition, stop_on: Sequence[int] = ()) -> TrainingPosition:
    """Trains from `progress` to the last epoch, with a checkpoint every `snapshot_epoch` epochs and at the end.

    `early_stop` makes an earlier epoch the last one; if `progress` is beyond it, only `model_final` is written. After
    one of the signals `stop_on` in any process, or the deadline, all of them finish the same step and a checkpoint
    named `interrupted` is written. A single process does not wait for data or for the end of an evaluation then.

    Returns:
        The position in training that was reached.

    Raises:
        Interrupted: after such a signal; OutOfTime: after the deadline.
        UserError: if nothing is left to train, a loss or weight is not finite, or a checkpoint cannot be written.
    """
    settings = trainer.settings
    if progress.epoch >= settings.epoch:
        raise UserError(f"epoch: the checkpoint has all {settings.epoch} epochs; raise epoch to train on")
    trainer.begin()
    forward = distributed.parallel(_network(trainer))
    distributed.watch()
    # optimizer slots get the same names in every process, and in every run of one process
    with GracefulStop(stop_on, trainer.deadline) as stop, _listened_to(trainer, stop), unique_name.guard():
        progress = _train_epochs(trainer, forward, progress, stop)
    distributed.detach()
    if stop.agreed:
        cause = (
            f"max_time: the limit of {settings.max_time} is reached" if stop.agreed == OUT_OF_TIME else "interrupted"
        )
        logger.warning("%s; continue with -r %s", cause, trainer.output_dir / "interrupted")
    stop.raise_agreed()
    if trainer.evaluate:
        logger.info("%s", more_epochs(progress.scores, trainer.primary))
    memory = peak_memory_mb(trainer.device)
    message = "trained %d epochs, peak memory %.0f MB; the results are in %s"
    logger.info(message, progress.epoch, memory, trainer.output_dir)
    return progress


def _network(trainer: TrainerParts) -> nn.Layer:
    return training_network(trainer.model, trainer.distiller, trainer.settings.to_static)


@contextmanager
def _listened_to(trainer: TrainerParts, stop: GracefulStop) -> Iterator[None]:
    """Context at the end of which the callbacks are ended.

    If all ranks stop early, they wait for the callbacks of rank 0: as soon as one has ended with another status than 0,
    Paddle's launcher ends the others.
    """
    complete = waiting = False
    try:
        yield
        complete, waiting = not stop.agreed, bool(stop.agreed)
    except distributed.SharedError:
        waiting = True
        raise
    finally:
        end_all(trainer.callbacks, complete)
        if waiting:
            distributed.barrier()


def _train_epochs(
    trainer: TrainerParts, forward: nn.Layer, progress: TrainingPosition, stop: GracefulStop
) -> TrainingPosition:
    """Trains to the last epoch or until the scores stop rising; a stop request ends in the checkpoint `interrupted`."""
    settings, reason = trainer.settings, _reason_to_stop(trainer, progress)
    while progress.epoch < settings.epoch and not reason and not stop.agreed:
        epoch, is_last = progress.epoch, progress.epoch + 1 == settings.epoch
        if trainer.ema and progress.step == 0:
            trainer.ema.start_epoch(epoch)
        progress = _train_epoch(trainer, forward, progress, stop)
        if not stop.agreed and (is_last or (epoch + 1) % settings.snapshot_epoch == 0):
            progress = _snapshot(trainer, progress, "model_final" if is_last else str(epoch), stop)
        if not stop.agreed:
            progress = replace(progress, epoch=epoch + 1, step=0)
            reason = _reason_to_stop(trainer, progress)
            if not is_last and not reason:
                stop.sync()  # a signal during the evaluation has waited long enough
    if stop.agreed:
        _save(trainer, progress, "interrupted")
    elif progress.epoch < settings.epoch:
        logger.info("%s%s", reason, "; best_model is kept" * settings.keep_best_weight)
        _save(trainer, progress, "model_final")
    return progress


def _reason_to_stop(trainer: TrainerParts, progress: TrainingPosition) -> str | None:
    """The reason to end the training before its last epoch. All ranks have the same scores and find the same."""
    return reason_to_stop(trainer.settings.early_stop, progress.scores, trainer.primary)


def _train_epoch(
    trainer: TrainerParts, forward: nn.Layer, progress: TrainingPosition, stop: GracefulStop
) -> TrainingPosition:
    """Trains the rest of the epoch that `progress` is in; a stop request ends it early."""
    steps, accumulate_steps = trainer.steps, trainer.settings.accumulate_steps
    trainer.model.train()
    meter = Meter()
    watch = trainer.watch if progress.epoch == 0 else None
    loaded = trainer.loader.epoch(progress.epoch, progress.step * accumulate_steps, watch)
    groups = full_groups(_until_stopped(loaded, stop), accumulate_steps)
    step_end = time.perf_counter()
    for batches in _progress_bar(groups, progress, steps):
        data_seconds = time.perf_counter() - step_end
        lr = trainer.learning_rate.at(progress.updates, steps)
        trainer.optimizer.set_lr(lr)
        distributed.begin_update()
        losses = _update(trainer, forward, batches, progress.epoch)
        if trainer.ema:
            trainer.ema.update()
        progress = replace(progress, step=progress.step + 1, updates=progress.updates + 1)
        meter.add(losses, np.concatenate([batch.im_id for batch in batches]), data_seconds)
        if progress.step % trainer.settings.log_iter == 0 or progress.step == steps:
            _log(trainer, meter, progress, lr)
            meter = Meter()
        stop.poll(progress.updates)
        if stop.agreed:
            break
        step_end = time.perf_counter()
    if meter.losses:  # of an interval that a stop request cut short
        _log(trainer, meter, progress, lr)
    return progress


def _update(trainer: TrainerParts, forward: nn.Layer, batches: Sequence[Batch], epoch: int) -> Losses:
    criterion, common = trainer.criterion, (epoch, trainer.optimizer, trainer.scaler, trainer.amp)
    if len(batches) == 1:
        return train_step(forward, criterion, batches[0], *common)
    return accumulated_train_step(forward, criterion, batches, *common)


def full_groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """Groups of `size` batches. A last group that is not full is left out.

    `batches` is read to its end, so that the loader keeps its workers for the next epoch.
    """
    while len(group := list(islice(batches, size))) == size:
        yield group


def _until_stopped(batches: Iterator[Batch], stop: GracefulStop) -> Iterator[Batch]:
    """The batches; ends early if a stop request arrives while the next one is awaited."""
    while (batch := stop.run_interruptible(lambda: next(batches, None), None)) is not None:
        yield batch


def _progress_bar(groups: Iterator[list[Batch]], progress: TrainingPosition, steps: int) -> Iterable[list[Batch]]:
    """The groups, with a progress bar on rank 0 if it has a terminal."""
    bar: Iterable[list[Batch]] = tqdm(
        groups,
        desc=f"epoch {progress.epoch + 1}",
        initial=progress.step,
        total=steps,
        unit="step",
        leave=False,
        disable=True if distributed.rank() else None,
    )
    return bar


def _log(trainer: TrainerParts, meter: Meter, progress: TrainingPosition, lr: float) -> None:
    settings, steps = trainer.settings, trainer.steps
    measured, error = {}, None
    try:
        measured = meter.read(progress.updates, trainer.loader.file_name)
    except LossError as e:
        error = e
    by_rank = distributed.all_gather_or_raise(measured, error, error.update if error else 0)
    numbers = {"epoch": progress.epoch + 1, "step": progress.step} | over_ranks(by_rank)
    remaining = settings.epoch * steps - (progress.epoch * steps + progress.step)
    numbers |= {"lr": lr, "memory_mb": peak_memory_mb(trainer.device)}
    numbers["eta_seconds"] = remaining * numbers["step_seconds"]
    if distributed.rank() == 0:
        logger.info(describe(numbers, settings.epoch, steps))
        for callback in trainer.callbacks:
            callback.on_record("train", progress.updates, numbers)


def over_ranks(measured: Sequence[dict[str, float]]) -> dict[str, float]:
    """Combines what the ranks' meters measured: the slowest rank's times, all images, mean losses."""
    combine: dict[str, Callable[[list[float]], float]] = {
        "images_per_second": sum,
        "data_seconds": max,
        "step_seconds": max,
    }
    columns = {name: [each[name] for each in measured] for name in measured[0]}
    return {name: combine.get(name, fmean)(values) for name, values in columns.items()}


def _snapshot(trainer: TrainerParts, progress: TrainingPosition, name: str, stop: GracefulStop) -> TrainingPosition:
    """Evaluates at the end of an epoch, and writes the checkpoint and, if it is the best so far, `best_model`.

    A stop request can cut the evaluation short; the position is then that of an epoch not evaluated yet.
    """
    _check_finite(trainer.model)
    improved = False
    if trainer.evaluate:
        _save(trainer, progress, name)  # a run that is killed during the evaluation resumes from here
        model = evaluation_model(trainer)
        distributed.broadcast_state(model)
        scores: dict[str, float] = stop.run_interruptible(partial(trainer.evaluate, model), {})
        if stop.agreed:
            return progress
        score = scores[trainer.primary]
        improved = progress.best is None or score > progress.best
        scored = (*progress.scores, (progress.epoch + 1, float(score)))
        progress = replace(progress, best=score if improved else progress.best, scores=scored)
        if distributed.rank() == 0:
            logger.info("epoch %d: %s %.4f, best %.4f", progress.epoch + 1, trainer.primary, score, progress.best)
            for callback in trainer.callbacks:
                callback.on_record("eval", progress.updates, {"epoch": progress.epoch + 1, **scores})
    after = replace(progress, epoch=progress.epoch + 1, step=0)
    if improved and trainer.settings.keep_best_weight:
        _save(trainer, after, "best_model")  # first: a checkpoint must not name a best score that is not kept
    _save(trainer, after, name)
    if distributed.rank() == 0:
        for callback in trainer.callbacks:
            callback.on_checkpoint()
    return progress


def _check_finite(model: PicoDet) -> None:
    """Raises UserError if a weight is not finite: the last update can break the weights without any loss showing it."""
    state = model.state_dict()
    finite = paddle.stack([value.isfinite().all() for value in state.values()]).numpy()
    broken = next((name for name, good in zip(state, finite, strict=True) if not good), None)
    fault = f"{broken}: became NaN or infinite; lower LearningRate.base_lr; the last checkpoint is kept"
    distributed.raise_on_all_ranks(UserError(fault) if broken else None)


def evaluation_model(trainer: TrainerParts) -> PicoDet:
    """The model to evaluate: the trained one, or a copy with the averaged weights if EMA is on."""
    if not trainer.ema:
        return trainer.model
    model = copy.deepcopy(trainer.model)
    model.set_state_dict(trainer.ema.averaged())
    return model


def _save(trainer: TrainerParts, progress: TrainingPosition, name: str) -> None:
    """Writes a checkpoint on rank 0, while the others wait. `progress` is the position to resume from."""
    keep, error = trainer.settings.keep_last, None
    if distributed.rank() == 0:
        try:
            parts = (trainer.model, trainer.optimizer, trainer.ema, progress, trainer.scaler, trainer.categories)
            save_checkpoint(trainer.output_dir / name, *parts, trainer.distiller)
            if keep and name.isdecimal():
                remove_older(trainer.output_dir, keep, newest=int(name))
        except UserError as e:
            error = e
    distributed.raise_on_all_ranks(error)
