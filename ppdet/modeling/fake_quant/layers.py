"""Layers that compute as INT8 kernels do, in float32, with gradients that pass the rounding straight through."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from ppdet.modeling.fake_quant.integer_gate import fake_gate, integer_gate
from ppdet.modeling.fake_quant.quantizer import (
    PADDLE_KERNELS,
    FakeQuantizer,
    Kernels,
    keep_constant,
    plain_convolution,
    round_half_even,
)
from ppdet.modeling.layers import ConvNormAct

WEIGHT_LIMIT = 127  # weights are symmetric: -127..127


def in_input_units(conv: nn.Conv2D, weight: paddle.Tensor) -> paddle.Tensor:
    """The weight that multiplies the input of a convolution in units of its channel scales."""
    return weight if conv.input_scales is None else weight * conv.input_scales


class Quantizers(NamedTuple):
    """The quantizers of one convolution.

    A named tuple is no layer: the model holds the quantizers in one list, because convolutions share them. `gate` is
    that of the hard swish behind the convolution, if it is computed in integers.
    """

    input: FakeQuantizer
    weight: FakeQuantizer
    output: FakeQuantizer | None
    gate: FakeQuantizer | None = None


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
        x = _convolution(self.conv, x, *folded(self.conv, self.norm), self.kernels)
        return _activated(self, x, self.conv.quantizers)


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
        x = self.total(x, self.total.weight, folded(self.conv, self.norm)[1])
        return _activated(self, x, self.total.quantizers)

    def row_weight(self) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Weight [k, C, 1, k] and bias [k] of the first convolution."""
        weight = folded(self.conv, self.norm)[0].squeeze(0).transpose([1, 0, 2]).unsqueeze(2)
        return weight, paddle.zeros([weight.shape[0]])


def _activated(layer: ConvNormAct, x: paddle.Tensor, quantizers: Quantizers) -> paddle.Tensor:
    if quantizers.output and quantizers.gate:
        return (fake_gate if layer.training else integer_gate)(x, quantizers.output, quantizers.gate)
    act = _hard_swish if layer.act is F.hardswish and not layer.training else layer.act
    return act(x) if act else x


def _hard_swish(x: paddle.Tensor) -> paddle.Tensor:
    """Hard swish by the operations of ONNX, in their order: another rounding could change the integer that follows."""
    return x * (x * (1 / 6) + 0.5).clip(0, 1)
