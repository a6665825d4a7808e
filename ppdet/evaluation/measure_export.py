"""Scores exported models on EvalDataset, each in its own runtime, beside the trained model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ppdet.core.errors import UserError
from ppdet.core.settings import VENDOR_FORMATS, ExportSettings
from ppdet.deploy.backends.base import Runner, keep_outputs
from ppdet.evaluation.evaluator import build_evaluator
from ppdet.evaluation.exported import detect_with
from ppdet.evaluation.feeds import FeedBuilder
from ppdet.export.formats import EXPORT_FORMATS
from ppdet.export.image_input import ImageInput
from ppdet.export.vendor_format import one_by_one
from ppdet.session import Session
from ppdet.utils.tables import format_table

logger = logging.getLogger(__name__)

TRAINED = "trained model"


class _Line(NamedTuple):
    """A model as text."""

    model: str
    score: str
    loss: str


def measure_export(session: Session, folder: Path) -> dict[str, float]:
    """Log and return the scores of the trained model and of each format's file in `folder`.

    Args:
        session: the run, with the settings that the files were exported with.
        folder: the files.

    Raises:
        UserError: boxes are not decoded, or EvalDataset cannot be read.
    """
    settings = session.settings.export
    require_measurable(settings)
    trained = session.load_model()
    evaluator = build_evaluator(session, session.trained_classes())
    names = ["image", "scale_factor"] if settings.box_unit == "image" else ["image"]
    builder = FeedBuilder(max(1, settings.batch_size), names, ImageInput.of(session))
    runners = {name: _runner(name, folder) for name in settings.formats}
    found = detect_with(evaluator, builder, runners, settings, trained.head.select)
    scores = {TRAINED: evaluator(trained)} | {name: evaluator.score(rows) for name, rows in found.items()}
    metric = next(iter(scores[TRAINED]))
    return log_scores(metric, {name: values[metric] for name, values in scores.items()}, evaluator.num_images)


def require_measurable(settings: ExportSettings) -> None:
    """Raise UserError if models exported with `settings` have no boxes to score."""
    if settings.raw:
        raise UserError(
            "--measure: found with export.post_process=false or export.benchmark=true; expected decoded boxes, which "
            "have a score; leave it out"
        )


def _runner(name: str, folder: Path) -> Runner:
    run = keep_outputs(EXPORT_FORMATS[name].load(folder).run)
    return one_by_one(run) if name in VENDOR_FORMATS else run


def log_scores(metric: str, scores: Mapping[str, float], num_images: int) -> dict[str, float]:
    """Log a table of `scores`, the trained model's first, and return them."""
    logger.info("%s on the %d images of EvalDataset", metric, num_images)
    lines = [_Line(name, f"{score:.4f}", f"{scores[TRAINED] - score:+.4f}") for name, score in scores.items()]
    for line in format_table(lines).splitlines():  # a message is one line
        logger.info("%s", line)
    return dict(scores)
