"""A whole training run, for the command line and the Python API."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ppdet.session import Session
from ppdet.training.callbacks import Callback
from ppdet.training.checkpoint_folder import Resume
from ppdet.training.int8_weights import Int8Start
from ppdet.training.loop import fit
from ppdet.training.run_folder import only_training
from ppdet.training.setup import build_trainer

logger = logging.getLogger(__name__)


def train(
    session: Session,
    evaluate: bool = False,
    resume: Resume | None = None,
    callbacks: Sequence[Callback] = (),
    stop_on: Sequence[int] = (),
    int8_start: Int8Start | None = None,
) -> None:
    """Train the session's config into its output folder.

    Args:
        evaluate: score EvalDataset at every checkpoint and keep the best.
        resume: where to continue (see `find_checkpoint`); with "auto" a training that is complete stays as it is.
        stop_on: the signals that end the training after a step and a checkpoint.
        int8_start: see `int8_weights`; a config with a section QAT needs it.
    """
    with only_training(session.output_dir):
        trainer, progress = build_trainer(session, evaluate, resume, callbacks, int8_start)
        if resume == "auto" and progress.epoch >= trainer.settings.epoch:  # so that it can be restarted for ever
            logger.info("%s: all %d epochs are done", trainer.output_dir, trainer.settings.epoch)
            return
        fit(trainer, progress, stop_on)
