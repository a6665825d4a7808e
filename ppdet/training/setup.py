"""The parts of a training run, built from a config."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import paddle

from ppdet.core.errors import UserError
from ppdet.core.settings import Settings
from ppdet.data.datasets import Category
from ppdet.data.loading.loader import Loader
from ppdet.evaluation.evaluator import build_evaluator
from ppdet.modeling import PicoDet
from ppdet.modeling.cpu_training.layers import use_cpu_kernels
from ppdet.optim.ema import ModelEMA
from ppdet.optim.schedule import LearningRate
from ppdet.runtime import distributed
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.runtime.device import amp_dtype, supports_sync_bn
from ppdet.session import Session
from ppdet.training.callbacks import Callback, JsonLines
from ppdet.training.checkpoint import Progress, load_checkpoint
from ppdet.training.checkpoint_folder import (
    best_score,
    checkpoints_beyond,
    find_checkpoint,
    peek_seed,
    remove_unfinished,
)
from ppdet.training.run_folder import METRICS, begin_run
from ppdet.utils.download import resolve_weights
from ppdet.weights.load import load_pretrained
from ppdet.weights.trained_classes import TrainedClasses, stored_classes, warn_of_order

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trainer:
    """Finished parts for `fit`.

    evaluate    scores a model; None: no evaluation
    primary     the score that decides which checkpoint is best
    categories  the classes, which go into the checkpoints
    begin       makes the output folder that of this run
    """

    model: PicoDet
    optimizer: paddle.optimizer.Optimizer
    learning_rate: LearningRate
    ema: ModelEMA | None
    loader: Loader
    settings: Settings
    scaler: paddle.amp.GradScaler  # does nothing where mixed precision is off
    device: str
    output_dir: Path
    amp: str | None = None  # the type of mixed precision
    evaluate: Callable[[PicoDet], dict[str, float]] | None = None
    primary: str = ""
    categories: Sequence[Category] = ()
    begin: Callable[[], None] = lambda: None
    callbacks: Sequence[Callback] = ()

    @property
    def steps(self) -> int:
        """Updates per epoch; batches that do not fill one are left out."""
        return len(self.loader) // self.settings.accumulate_steps


@distributed.together()
def build_trainer(
    session: Session,
    evaluate: bool = False,
    resume: Path | Literal["auto"] | None = None,
    callbacks: Sequence[Callback] = (),
) -> tuple[Trainer, Progress]:
    """The trainer and the place where it starts: the beginning, or what `resume` means (see find_checkpoint).

    Everything a user can get wrong is checked before the first step.
    """
    settings, builder = session.settings, session.builder
    checkpoint = _find_together(resume, session.output_dir) if resume else None
    seed = _choose_seed(settings.seed, checkpoint)
    paddle.seed(seed)
    dataset = session.load_annotated("TrainDataset", stored_classes(checkpoint) if checkpoint else None)
    if not any(len(record.gt_bbox) for record in dataset.records):  # allow_empty lets such a dataset pass
        raise UserError(f"TrainDataset: no image of {dataset.anno_file} has a box; correct it")
    evaluator = build_evaluator(session, TrainedClasses(dataset.categories, "TrainDataset")) if evaluate else None
    reader = builder.build("TrainReader")
    loader = reader.bind(dataset, seed=seed, rank=distributed.rank(), world_size=distributed.world_size())
    model = session.build_model()
    if settings.accumulate_steps > 1 and not model.criterion.has_one_divisor:
        raise UserError(
            f"accumulate_steps: found {settings.accumulate_steps}; expected 1 with {type(model.head).__name__}, whose "
            "losses have two divisors that are known after the last batch only; raise TrainReader.batch_size instead"
        )
    if settings.pretrain_weights and not checkpoint:
        warn_of_order(settings.pretrain_weights, dataset.categories)
        load_pretrained(model, resolve_weights(settings.pretrain_weights))
    model = _with_sync_bn(model, session)
    if session.device == "cpu" and not settings.to_static:  # the graph can hold Paddle's operators only
        use_cpu_kernels(model, cpu_threads())
    learning_rate = builder.build("LearningRate").for_run(
        reader.batch_size, distributed.world_size(), settings.accumulate_steps, session.rate_places
    )
    optimizer = builder.build("OptimizerBuilder")(learning_rate.base_lr, model)
    ema = None
    if settings.use_ema:
        ema = ModelEMA(model, settings.ema_decay, settings.ema_decay_type, settings.cycle_epoch)
    amp = _use_amp(session)
    scaler = paddle.amp.GradScaler(enable=amp == "float16", init_loss_scaling=1024)
    batch = reader.batch_size * distributed.world_size() * settings.accumulate_steps
    steps = len(loader) // settings.accumulate_steps
    if not steps:
        raise UserError(f"accumulate_steps: an update takes {batch} images, but the epoch has fewer; lower it")
    saved = load_checkpoint(checkpoint, model, optimizer, ema, scaler) if checkpoint else None
    progress = Progress(epoch=0, step=0, updates=0, seed=seed, batch=batch)
    if checkpoint and saved:
        progress = _resume(checkpoint, saved, batch, steps)
    logger.info(
        "training %s on %s: %d images, %d steps per epoch, %d epochs, seed %d",
        settings.filename, session.device, len(dataset), steps, settings.epoch, seed,
    )  # fmt: skip
    if misfit := learning_rate.misfit(settings.epoch, steps, progress.epoch):
        logger.warning("%s", misfit)
    trainer = Trainer(
        model=model,
        optimizer=optimizer,
        learning_rate=learning_rate,
        ema=ema,
        loader=loader,
        settings=settings,
        scaler=scaler,
        device=session.device,
        output_dir=session.output_dir,
        amp=amp,
        evaluate=evaluator,
        primary=evaluator.metric.primary if evaluator else "",
        categories=dataset.categories,
        begin=partial(begin_run, session.output_dir, session.cfg, checkpoint, saved),
        callbacks=(JsonLines(session.output_dir / METRICS), *callbacks),
    )
    return trainer, progress


def _find_together(resume: Path | Literal["auto"], output_dir: Path) -> Path | None:
    """The checkpoint that rank 0 finds: on a machine that cannot see it, the training must not start anew."""
    found, error = None, None
    if distributed.rank() == 0:
        try:
            found = find_checkpoint(resume, output_dir)
            if resume == "auto":  # nobody else is at work there
                remove_unfinished(output_dir)
        except UserError as e:
            error = e
    distributed.raise_on_all_ranks(error)
    return distributed.all_gather_object(found)[0]


def _resume(checkpoint: Path, saved: Progress, batch: int, steps: int) -> Progress:
    """Where to go on from what `checkpoint` says, with `batch` images per step and `steps` steps per epoch."""
    progress = saved.with_batch(batch, steps)
    # a best_model beside it may be better than what the run had seen until then, and is not to be replaced by less
    beside = best_score(checkpoint.with_name("best_model"))
    if "best_model" in checkpoints_beyond(checkpoint.parent, checkpoint):
        beside = None  # of the part of the run that is done again
    scores = [score for score in (saved.best, beside) if score is not None]
    if saved.batch not in (0, batch):
        logger.info("%d images per step instead of %d: the place is step %d of %d of epoch %d", batch, saved.batch,
                    progress.step, steps, progress.epoch + 1)  # fmt: skip
    return replace(progress, best=max(scores, default=None))


def _choose_seed(seed: int | None, checkpoint: Path | None) -> int:
    """A resumed run goes on with its own seed; a new one draws one that all ranks share."""
    if checkpoint:
        return peek_seed(checkpoint)
    drawn = random.SystemRandom().randrange(2**31) if seed is None else seed
    return distributed.all_gather_object(drawn)[0]


def _use_amp(session: Session) -> str | None:
    """The type of mixed precision that is wanted and possible."""
    dtype = amp_dtype(session.device) if session.settings.amp else None
    if session.settings.amp and dtype is None:
        logger.warning("amp: %s has no mixed precision, training in float32", session.device)
    return dtype


def _with_sync_bn(model: PicoDet, session: Session) -> PicoDet:
    wanted = session.settings.sync_bn or session.settings.norm_type == "sync_bn"
    if not wanted or distributed.world_size() == 1:
        return model
    if not supports_sync_bn(session.device):
        logger.warning("sync_bn: %s cannot share norm statistics, each rank keeps its own", session.device)
        return model
    return paddle.nn.SyncBatchNorm.convert_sync_batchnorm(model)
