"""Hard swish between integers: what `ppdet/quantization/integer_gates.py` writes for ONNX Runtime, in float32."""

from __future__ import annotations

import paddle

from ppdet.modeling.fake_quant.quantizer import FakeQuantizer, round_half_even

_FULL = 255
_LARGEST_BIAS = 2.0**30  # as in ppdet.quantization.plan


def fake_gate(z: paddle.Tensor, source: FakeQuantizer, result: FakeQuantizer) -> paddle.Tensor:
    """Returns the hard swish of z [B, C, H, W] after rounding, with gradients that pass it straight through.

    Args:
        z: what a convolution wrote, after rounding.
        source: the quantizer of z.
        result: that of the hard swish, with the same channel scales.
    """
    factor = (z * (1 / 6) + 0.5).clip(0, 1)
    if not source.is_even:
        factor = factor + ((factor * _FULL).round() / _FULL - factor).detach()
    return result.in_own_units(z * factor)


def integer_gate(z: paddle.Tensor, source: FakeQuantizer, result: FakeQuantizer) -> paddle.Tensor:
    """Returns what `fake_gate` does, by the arithmetic of integer kernels, without gradients."""
    integers = source.integers(z)
    factor, step = (_clipped if source.is_even else _convolved)(integers, source)
    position = integers * factor * (source.steps * step / result.steps)
    rounded = round_half_even(position - result.low) + result.low  # the kernel adds the zero point before it rounds
    steps = result.steps if result.scales is None else result.steps * result.scales
    return rounded.clip(result.low, result.high) * steps


def _clipped(integers: paddle.Tensor, source: FakeQuantizer) -> tuple[paddle.Tensor, paddle.Tensor]:
    """The integers of the factor and their step, if the value 3 is a whole number of steps of z."""
    zero_point = -source.low
    step = source.steps if source.scales is None else source.steps * source.scales.flatten()[:1]
    return (integers + zero_point).clip(max=min(2 * zero_point, _FULL)), step / paddle.full([1], 6.0)


def _convolved(integers: paddle.Tensor, source: FakeQuantizer) -> tuple[paddle.Tensor, paddle.Tensor]:
    """The integers of the factor and their step, from a depthwise 1x1 convolution of the integers of z."""
    unit = paddle.full([1], 1 / _FULL)
    steps = paddle.maximum(source.scales / paddle.full([1], 6.0 * 127), 0.5 / (_LARGEST_BIAS * source.steps))
    weight = round_half_even(source.scales / (6 * steps))
    bias = round_half_even(0.5 / (steps * source.steps))
    total = integers * weight + bias
    return round_half_even(total * (steps * source.steps / unit)).clip(0, _FULL), unit
