"""A plain plan: ranges from the smallest to the largest value seen, channels brought to one size, weights rounded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ppdet.quantization.integer_gates import with_shared_scales
from ppdet.quantization.network import Conv, Network
from ppdet.quantization.plan import LARGEST_BIAS, ConvPlan, Plan, Quantizer, Rules, input_scales, rounded_weight
from ppdet.quantization.ranges import ChannelRange

_SMALLEST = 1e-4  # of the largest channel scale; smaller channels, as dead ones, count as this large
_SMALLEST_STEP = 1e-30  # of weights; that of their products with an input is no denormal number either
_PARTS = [zero_point / 255 for zero_point in range(256)]  # the negative part of a range; so that 0 is an integer


def min_max_plan(network: Network, ranges: Mapping[str, ChannelRange], rules: Rules) -> Plan:
    """Returns the plan that quantizes all convolutions of a network.

    Args:
        network: the float model.
        ranges: those of all tensors that its convolutions read and write.
        rules: those of the target.
    """
    convs = network.convs.values()
    tensors = {conv.input: tensor_quantizer(ranges[conv.input], rules) for conv in convs}
    if rules.outputs:
        written = [conv.output for conv in convs if conv.output not in tensors]
        tensors |= {name: tensor_quantizer(ranges[name], rules) for name in written}
    plans = {conv.name: conv_plan(conv, tensors[conv.input], rules) for conv in convs}
    return with_shared_scales(Plan(rules, tensors, plans), network.model.graph)


def conv_plan(conv: Conv, source: Quantizer, rules: Rules) -> ConvPlan:
    """Returns a convolution with its weights rounded to the nearest integers; `source` is its input's quantizer."""
    scaled = conv.weight * input_scales(source.channel_scales, conv.weight.shape)
    smallest = np.maximum(np.abs(conv.bias) / (LARGEST_BIAS * source.scale), _SMALLEST_STEP)
    weight, scales = rounded_weight(scaled, smallest, per_channel=rules.channel_weights)
    return ConvPlan(conv.input, conv.output, weight, scales, conv.bias)


def tensor_quantizer(channels: ChannelRange, rules: Rules) -> Quantizer:
    """Returns the quantizer that holds all values of a tensor, if the rules allow with the same steps per channel."""
    scales = equal_channels(channels, symmetric=rules.symmetric)
    return quantizer_with(channels, scales if rules.channel_quantizers else np.ones_like(scales), rules)


def quantizer_with(channels: ChannelRange, scales: np.ndarray, rules: Rules) -> Quantizer:
    """Returns the quantizer that holds all values of a tensor with the given channel scales [C]."""
    low, high = float((channels.low / scales).min()), float((channels.high / scales).max())
    return Quantizer.of_range(low, high, scales, symmetric=rules.symmetric)


def equal_channels(channels: ChannelRange, *, symmetric: bool) -> np.ndarray:
    """Returns the channel scales [C] with which all channels of a tensor fill its range.

    All channels share the zero point, that is the proportion of the negative and the positive part. The chosen one
    makes the product of the channels' steps smallest.
    """
    below, above = np.maximum(-channels.low, 0), np.maximum(channels.high, 0)
    if symmetric:
        return _floored(np.maximum(below, above))
    candidates = [_fitting(below, above, part) for part in _PARTS]
    return min(candidates, key=lambda scales: float(np.log(scales).sum()))


def _fitting(below: np.ndarray, above: np.ndarray, part: float) -> np.ndarray:
    """Returns the channel scales [C] with which the range from -part to 1 - part holds all channels."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scales = np.maximum(np.where(below > 0, below / part, 0), np.where(above > 0, above / (1 - part), 0))
    return _floored(scales)


def _floored(scales: np.ndarray) -> np.ndarray:
    largest = float(scales.max())
    return np.asarray(np.maximum(scales, largest * _SMALLEST if largest > 0 else 1), np.float32)
