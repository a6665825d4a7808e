"""Differences between a student and its teacher, summed over the grid points of a batch.

A point counts by the square of the teacher's best score there, so that background does not drown objects: it is most
of the points, and the scores of a trained model there are small, but not zero.
The sums have the divisor of the student's own losses: an update does not depend on how its images are spread.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import paddle
import paddle.nn.functional as F

from ppdet.core.ranges import AboveZero, NotNegative
from ppdet.core.registry import register
from ppdet.modeling.losses import power


class Predictions(NamedTuple):
    """Predictions of one network for the points of a batch, in float32.

    Attributes:
        prob: [B, L, C] probabilities of the classes
        reg: [B, L, 4, reg_max + 1] logits of the distances left, top, right, bottom
        features: [B, L, F] features of the neck; None if no loss needs them
    """

    prob: paddle.Tensor
    reg: paddle.Tensor
    features: paddle.Tensor | None = None


class DistillationLoss:
    """A difference between student and teacher.

    Attributes:
        name: in the log it is `loss_distill_<name>`.
        by_class: whether its divisor is that of the class loss; otherwise that of the box losses.
        needs_features: whether it compares `Predictions.features`.
        needs_bins: whether it compares `Predictions.reg`, so that both must have the same reg_max.
    """

    name: ClassVar[str]
    by_class: ClassVar[bool] = False
    needs_features: ClassVar[bool] = False
    needs_bins: ClassVar[bool] = False

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, student: Predictions, teacher: Predictions) -> paddle.Tensor:
        """Returns the weighted sum over all points, a scalar."""
        certainty = teacher.prob.max(axis=-1).square()
        return (self.per_point(student, teacher) * certainty).sum() * self.weight

    def per_point(self, student: Predictions, teacher: Predictions) -> paddle.Tensor:
        """Returns the difference [B, L] at each point."""
        raise NotImplementedError


@register
class ClassDistillation(DistillationLoss):
    """Cross entropy of the class scores, focused on those that differ: the quality focal loss (arXiv:2006.04388).

    Args:
        weight: factor of this loss in the sum.
        gamma: exponent of the difference of two scores in its weight; 0 weights all alike.
    """

    name = "cls"
    by_class = True

    def __init__(self, weight: NotNegative = 1.0, gamma: NotNegative = 1.0) -> None:
        super().__init__(weight)
        self.gamma = gamma

    def per_point(self, student: Predictions, teacher: Predictions) -> paddle.Tensor:
        found, target = student.prob, teacher.prob
        # The operator refuses NaN, which the student's own losses bring into the sum.
        entropy = F.binary_cross_entropy(paddle.fmax(found, paddle.zeros_like(found)), target, reduction="none")
        if self.gamma:
            entropy = entropy * power((found.detach() - target).abs(), self.gamma)
        return entropy.sum(axis=-1)


@register
class BoxDistillation(DistillationLoss):
    """Localization distillation (Zheng et al., 2022, arXiv:2102.12252): divergence of the distributions of distances.

    Args:
        weight: factor of this loss in the sum.
        temperature: divisor of the logits; larger ones also compare the less probable distances.
    """

    name = "box"
    needs_bins = True

    def __init__(self, weight: NotNegative = 1.0, temperature: AboveZero = 2.0) -> None:
        super().__init__(weight)
        self.temperature = temperature

    def per_point(self, student: Predictions, teacher: Predictions) -> paddle.Tensor:
        target = F.log_softmax(teacher.reg / self.temperature, axis=-1)
        found = F.log_softmax(student.reg / self.temperature, axis=-1)
        divergence = (target.exp() * (target - found)).sum(axis=-1)
        return divergence.mean(axis=-1) * self.temperature**2  # gradients stay as large as without a temperature


@register
class FeatureDistillation(DistillationLoss):
    """Squared difference of the neck's features, of which each point's have mean 0 and variance 1.

    The student's features pass a projector, which is trained with it and not part of the trained model.

    Args:
        weight: factor of this loss in the sum.
    """

    name = "feat"
    needs_features = True

    def __init__(self, weight: NotNegative = 1.0) -> None:
        super().__init__(weight)

    def per_point(self, student: Predictions, teacher: Predictions) -> paddle.Tensor:
        assert student.features is not None  # the network has them if a loss needs them
        assert teacher.features is not None
        return (_standardized(student.features) - _standardized(teacher.features)).square().mean(axis=-1)


def _standardized(features: paddle.Tensor) -> paddle.Tensor:
    return F.layer_norm(features, features.shape[-1:], epsilon=1e-5)
