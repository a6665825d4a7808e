"""Layers that compute as INT8 kernels do, in float32, with gradients that pass the rounding straight through."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import Assign
from paddle.regularizer import L2Decay

from ppdet.modeling.layers import ConvNormAct

WEIGHT_LIMIT = 127  # weights are symmetric: -127..127


def plain_convolution(conv: nn.Conv2D, x: paddle.Tensor, weight: paddle.Tensor) -> paddle.Tensor:
    """The convolution of x [B, C, H, W] with another weight than the layer's own, without a bias."""
    return F.conv2d(x, weight, None, conv._stride, conv._padding, conv._dilation, conv._groups)


def plain_rounding(
    x: paddle.Tensor, step: paddle.Tensor, scales: paddle.Tensor | None, low: float, high: float
) -> paddle.Tensor:
    """Returns `step * clip(round(x / (step * scales)), low, high)`, with gradients straight through the rounding.

    Args:
        x: the values.
        step: the value of a step.
        scales: further factors of it; None: all are 1.
        low: the smallest integer.
        high: the largest integer.
    """
    position = (x / (step if scales is None else step * scales)).clip(low, high)
    return (position + (position.round() - position).detach()) * step


class Kernels(NamedTuple):
    """The two functions that most of the time is spent in, as those above."""

    convolution: Callable[[nn.Conv2D, paddle.Tensor, paddle.Tensor], paddle.Tensor] = plain_convolution
    rounding: Callable[[paddle.Tensor, paddle.Tensor, paddle.Tensor | None, float, float], paddle.Tensor] = (
        plain_rounding
    )


PADDLE_KERNELS = Kernels()


class FakeQuantizer(nn.Layer):
    """Rounds values to integers times a step that is trained (LSQ, Esser et al., 2020, arXiv:1902.08153).

    Rounding has the gradient 1, a value beyond the limits the gradient 0. The step's gradient is divided by the square
    root of the number of values that share the step and of the largest integer, so that steps and weights change at
    one rate.

    Args:
        steps: [1] of an activation, [O] of a weight with O rows.
        low: the smallest integer, minus the zero point.
        high: the largest integer, minus the zero point.
        channel_scales: [C] of an activation [B, C, H, W], which is divided by them first; None: all are 1.
        kernels: used in training.
    """

    def __init__(
        self,
        steps: np.ndarray,
        low: int,
        high: int,
        channel_scales: np.ndarray | None = None,
        kernels: Kernels = PADDLE_KERNELS,
    ) -> None:
        super().__init__()
        attr = ParamAttr(initializer=Assign(np.asarray(steps, np.float32)), regularizer=L2Decay(0.0))
        self.steps = self.create_parameter([len(steps)], attr=attr)
        self.low, self.high, self.kernels = float(low), float(high), kernels
        self.scales: tuple[paddle.Tensor, ...] = ()  # in a tuple, a constant is no entry of the state dict
        if channel_scales is not None and not np.all(channel_scales == 1):
            self.scales = (paddle.to_tensor(np.asarray(channel_scales, np.float32).reshape(1, -1, 1, 1)),)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Returns x [B, C, H, W] or a weight [O, ...], in units of its channel scales, as it is after rounding."""
        kernels = self.kernels if self.training else PADDLE_KERNELS
        step = self._scaled_gradient(math.prod(x.shape[1:]))
        return kernels.rounding(x, step, self.scales[0] if self.scales else None, self.low, self.high)

    def in_own_units(self, x: paddle.Tensor) -> paddle.Tensor:
        """Returns x [B, C, H, W] as it is after rounding."""
        return self(x) * self.scales[0] if self.scales else self(x)

    def _scaled_gradient(self, values: int) -> paddle.Tensor:
        """The steps [S, 1, 1, 1], with the gradient of steps that `values` values share."""
        constant = self.steps.detach()
        steps = constant + (self.steps - constant) / math.sqrt(values * max(self.high, 1))
        return steps.clip(min=float(np.finfo(np.float32).tiny)).reshape([-1, 1, 1, 1])


class Quantizers(NamedTuple):
    """The quantizers of one convolution, and the channel scales of its input in the order of its weight.

    A named tuple is no layer: the model holds the quantizers in one list, because convolutions share them.
    """

    input: FakeQuantizer
    weight: FakeQuantizer
    output: FakeQuantizer | None
    input_scales: paddle.Tensor | None


def int8_convolution(
    conv: nn.Conv2D, x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor, kernels: Kernels
) -> paddle.Tensor:
    """Returns the convolution of x [B, C, H, W] as INT8 kernels compute it.

    Args:
        conv: the layer, which has `quantizers`.
        x: its input.
        weight: [O, C / groups, kh, kw], which multiplies the input itself.
        bias: [O].
        kernels: compute the convolution of floats.
    """
    quantizers: Quantizers = conv.quantizers
    x = quantizers.input(x.astype("float32"))
    if quantizers.input_scales is not None:
        weight = weight * quantizers.input_scales
    out = kernels.convolution(conv, x, quantizers.weight(weight)) + bias.reshape([1, -1, 1, 1])
    return quantizers.output.in_own_units(out) if quantizers.output else out


def folded(conv: nn.Conv2D, norm: nn.BatchNorm2D) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Weight and bias of a convolution without bias together with its norm, which has fixed statistics."""
    scale = norm.weight / (norm._variance + norm._epsilon).sqrt()
    return conv.weight * scale.reshape([-1, 1, 1, 1]), norm.bias - norm._mean * scale


class FakeQuantConv(nn.Conv2D):
    """A convolution with a bias, in INT8."""

    quantizers: Quantizers
    kernels: Kernels

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        kernels = self.kernels if self.training else PADDLE_KERNELS
        return int8_convolution(self, x, self.weight, self.bias, kernels)


class FakeQuantConvNormAct(ConvNormAct):
    """A ConvNormAct whose convolution is in INT8, with the norm folded into it.

    The norm's statistics stay as they are. Its scale and shift are trained as before.
    """

    kernels: Kernels

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        kernels = self.kernels if self.training else PADDLE_KERNELS
        x = int8_convolution(self.conv, x, *folded(self.conv, self.norm), kernels)
        return self.act(x) if self.act else x
