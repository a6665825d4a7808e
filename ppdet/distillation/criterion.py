"""The losses of a distillation: the model's own, and its differences from the teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import paddle

from ppdet.distillation.losses import DistillationLoss, Predictions
from ppdet.distillation.network import DistilledOutputs
from ppdet.modeling import PicoDet
from ppdet.modeling.criterion import AnyCriterion
from ppdet.modeling.structures import LossSums, Matched, Targets


class DistilledMatch(NamedTuple):
    """Predictions of a batch, what they should be by the labels, and what the teacher predicts.

    `avg_factor` [2] is that of `own`. `student` and `teacher` are at the points where the teacher is most certain.
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
    label_weight: float = 1.0

    def normalize(self, divisor: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """Divides all sums by `divisor` [2] of the whole update, as `LossSums.normalize`; `loss` is the sum of all."""
        losses = self.own.normalize(divisor)
        losses["loss"] = losses["loss"] * self.label_weight
        for loss, total in zip(self.losses, self.sums, strict=True):
            value = total / divisor[0 if loss.by_class else 1]
            losses[f"loss_distill_{loss.name}"] = value
            losses["loss"] = losses["loss"] + value
        return losses


def most_certain(prob: paddle.Tensor) -> paddle.Tensor:
    """The quarter of the points at which a class scores highest, of probabilities [B, L, C]: indices [B, ceil(L / 4)].

    The others are background to a trained teacher. They have next to no weight in the losses, which cost a quarter so.
    """
    count = -(-prob.shape[1] // 4)
    indices: paddle.Tensor = prob.max(axis=-1).topk(count, axis=-1, sorted=False)[1]
    return indices


def at_points(predictions: Predictions, index: paddle.Tensor) -> Predictions:
    """The predictions at some points of each image, at `index` [B, K] of [B, L]."""
    batch, length = predictions.prob.shape[:2]
    rows = (index + length * paddle.arange(batch, dtype=index.dtype).unsqueeze(-1)).flatten()

    def take(values: paddle.Tensor) -> paddle.Tensor:
        return values.flatten(0, 1).gather(rows).reshape([*index.shape, *values.shape[2:]])

    return Predictions(*(None if values is None else take(values) for values in predictions))


@dataclass(frozen=True, eq=False)
class DistillationCriterion(AnyCriterion):
    """Takes the place of the model's criterion, with DistilledOutputs in place of HeadOutputs.

    Its losses are those of the model's, and `loss_distill_<name>` for each difference.
    """

    model: PicoDet
    losses: Sequence[DistillationLoss]
    label_weight: float = 1.0  # of the model's own losses in the sum

    def match(self, outputs: DistilledOutputs, targets: Targets, epoch: int) -> DistilledMatch:
        """All predictions in float32, and what they should be."""
        own = self.model.criterion.match(outputs.student.head, targets, epoch)
        student = self._predictions(own.cls, own.reg, outputs.student.features)
        teacher = self._predictions(*outputs.teacher.head[:2], outputs.teacher.features)
        index = most_certain(teacher.prob)
        return DistilledMatch(own, own.avg_factor, at_points(student, index), at_points(teacher, index))

    def sums(self, matched: DistilledMatch) -> DistilledSums:
        """Losses before their division."""
        sums = [loss(matched.student, matched.teacher) for loss in self.losses]
        return DistilledSums(self.model.criterion.sums(matched.own), self.losses, sums, self.label_weight)

    def _predictions(self, cls: paddle.Tensor, reg: paddle.Tensor, features: paddle.Tensor | None) -> Predictions:
        """Outputs of a head of the model's kind, and features, as predictions in float32."""
        prob = self.model.head.probabilities(cls.astype("float32"))
        bins = reg.astype("float32").reshape([*reg.shape[:2], 4, reg.shape[2] // 4])
        return Predictions(prob, bins, None if features is None else features.astype("float32"))
