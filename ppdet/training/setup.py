"""The parts of a training run, built from a config."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import paddle

from ppdet.core.errors import UserError
from ppdet.core.settings import Settings
from ppdet.data.datasets import Category, Dataset
from ppdet.data.loading.batch_sheet import batch_sheets
from ppdet.data.loading.loader import Loader, Watch
from ppdet.data.loading.reader import TrainReader
from ppdet.distillation import Distiller, build_distiller
from ppdet.evaluation.evaluator import build_evaluator
from ppdet.modeling import PicoDet
from ppdet.modeling.criterion import AnyCriterion
from ppdet.optim.ema import ModelEMA
from ppdet.optim.schedule import LearningRate
from ppdet.runtime import distributed
from ppdet.session import Session
from ppdet.training.auto_batch import known_batch, measured_batch
from ppdet.training.callbacks import (
    Callback,
    JsonLines,
    ResultsPlot,
    ResultsTable,
    Run,
    Tolerant,
    begin_all,
    build_loggers,
    tell_detections,
)
from ppdet.training.callbacks.page import Watched, training_page
from ppdet.training.callbacks.results import PLOT, TABLE
from ppdet.training.checkpoint import TrainingPosition, load_checkpoint
from ppdet.training.checkpoint_folder import (
    Resume,
    best_score,
    checkpoints_beyond,
    find_checkpoint,
    peek_seed,
    remove_unfinished,
)
from ppdet.training.epoch_table import METRICS
from ppdet.training.int8_weights import Int8Start, int8_weights
from ppdet.training.model import build_ema, build_scaler, build_training_model, training_amp
from ppdet.training.run_folder import begin_run
from ppdet.weights.published_names import published_name
from ppdet.weights.trained_classes import TrainedClasses, stored_classes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainerParts:
    """Finished parts for `fit`.

    Attributes:
        scaler: does nothing if mixed precision is off
        amp: type of mixed precision; None: float32
        evaluate: scores a model; None: no evaluation
        primary: name of the score that decides which checkpoint is best
        categories: the classes, which go into the checkpoints
        distiller: the teacher and what belongs to it; None: the labels alone teach
        begin: prepares the output folder for this run
        deadline: the time of `time.monotonic()` when the training is interrupted
        watch: sees the batches of the first epoch on the host
    """

    model: PicoDet
    optimizer: paddle.optimizer.Optimizer
    learning_rate: LearningRate
    ema: ModelEMA | None
    loader: Loader
    settings: Settings
    scaler: paddle.amp.GradScaler
    device: str
    output_dir: Path
    amp: str | None = None
    evaluate: Callable[[PicoDet], dict[str, float]] | None = None
    primary: str = ""
    categories: Sequence[Category] = ()
    distiller: Distiller | None = None
    begin: Callable[[], None] = lambda: None
    deadline: float = math.inf
    watch: Watch | None = None
    callbacks: Sequence[Callback] = ()

    @property
    def steps(self) -> int:
        """Updates per epoch; batches that do not fill one are left out."""
        return len(self.loader) // self.settings.accumulate_steps

    @property
    def criterion(self) -> AnyCriterion:
        """The losses of the network that is trained."""
        return self.distiller.criterion if self.distiller else self.model.criterion


@distributed.together()
def build_trainer(
    session: Session,
    evaluate: bool = False,
    resume: Resume | None = None,
    callbacks: Sequence[Callback] = (),
    int8_start: Int8Start | None = None,
) -> tuple[TrainerParts, TrainingPosition]:
    """Builds the parts of a run, and the position where it starts: the beginning, or that of a checkpoint.

    Everything a user can get wrong is checked before the first step.

    Args:
        session: config, device and builder.
        evaluate: whether the model is scored at each checkpoint.
        resume: see find_checkpoint; None: a new run.
        callbacks: listeners, in addition to those that write metrics.jsonl, results.csv, results.png and
            report.html, and the config's loggers.
        int8_start: see `int8_weights`.
    """
    settings, builder = session.settings, session.builder
    deadline = time.monotonic() + (settings.max_seconds or math.inf)
    if settings.early_stop and not evaluate:
        raise UserError("early_stop: found without an evaluation; expected scores to watch; add --eval (evaluate=True)")
    listeners = _listeners(session, callbacks)
    checkpoint = _find_together(resume, session.output_dir) if resume else None
    reader, dataset = _reader_and_dataset(session, checkpoint)
    evaluator = build_evaluator(session, TrainedClasses(dataset.categories, "TrainDataset")) if evaluate else None
    int8 = int8_weights(session, checkpoint, int8_start)
    seed = _choose_seed(settings.seed, checkpoint)
    paddle.seed(seed)  # after `batch_size: auto` has measured
    loader = reader.bind(dataset, seed=seed, rank=distributed.rank(), world_size=distributed.world_size())
    start = None if checkpoint else str(int8.file) if int8 else settings.pretrain_weights
    model = build_training_model(session, start, dataset.categories, int8.layout if int8 else None)
    distiller = build_distiller(builder, model, reader.normalization, dataset.categories, session.device)
    layout = (reader.batch_size, distributed.world_size(), settings.accumulate_steps)
    learning_rate = builder.build("LearningRate").for_run(*layout, session.rate_places)
    amp = training_amp(session)
    trainer = TrainerParts(
        model=model,
        optimizer=builder.build("OptimizerBuilder")(
            learning_rate.base_lr, model, published_name, distiller.parameters if distiller else ()
        ),
        learning_rate=learning_rate,
        ema=build_ema(model, settings),
        loader=loader,
        settings=settings,
        scaler=build_scaler(amp),
        device=session.device,
        output_dir=session.output_dir,
        amp=amp,
        evaluate=evaluator,
        primary=evaluator.metric.primary if evaluator else "",
        categories=dataset.categories,
        distiller=distiller,
        watch=batch_sheets(session.output_dir, reader, dataset) if distributed.rank() == 0 else None,
        deadline=deadline,
        callbacks=listeners,
    )
    position = TrainingPosition(epoch=0, step=0, updates=0, seed=seed, batch=math.prod(layout))
    trainer = _with_page(trainer, Watched(session, dataset, evaluator, trainer.steps, seed, checkpoint))
    trainer, progress = _positioned(trainer, position, session, checkpoint)
    _announce(trainer, progress, len(dataset))
    return trainer, progress


def _reader_and_dataset(session: Session, checkpoint: Path | None) -> tuple[TrainReader, Dataset]:
    """The reader, with a number for `batch_size: auto`, and the training images."""
    reader: TrainReader = session.builder.build("TrainReader")
    batch_size = known_batch(session, reader, checkpoint)  # first: it may be refused, and reading may take long
    dataset = load_train_dataset(session, checkpoint)
    if reader.auto_batch:
        batch_size = batch_size or measured_batch(session, reader, dataset)
        reader = session.builder.build("TrainReader", batch_size=batch_size)
    return reader, dataset


def load_train_dataset(session: Session, checkpoint: Path | None) -> Dataset:
    """The training images, with the classes of `checkpoint`. Raises UserError if none has a box."""
    trained = stored_classes(checkpoint) if checkpoint else None
    teacher = session.builder.build("TeacherLabels") if session.cfg.get("TeacherLabels") else None
    dataset = session.load_annotated("TrainDataset", trained, relabel=teacher and teacher.relabel)
    if not any(len(record.gt_bbox) for record in dataset.records):  # allow_empty lets such a dataset pass
        raise UserError(f"TrainDataset: no image of {dataset.anno_file} has a box; correct it")
    return dataset


def _positioned(
    trainer: TrainerParts, start: TrainingPosition, session: Session, checkpoint: Path | None
) -> tuple[TrainerParts, TrainingPosition]:
    """Loads `checkpoint` into the parts; returns the trainer that continues there, and its position."""
    if not trainer.steps:
        raise UserError(f"accumulate_steps: an update takes {start.batch} images, but the epoch has fewer; lower it")
    saved, progress = None, start
    if checkpoint:
        parts = (trainer.model, trainer.optimizer, trainer.ema, trainer.scaler, trainer.distiller)
        saved = load_checkpoint(checkpoint, *parts)
        progress = _resume(checkpoint, saved, start.batch, trainer.steps)
    begin = partial(_begin, trainer, progress, session, checkpoint, saved)
    return replace(trainer, begin=begin), progress


def _begin(
    trainer: TrainerParts,
    progress: TrainingPosition,
    session: Session,
    checkpoint: Path | None,
    saved: TrainingPosition | None,
) -> None:
    """Prepares the output folder, and begins the callbacks."""
    begin_run(session.output_dir, session.cfg, checkpoint, saved)
    continued = checkpoint is not None and checkpoint.parent.resolve() == session.output_dir.resolve()
    name, config = session.settings.filename, session.cfg.to_dict()
    begin_all(trainer.callbacks, Run(name, session.output_dir, config, progress.updates, continued))


def _listeners(session: Session, callbacks: Sequence[Callback]) -> Sequence[Callback]:
    """The callbacks of a run, of which rank 0 has all."""
    metrics = session.output_dir / METRICS
    loggers = build_loggers(session.settings.loggers, session.output_dir) if distributed.rank() == 0 else ()
    table, plot = Tolerant(ResultsTable(metrics), TABLE), Tolerant(ResultsPlot(metrics), PLOT)
    return (JsonLines(metrics), *callbacks, *loggers, table, plot)


def _with_page(trainer: TrainerParts, watched: Watched) -> TrainerParts:
    """The parts with the run's page among the callbacks, which get the detections of evaluations."""
    callbacks = (*trainer.callbacks, *(training_page(watched) if distributed.rank() == 0 else ()))
    evaluate = watched.evaluator and replace(watched.evaluator, watch=partial(tell_detections, callbacks))
    return replace(trainer, callbacks=callbacks, evaluate=evaluate)


