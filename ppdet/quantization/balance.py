"""Chooses the channel scales of an activation: how far its channels are brought to one size.

Full equalization leaves each channel of an activation the same precision, but the weights that absorb its scales get
uneven, and share one scale for an output. A channel with rare huge values then costs the weights of all others. The
strength between none and full that gives the convolutions the smallest errors is chosen for each tensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ppdet.quantization.min_max import equal_channels, quantizer_with, tensor_quantizer
from ppdet.quantization.moments import Moments, in_blocks, of_outputs, output_variances, scaled_second
from ppdet.quantization.network import Conv
from ppdet.quantization.plan import Quantizer, Rules, input_scales
from ppdet.quantization.ranges import ChannelRange

_STRENGTHS = np.linspace(0, 1, 11)  # powers of the scales of full equalization


def balanced_quantizer(
    channels: ChannelRange, convs: Sequence[Conv], sums: Mapping[str, Moments], rules: Rules
) -> Quantizer:
    """Returns the quantizer of a tensor.

    Args:
        channels: its range.
        convs: the convolutions that read it; none: all channels get the same precision.
        sums: the moments of their inputs.
        rules: those of the target.
    """
    if not convs or not rules.channel_quantizers:
        return tensor_quantizer(channels, rules)
    scales = equal_channels(channels, symmetric=rules.symmetric)
    candidates = [quantizer_with(channels, scales ** np.float32(strength), rules) for strength in _STRENGTHS]
    return min(candidates, key=lambda each: sum(_error(conv, sums[conv.name], each) for conv in convs))


def _error(conv: Conv, sums: Moments, quantizer: Quantizer) -> float:
    """Returns the expected squared error of the outputs relative to their variances, the mean of all channels.

    A rounding error is spread evenly over a step, so its square is a twelfth of the step's on average.
    """
    scaled = conv.weight * input_scales(quantizer.channel_scales, conv.weight.shape)
    energy = np.einsum("gkk->gk", scaled_second(conv, sums, quantizer.channel_scales))  # [G, K]
    of_rows = np.broadcast_to(energy.sum(axis=1)[:, None], in_blocks(conv, scaled).shape[:2])
    energies = of_outputs(conv, of_rows)
    axes = (1, 2, 3)
    of_weights = (np.abs(scaled).max(axis=axes) / 127) ** 2 * energies
    of_input = quantizer.scale**2 * (scaled**2).sum(axis=axes)
    return float(((of_weights + of_input) / 12 / output_variances(conv, sums)).mean())
