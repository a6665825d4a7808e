"""The section `Distillation` of a config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from ppdet.core.errors import UserError
from ppdet.core.registry import Component, register
from ppdet.distillation.losses import DistillationLoss

_EXPORTS = (".onnx", ".xml", ".pdmodel", ".pdiparams", ".json")


@register
class Distillation:
    """A training in which the model also learns from a larger one of its family, its teacher.

    Only a training reads this section. The trained model is the same with it and without it.

    Args:
        teacher: config of the teacher: a path, or the name of one that comes with ppdet. The config.yml in the output
            folder of the teacher's training is one.
        teacher_weights: path, URL or name of the teacher's weights.
        losses: the differences that the training makes small, each once.
    """

    def __init__(self, teacher: str, teacher_weights: str, losses: Sequence[Component[DistillationLoss]]) -> None:
        for key, value, expected in (
            ("teacher", teacher, "the config (.yml) it was trained with"),
            ("teacher_weights", teacher_weights, "its weights (.pdparams)"),
        ):
            if PurePath(value).suffix in _EXPORTS:
                raise UserError(
                    f"Distillation.{key}: found {value}, an exported model; expected {expected}; TeacherLabels learns "
                    "from the detections of an exported model"
                )
        names = [type(loss).__name__ for loss in losses]
        if not names:
            expected = ", ".join(cls.__name__ for cls in DistillationLoss.__subclasses__())
            raise UserError(f"Distillation.losses: found none; expected at least one of {expected}")
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"Distillation.losses: {twice} is there twice; name each loss once")
        self.teacher = teacher
        self.teacher_weights = teacher_weights
        self.losses = losses
