"""Rounds values as integers do, in float32, with gradients that pass the rounding straight through."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import Constant
from paddle.regularizer import L2Decay


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


def round_half_even(x: paddle.Tensor) -> paddle.Tensor:
    """Returns x rounded as ONNX and integer kernels do, halves to the even neighbor; Paddle 2.6 rounds them up."""
    rounded = x.round()
    return paddle.where((rounded - x).abs() == 0.5, 2 * (x / 2).round(), rounded)


class Kernels(NamedTuple):
    """The two functions that most of the time is spent in, as those above."""

    convolution: Callable[[nn.Conv2D, paddle.Tensor, paddle.Tensor], paddle.Tensor] = plain_convolution
    rounding: Callable[[paddle.Tensor, paddle.Tensor, paddle.Tensor | None, float, float], paddle.Tensor] = (
        plain_rounding
    )


PADDLE_KERNELS = Kernels()


def keep_constant(layer: nn.Layer, name: str, values: np.ndarray | None) -> None:
    """Gives a layer a constant float32 tensor that is no entry of its state dict; None if all values are 1."""
    needed = values is not None and not np.all(values == 1)
    tensor = paddle.to_tensor(np.asarray(values, np.float32)) if needed else None
    layer.register_buffer(name, tensor, persistable=False)


class FakeQuantizer(nn.Layer):
    """Rounds values to integers times a step that is trained (LSQ, Esser et al., 2020, arXiv:1902.08153).

    Rounding has the gradient 1, a value beyond the limits the gradient 0. The logarithm of a step's change is trained,
    because the unit of a step says nothing: channel scales may be in it or not. Its gradient is divided by the square
    root of the number of values that share the step, whose errors it sums up.

    Args:
        steps: [1] of an activation, [O] of a weight with O rows.
        low: the smallest integer, minus the zero point.
        high: the largest integer, minus the zero point.
        channel_scales: [C] of an activation [B, C, H, W], which is divided by them first; None: all are 1.
        kernels: used in training.
        trained: whether its steps are trained.
    """

    def __init__(
        self,
        steps: np.ndarray,
        low: int,
        high: int,
        channel_scales: np.ndarray | None = None,
        kernels: Kernels = PADDLE_KERNELS,
        trained: bool = True,
    ) -> None:
        super().__init__()
        attr = ParamAttr(initializer=Constant(0.0), regularizer=L2Decay(0.0), trainable=trained)
        self.change = self.create_parameter([len(steps)], attr=attr)
        self.register_buffer("first_steps", paddle.to_tensor(np.asarray(steps, np.float32)), persistable=False)
        self.low, self.high, self.kernels = float(low), float(high), kernels
        self.is_even = channel_scales is None or bool((channel_scales == channel_scales[0]).all())
        keep_constant(self, "scales", None if channel_scales is None else channel_scales.reshape(1, -1, 1, 1))

    @property
    def steps(self) -> paddle.Tensor:
        """The steps, [1] or [O]."""
        return self.first_steps * self.change.exp()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Returns x [B, C, H, W] or a weight [O, ...], in units of its channel scales, as it is after rounding."""
        constant = self.change.detach()  # the value stays, the gradient becomes a part of itself
        change = constant + (self.change - constant) / math.sqrt(math.prod(x.shape[1:]))
        step = (self.first_steps * change.exp()).reshape([-1, 1, 1, 1])
        return self.kernels.rounding(x, step, self.scales, self.low, self.high)

    def integers(self, x: paddle.Tensor) -> paddle.Tensor:
        """Returns the integers of x [B, C, H, W] or of a weight [O, ...], minus the zero point, as float32."""
        step = self.steps.reshape([-1, 1, 1, 1])
        position = x / (step if self.scales is None else step * self.scales)
        return round_half_even(position).clip(self.low, self.high)

    def in_own_units(self, x: paddle.Tensor) -> paddle.Tensor:
        """Returns x [B, C, H, W] as it is after rounding."""
        return self(x) if self.scales is None else self(x) * self.scales
