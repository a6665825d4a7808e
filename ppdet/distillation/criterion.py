"""The losses of a distillation: the model's own, and its differences from the teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import paddle

from ppdet.distillation.losses import DistillationLoss, Predictions
from ppdet.distillation.network import DistilledOutputs
from ppdet.modeling import PicoDet
from ppdet.modeling.criterion import Divisor, at_least_one
from ppdet.modeling.structures import LossSums, Matched, Targets


class DistilledMatch(NamedTuple):
    """Predictions of a batch, what they should be by the labels, and what the teacher predicts.

    `avg_factor` [2] is that of `own`.
    """

    own: Matched
    avg_factor: paddle.Tensor
    student: Predictions
    teacher: Predictions


class DistilledSums(NamedTuple):
    """Losses of a batch that are not normalized yet: the model's own, and a scalar for each of `losses`."""

    own: LossSums
    losses: Sequence[DistillationLoss]
    sums: Sequence[paddle.Tensor]

    def normalize(self, divisor: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """Divides all sums by `divisor` [2] of the whole update, as `LossSums.normalize`; `loss` is the sum of all."""
        losses = self.own.normalize(divisor)
        for loss, total in zip(self.losses, self.sums, strict=True):
            value = total / divisor[0 if loss.by_class else 1]
            losses[f"loss_distill_{loss.name}"] = value
            losses["loss"] = losses["loss"] + value
        return losses


@dataclass(frozen=True, eq=False)
class DistillationCriterion:
    """Takes the place of the model's criterion, with DistilledOutputs in place of HeadOutputs."""

    model: PicoDet
    losses: Sequence[DistillationLoss]

    def __call__(
        self,
        outputs: DistilledOutputs,
        targets: Targets,
        epoch: int,
        reduce: Callable[[paddle.Tensor], Divisor] = at_least_one,
    ) -> dict[str, paddle.Tensor]:
        """Losses of a batch, as those of `Criterion`, and `loss_distill_<name>` for each difference."""
        matched = self.match(outputs, targets, epoch)
        divisor = reduce(matched.avg_factor)
        return self.sums(matched).normalize(divisor())

    def match(self, outputs: DistilledOutputs, targets: Targets, epoch: int) -> DistilledMatch:
        """All predictions in float32, and what they should be."""
        own = self.model.criterion.match(outputs.student.head, targets, epoch)
        student = self._predictions(own.cls, own.reg, outputs.student.features)
        teacher = outputs.teacher
        return DistilledMatch(own, own.avg_factor, student, self._predictions(*teacher.head[:2], teacher.features))

    def sums(self, matched: DistilledMatch) -> DistilledSums:
        """Losses before their division."""
        sums = [loss(matched.student, matched.teacher) for loss in self.losses]
        return DistilledSums(self.model.criterion.sums(matched.own), self.losses, sums)

    def _predictions(self, cls: paddle.Tensor, reg: paddle.Tensor, features: paddle.Tensor | None) -> Predictions:
        """Outputs of a head of the model's kind, and features, as predictions in float32."""
        prob = self.model.head.probabilities(cls.astype("float32"))
        bins = reg.astype("float32").reshape([*reg.shape[:2], 4, reg.shape[2] // 4])
        return Predictions(prob, bins, None if features is None else features.astype("float32"))
