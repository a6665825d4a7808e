"""The parts of a distillation in a training, and in its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.utils import unique_name

from ppdet.core.builder import Builder
from ppdet.core.errors import UserError
from ppdet.core.settings import Settings
from ppdet.data.datasets import Category
from ppdet.distillation.criterion import DistillationCriterion
from ppdet.distillation.losses import DistillationLoss
from ppdet.distillation.network import DistilledNetwork, Student
from ppdet.distillation.projector import Projector
from ppdet.distillation.qat import QAT
from ppdet.distillation.section import Distillation
from ppdet.distillation.teacher import Teacher, check_fit, load_float_model, load_teacher
from ppdet.modeling import PicoDet
from ppdet.modeling.cpu_training.layers import use_frozen_cpu_kernels


@dataclass(frozen=True, eq=False)
class Distiller:
    """The parts of a distillation.

    Attributes:
        model: the model that is trained.
        teacher: the teacher.
        losses: the differences from the teacher.
        projector: of the model's features; None if no loss compares features.
        label_weight: factor of the losses of the labels.
    """

    model: PicoDet
    teacher: Teacher
    losses: Sequence[DistillationLoss]
    projector: Projector | None
    label_weight: float = 1.0

    @property
    def student(self) -> nn.Layer:
        """The layer that is trained: the model, with the projector if there is one."""
        return Student(self.model, self.projector) if self.projector else self.model

    @property
    def criterion(self) -> DistillationCriterion:
        """The losses of a network that `beside_teacher` returns."""
        return DistillationCriterion(self.model, self.losses, self.label_weight)

    def beside_teacher(self, student: nn.Layer) -> DistilledNetwork:
        """Returns the network of `student`, this student or a layer that computes the same, and the teacher."""
        return DistilledNetwork(student, self.teacher)

    @property
    def parameters(self) -> list[paddle.Tensor]:
        """The parameters that are trained besides the model's."""
        return self.projector.parameters() if self.projector else []

    def state(self) -> dict[str, Any]:
        """The part of a checkpoint: which teacher it is, and the projector [F, …] by name."""
        weights = self.projector.state_dict() if self.projector else {}
        projector = {name: value.numpy() for name, value in weights.items()}
        return {"teacher": str(self.teacher.weights), "sha256": self.teacher.sha256, "projector": projector}


def build_distiller(
    builder: Builder, model: PicoDet, normalization: np.ndarray, categories: Sequence[Category], device: str
) -> Distiller | None:
    """The parts that the section `Distillation` asks for, or else the section `QAT`; None without both.

    Args:
        builder: of the config.
        model: the model that is trained.
        normalization: the color map [3, 4] of its images.
        categories: its classes.
        device: the kind of device.

    Raises:
        UserError: the teacher cannot be loaded, or does not fit the model.
    """
    if not builder.cfg.get("Distillation"):
        return _taught_by_float_model(builder, model, device)
    section: Distillation = builder.build("Distillation")
    with unique_name.guard("distillation_"):  # names that no parameter of the model has, the same in every process
        teacher = load_teacher(section.teacher, section.teacher_weights, normalization, categories)
        check_fit(teacher.model, model, section.losses)
        projector = None
        if any(loss.needs_features for loss in section.losses):
            projector = Projector(model.neck.out_channels, teacher.model.neck.out_channels, len(model.head.fpn_stride))
    if device == "cpu":
        use_frozen_cpu_kernels(teacher.model)
    return Distiller(model, teacher, section.losses, projector)


def _taught_by_float_model(builder: Builder, model: PicoDet, device: str) -> Distiller | None:
    """The parts of a training in INT8 that has losses of its own; None for other trainings."""
    section: QAT | None = None if builder.cfg.get("QAT") is None else builder.build("QAT")
    if section is None or not section.losses:
        return None
    with unique_name.guard("distillation_"):
        teacher = load_float_model(builder, Settings.from_config(builder.cfg).pretrain_weights or "")
    if device == "cpu":
        use_frozen_cpu_kernels(teacher.model)
    return Distiller(model, teacher, section.losses, None, section.label_weight)


def restore(distiller: Distiller | None, checkpoint: Path, saved: Mapping[str, Any] | None) -> None:
    """Continue a distillation from what a checkpoint kept of it.

    Args:
        distiller: that of this run, None without one.
        checkpoint: the checkpoint, without extension, for messages.
        saved: its `Distiller.state`, None without one.

    Raises:
        UserError: the checkpoint is that of a training with another teacher, other losses, or without a teacher.
    """
    if distiller is None and saved is None:
        return
    start = f"or start a new run with pretrain_weights={checkpoint}"
    if distiller is None or saved is None:
        found, expected = ("no section", "the run's") if saved else ("a section", "none")
        raise UserError(f"Distillation: found {found}, but {checkpoint} was saved with {expected}; resume so, {start}")
    if saved["sha256"] != distiller.teacher.sha256:
        raise UserError(
            f"Distillation.teacher_weights: {distiller.teacher.weights} is not the teacher of {checkpoint}, "
            f"{saved['teacher']} (SHA-256 {saved['sha256'][:12]}…); resume with that file, {start}"
        )
    expected = distiller.projector.state_dict() if distiller.projector else {}
    arrays = saved["projector"]
    if {name: array.shape for name, array in arrays.items()} != {k: tuple(v.shape) for k, v in expected.items()}:
        raise UserError(
            f"Distillation.losses: {checkpoint} has {'a' if arrays else 'no'} projector of features that fits, as "
            f"FeatureDistillation needs one; resume with the losses of the run, {start}"
        )
    for name, value in expected.items():
        value.set_value(arrays[name])
