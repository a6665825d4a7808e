"""The teacher: a trained model that is run beside the student and stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import paddle

from ppdet.core.builder import Builder
from ppdet.core.check import check_config, without_training
from ppdet.core.config import load_config
from ppdet.core.errors import UserError
from ppdet.core.settings import Settings
from ppdet.data.datasets import Category
from ppdet.distillation.losses import DistillationLoss
from ppdet.distillation.projector import flatten_features
from ppdet.modeling import PicoDet, build_model
from ppdet.modeling.heads import PicoHead
from ppdet.modeling.structures import HeadOutputs
from ppdet.utils.download import resolve_weights
from ppdet.utils.files import sha256
from ppdet.weights.class_names import some
from ppdet.weights.load import load_weights
from ppdet.weights.trained_classes import TrainedClasses, published_classes, stored_classes

_READERS = ("EvalReader", "TestReader", "TrainReader")


class TeacherOutputs(NamedTuple):
    """Predictions of a teacher, and its neck's features [B, L, F]."""

    head: HeadOutputs
    features: paddle.Tensor


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained model in evaluation mode, without gradients.

    Attributes:
        model: the model.
        weights: its file.
        sha256: checksum of the file.
    """

    model: PicoDet
    weights: Path
    sha256: str

    @paddle.no_grad()
    def __call__(self, image: paddle.Tensor) -> TeacherOutputs:
        """Predictions and features for image [B, 3, H, W] float32, normalized."""
        features = self.model.neck(self.model.backbone(image))
        return TeacherOutputs(self.model.head(features), flatten_features(features))


def load_teacher(config: str, weights: str, normalization: np.ndarray, categories: Sequence[Category]) -> Teacher:
    """Build and load a teacher.

    Args:
        config: `Distillation.teacher`.
        weights: `Distillation.teacher_weights`.
        normalization: the student's color map [3, 4], see `Reader.normalization`.
        categories: the classes of the student's training.

    Raises:
        UserError: a file is missing or wrong, or the teacher takes other images or knows other classes.
    """
    with _named("teacher"):
        builder = without_training(Builder(load_config(config)), ())
        check_config(builder)
        Settings.from_config(builder.cfg)
        model = build_model(builder)
    _check_normalization(config, builder, normalization)
    if model.head.num_classes != len(categories):
        raise UserError(
            f"Distillation.teacher: {config} has {model.head.num_classes} classes; expected the {len(categories)} of "
            "TrainDataset; give the config.yml of a training on them"
        )
    with _named("teacher_weights"):
        file = resolve_weights(weights)
        load_weights(model, file)
    _check_classes(stored_classes(file) or published_classes(weights), file, categories)
    teacher = _as_teacher(model, file)
    ramp = paddle.linspace(-2, 2, 3 * 64 * 64).reshape([1, 3, 64, 64])
    if not all(bool(value.isfinite().all()) for value in teacher(ramp).head[:2]):
        raise UserError(f"Distillation.teacher_weights: {file} predicts NaN or infinite values; take other weights")
    return teacher


def load_float_model(builder: Builder, weights: str) -> Teacher:
    """Build and load the float model of a training in INT8, which is its teacher.

    Args:
        builder: of the config.
        weights: `pretrain_weights`.

    Raises:
        UserError: the weights are missing or those of another model.
    """
    model, file = build_model(builder), resolve_weights(weights)
    load_weights(model, file)
    return _as_teacher(model, file)


def _as_teacher(model: PicoDet, file: Path) -> Teacher:
    model.eval()
    for parameter in model.parameters():
        parameter.stop_gradient = True
    return Teacher(model, file, sha256(file))


@contextmanager
def _named(option: str) -> Iterator[None]:
    """Context whose UserErrors begin with the option of `Distillation` that they are about."""
    try:
        yield
    except UserError as error:
        raise UserError(f"Distillation.{option}: {error}") from error


def _check_normalization(config: str, builder: Builder, expected: np.ndarray) -> None:
    """Raises UserError if the teacher's readers normalize images otherwise: it gets the student's images."""
    name = next((name for name in _READERS if name in builder.cfg), None)
    with _named("teacher"):
        found = builder.build(name).normalization if name else expected
    if not np.allclose(found, expected, rtol=1e-4, atol=1e-5):
        raise UserError(
            f"Distillation.teacher: NormalizeImage in {name} of {config} is not that of TrainReader; expected the "
            "same, because both models get the same images; change that of TrainReader, or take another teacher"
        )


def _check_classes(trained: TrainedClasses | None, file: Path, categories: Sequence[Category]) -> None:
    """Raises UserError if the teacher's weights are known to have been trained on other classes."""
    if trained is None:
        return
    try:
        trained.check("TrainDataset", categories)
    except UserError as error:
        found, expected = some(trained.names), some([category.name for category in categories])
        raise UserError(
            f"Distillation.teacher_weights: {file} knows the classes {found}; expected those of TrainDataset in their "
            f"order: {expected}; give the weights of a training on them"
        ) from error


def check_fit(teacher: PicoDet, student: PicoDet, losses: Sequence[DistillationLoss]) -> None:
    """Raises UserError if the two models do not predict the same things at the same points."""
    ours, theirs = student.head, teacher.head
    facts = [
        ("scores", *("logits" if isinstance(head, PicoHead) else "probabilities" for head in (theirs, ours))),
        ("fpn_stride", list(theirs.fpn_stride), list(ours.fpn_stride)),
        ("cell_offset", theirs.cell_offset, ours.cell_offset),
    ]
    if any(loss.needs_bins for loss in losses):
        facts.append(("reg_max", theirs.reg_max, ours.reg_max))
    for name, found, expected in facts:
        if found != expected:
            remedy = (
                "leave out BoxDistillation, or take another teacher" if name == "reg_max" else "take another teacher"
            )
            raise UserError(
                f"Distillation.teacher: its {type(theirs).__name__} has {name}: {found}; expected {expected}, as the "
                f"model that is trained; {remedy}"
            )
