"""The network of a distillation: the student, and the teacher beside it."""

from __future__ import annotations

from typing import NamedTuple

import paddle
from paddle import nn

from ppdet.distillation.projector import Projector
from ppdet.distillation.teacher import Teacher, TeacherOutputs
from ppdet.modeling import PicoDet
from ppdet.modeling.structures import HeadOutputs


class StudentOutputs(NamedTuple):
    """Predictions of a student, and its features [B, L, F], as wide as the teacher's; None if no loss needs them."""

    head: HeadOutputs
    features: paddle.Tensor | None


class DistilledOutputs(NamedTuple):
    """Predictions of student and teacher for the same images."""

    student: StudentOutputs
    teacher: TeacherOutputs


class Student(nn.Layer):
    """The model, with the projector of its features. Both are trained."""

    def __init__(self, model: PicoDet, projector: Projector) -> None:
        super().__init__()
        self.model = model
        self.projector = projector

    def forward(self, image: paddle.Tensor) -> StudentOutputs:
        """Predictions and features for image [B, 3, H, W] float32, normalized."""
        features = self.model.neck(self.model.backbone(image))
        return StudentOutputs(self.model.head(features), self.projector(features))


class DistilledNetwork(nn.Layer):
    """Runs student and teacher. The teacher is no part of this layer: nothing trains, saves or switches it.

    Args:
        student: returns HeadOutputs or StudentOutputs for an image.
        teacher: the teacher.
    """

    def __init__(self, student: nn.Layer, teacher: Teacher) -> None:
        super().__init__()
        self.student = student
        self.teacher = teacher

    def forward(self, image: paddle.Tensor) -> DistilledOutputs:
        """Predictions for image [B, 3, H, W] float32, normalized."""
        found = self.student(image)
        student = found if isinstance(found, StudentOutputs) else StudentOutputs(found, None)
        return DistilledOutputs(student, self.teacher(image))
