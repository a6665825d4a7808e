"""Detection losses without reduction: the criterion decides weights and divisors."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F

from ppdet.core.ranges import AboveZero, NotNegative
from ppdet.core.registry import register
from ppdet.modeling.boxes import giou


def varifocal_weight(
    prob: paddle.Tensor, target: paddle.Tensor, alpha: float = 0.75, gamma: float = 2.0, iou_weighted: bool = True
) -> paddle.Tensor:
    """Weights of the varifocal loss (Zhang et al., 2021, arXiv:2008.13367): the target, or focal for negatives."""
    positive = (target > 0).astype(target.dtype)
    return positive * (target if iou_weighted else 1.0) + alpha * power((prob - target).abs(), gamma) * (1 - positive)


def power(x: paddle.Tensor, exponent: float) -> paddle.Tensor:
    """x ** exponent. The published exponents are multiplications, which take a twentieth of the time on CPUs."""
    if exponent == 1:
        return x
    if exponent == 2:
        return x.square()
    if exponent == 6:
        return (x.square() * x).square()
    return x.pow(exponent)


def varifocal_loss(prob: paddle.Tensor, target: paddle.Tensor) -> paddle.Tensor:
    """Element-wise varifocal loss of probabilities with the default weights, for assigners."""
    return _cross_entropy(prob, target) * varifocal_weight(prob, target)


def _cross_entropy(prob: paddle.Tensor, target: paddle.Tensor) -> paddle.Tensor:
    # The operator refuses NaN. It must reach the loss (through the weight) to be reported with its step and images.
    return F.binary_cross_entropy(paddle.fmax(prob, paddle.zeros_like(prob)), target, reduction="none")


@register
class VarifocalLoss:
    """Element-wise varifocal loss. `use_sigmoid`: the predictions are logits, not probabilities.

    Args:
        use_sigmoid: predictions are logits, not probabilities.
        alpha: weight of negatives.
        gamma: exponent of a negative's probability in its weight.
        iou_weighted: weight positives by their target.
        loss_weight: factor of this loss in the sum.
    """

    def __init__(
        self,
        use_sigmoid: bool = True,
        alpha: NotNegative = 0.75,
        gamma: NotNegative = 2.0,
        iou_weighted: bool = True,
        loss_weight: NotNegative = 1.0,
    ):
        self.use_sigmoid = use_sigmoid
        self.alpha = alpha
        self.gamma = gamma
        self.iou_weighted = iou_weighted
        self.loss_weight = loss_weight

    def __call__(self, pred: paddle.Tensor, target: paddle.Tensor) -> paddle.Tensor:
        """Loss of `pred` and `target` [..., C] float32, of the same shape."""
        if self.use_sigmoid:
            prob, loss = F.sigmoid(pred), F.binary_cross_entropy_with_logits(pred, target, reduction="none")
        else:
            prob, loss = pred, _cross_entropy(pred, target)
        return self.loss_weight * loss * varifocal_weight(prob, target, self.alpha, self.gamma, self.iou_weighted)


@register
class GIoULoss:
    """1 - GIoU of box pairs.

    Args:
        loss_weight: factor of this loss in the sum.
        eps: added to divisors.
    """

    def __init__(self, loss_weight: NotNegative = 1.0, eps: AboveZero = 1e-10):
        self.loss_weight = loss_weight
        self.eps = eps

    def __call__(self, pred: paddle.Tensor, target: paddle.Tensor) -> paddle.Tensor:
        """Loss [...] of `pred` and `target` [..., 4] xyxy."""
        return self.loss_weight * (1 - giou(pred, target, self.eps))


@register
class DistributionFocalLoss:
    """Cross entropy of the two bins next to the target distance (Li et al., 2020, arXiv:2006.04388).

    Args:
        loss_weight: factor of this loss in the sum.
    """

    def __init__(self, loss_weight: NotNegative = 1.0):
        self.loss_weight = loss_weight

    def __call__(self, logits: paddle.Tensor, target: paddle.Tensor) -> paddle.Tensor:
        """Loss [...] of `logits` [..., R + 1] and `target` [...] in bins, 0 <= target < R."""
        left = target.floor()
        log_prob = F.log_softmax(logits, axis=-1)
        bins = left.astype("int64").unsqueeze(-1)
        at_left = paddle.take_along_axis(log_prob, bins, axis=-1).squeeze(-1)
        at_right = paddle.take_along_axis(log_prob, bins + 1, axis=-1).squeeze(-1)
        return -self.loss_weight * (at_left * (left + 1 - target) + at_right * (target - left))
