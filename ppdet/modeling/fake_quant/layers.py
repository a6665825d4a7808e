"""Layers that compute as INT8 kernels do, in float32, with gradients that pass the rounding straight through."""

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


def in_input_units(conv: nn.Conv2D, weight: paddle.Tensor) -> paddle.Tensor:
    """The weight that multiplies the input of a convolution in units of its channel scales."""
    return weight if conv.input_scales is None else weight * conv.input_scales


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
        attr = ParamAttr(initializer=Constant(0.0), regularizer=L2Decay(0.0))
        self.change = self.create_parameter([len(steps)], attr=attr)
        self.register_buffer("first_steps", paddle.to_tensor(np.asarray(steps, np.float32)), persistable=False)
        self.low, self.high, self.kernels = float(low), float(high), kernels
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


class Quantizers(NamedTuple):
    """The quantizers of one convolution.

    A named tuple is no layer: the model holds the quantizers in one list, because convolutions share them.
    """

    input: FakeQuantizer
    weight: FakeQuantizer
    output: FakeQuantizer | None


def int8_convolution(
    conv: nn.Conv2D, x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor, kernels: Kernels
) -> paddle.Tensor:
    """Returns the convolution of x [B, C, H, W] as INT8 kernels compute it.

    Args:
        conv: the layer, which has `quantizers` and `input_scales`, the channel scales of its input in the order of its
            weight.
        x: its input.
        weight: [O, C / groups, kh, kw], which multiplies the input itself.
        bias: [O].
        kernels: compute the convolution of floats.
    """
    quantizers: Quantizers = conv.quantizers
    x = quantizers.input(x.astype("float32"))
    out = kernels.convolution(conv, x, quantizers.weight(in_input_units(conv, weight))) + bias.reshape([1, -1, 1, 1])
    return quantizers.output.in_own_units(out) if quantizers.output else out


def integer_convolution(conv: nn.Conv2D, x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor) -> paddle.Tensor:
    """Returns what `int8_convolution` does, by the arithmetic of integer kernels, without gradients.

    float32 holds integers to 2 ** 24, so that sums of products are exact. A kernel turns them into the integers of the
    output by one factor per channel. Other roundings would change a few values by a step, and each layer more of them.
    """
    quantizers: Quantizers = conv.quantizers
    output = quantizers.output
    rows = quantizers.weight.steps
    over = output.scales.flatten() if output and output.scales is not None else paddle.ones_like(rows)
    steps = rows / over * quantizers.input.steps
    integers = quantizers.weight.integers(in_input_units(conv, weight))
    start = round_half_even(bias / over / steps)
    total = plain_convolution(conv, quantizers.input.integers(x), integers) + start.reshape([1, -1, 1, 1])
    if output is None:
        return total * steps.reshape([1, -1, 1, 1])
    written = round_half_even(total * (steps / output.steps).reshape([1, -1, 1, 1])).clip(output.low, output.high)
    return written * (output.steps * over).reshape([1, -1, 1, 1])


def folded(conv: nn.Conv2D, norm: nn.BatchNorm2D) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Weight and bias of a convolution without bias together with its norm, which has fixed statistics."""
    scale = norm.weight / (norm._variance + norm._epsilon).sqrt()
    return damped(conv.weight) * scale.reshape([-1, 1, 1, 1]), norm.bias - norm._mean * scale


def damped(weight: paddle.Tensor) -> paddle.Tensor:
    """Returns a weight [O, I, kh, kw] as it is, with gradients that are smaller for rows of a norm below 1.

    A row of small weights multiplies large inputs, or a norm with a large factor is behind it. Then its gradients are
    large, and a step that suits other rows would change it many times over. So such a row is trained in units of its
    own norm.
    """
    constant = weight.detach()
    return constant + (weight - constant) * constant.square().sum([1, 2, 3], keepdim=True).clip(max=1.0)


def _convolution(
    conv: nn.Conv2D, x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor, kernels: Kernels
) -> paddle.Tensor:
    if conv.training:
        return int8_convolution(conv, x, weight, bias, kernels)
    return integer_convolution(conv, x, weight, bias)


class FakeQuantConv(nn.Conv2D):
    """A convolution with a bias, in INT8."""

    quantizers: Quantizers
    kernels: Kernels

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return _convolution(self, x, damped(self.weight), self.bias, self.kernels)


class FakeQuantConvNormAct(ConvNormAct):
    """A ConvNormAct whose convolution is in INT8, with the norm folded into it.

    The norm's statistics stay as they are. Its scale and shift are trained as before.
    """

    kernels: Kernels

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return _activated(self, _convolution(self.conv, x, *folded(self.conv, self.norm), self.kernels))


class SplitPart(nn.Layer):
    """One of the two convolutions that a k x k one with one output channel is written as, see export/split_filters.py.

    It has no parameters: the first takes the rows of the filter as its weight, the second has a constant one.
    """

    quantizers: Quantizers

    def __init__(self, padding: tuple[int, int], constant: np.ndarray | None) -> None:
        super().__init__()
        self._stride, self._padding, self._dilation, self._groups = [1, 1], list(padding), [1, 1], 1
        keep_constant(self, "weight", constant)

    def forward(self, x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor) -> paddle.Tensor:
        return _convolution(self, x, weight, bias, PADDLE_KERNELS)


class FakeQuantSplitConvNormAct(ConvNormAct):
    """A ConvNormAct with one filter, in INT8, which is computed as `rows` and `total`."""

    rows: SplitPart
    total: SplitPart

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        weight, bias = self.row_weight()
        x = self.rows(x, weight, bias)
        return _activated(self, self.total(x, self.total.weight, folded(self.conv, self.norm)[1]))

    def row_weight(self) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Weight [k, C, 1, k] and bias [k] of the first convolution."""
        weight = folded(self.conv, self.norm)[0].squeeze(0).transpose([1, 0, 2]).unsqueeze(2)
        return weight, paddle.zeros([weight.shape[0]])


def _activated(layer: ConvNormAct, x: paddle.Tensor) -> paddle.Tensor:
    act = _hard_swish if layer.act is F.hardswish and not layer.training else layer.act
    return act(x) if act else x


def _hard_swish(x: paddle.Tensor) -> paddle.Tensor:
    """Hard swish by the operations of ONNX, in their order: another rounding could change the integer that follows."""
    return x * (x * (1 / 6) + 0.5).clip(0, 1)