def _announce(trainer: TrainerParts, progress: TrainingPosition, num_images: int) -> None:
    """Logs the size of the run, and a warning if the learning rate's schedule does not fit it."""
    settings, steps = trainer.settings, trainer.steps
    message = "training %s on %s: %d images, %d steps per epoch, %d epochs, seed %d"
    logger.info(message, settings.filename, trainer.device, num_images, steps, settings.epoch, progress.seed)
    if trainer.distiller:
        logger.info("Distillation: the teacher is %s", trainer.distiller.teacher.weights)
    if misfit := trainer.learning_rate.misfit(settings.epoch, steps, progress.epoch):
        logger.warning("%s", misfit)


def _find_together(resume: Resume, output_dir: Path) -> Path | None:
    """The checkpoint that rank 0 finds. On a machine that cannot see it, training must not start from the beginning."""
    found, error = None, None
    if distributed.rank() == 0:
        try:
            found = find_checkpoint(resume, output_dir)
            if resume == "auto":  # nobody else is at work there
                remove_unfinished(output_dir)
        except UserError as e:
            error = e
    distributed.raise_on_all_ranks(error)
    checkpoint: Path | None = distributed.all_gather_object(found)[0]
    return checkpoint


def _resume(checkpoint: Path, saved: TrainingPosition, batch: int, steps: int) -> TrainingPosition:
    """Position that continues `saved`, that of `checkpoint`, with `batch` images a step and `steps` steps an epoch."""
    progress = saved.with_batch(batch, steps)
    # a best_model beside it may be better than the run's best score until then; a worse one must not replace it
    beside = best_score(checkpoint.with_name("best_model"))
    if "best_model" in checkpoints_beyond(checkpoint.parent, checkpoint):
        beside = None  # made by the part of the run that is repeated
    scores = [score for score in (saved.best, beside) if score is not None]
    if saved.batch not in (0, batch):
        message = "%d images per step instead of %d: the place is step %d of %d of epoch %d"
        logger.info(message, batch, saved.batch, progress.step, steps, progress.epoch + 1)
    return replace(progress, best=max(scores, default=None))


def _choose_seed(seed: int | None, checkpoint: Path | None) -> int:
    """Seed of the run: that of the checkpoint, that of the config, or a random one that all ranks share."""
    if checkpoint:
        return peek_seed(checkpoint)
    drawn = random.SystemRandom().randrange(2**31) if seed is None else seed
    shared: int = distributed.all_gather_object(drawn)[0]
    return shared
