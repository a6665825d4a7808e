"""Rounds weights to integers so that the errors of an output's weights cancel out on the calibration images.

Each weight is rounded in turn, and the weights of the same output that are not rounded yet take over its error, as far
as their inputs vary with its own: GPTQ (Frantar et al., 2022), which solves optimal brain quantization (LeCun et al.,
Hassibi and Stork) with one Cholesky factor for all outputs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ppdet.quantization.min_max import conv_plan
from ppdet.quantization.moments import Moments, from_blocks, in_blocks, mean_outputs, of_outputs, scaled_second
from ppdet.quantization.network import Conv
from ppdet.quantization.plan import ConvPlan, Quantizer, Rules, input_scales

_DAMPING = 0.01  # of the mean second moment, added to all: rare inputs say little
_SHRINKS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7)  # of the range of a row's weights: the largest may be cut off


def rounded_plan(conv: Conv, source: Quantizer, sums: Moments, rules: Rules) -> ConvPlan:
    """Returns a convolution with rounded weights.

    Args:
        conv: the float convolution.
        source: the quantizer of its input.
        sums: the moments of its input.
        rules: those of the target.
    """
    plan = conv_plan(conv, source, rules)
    second = scaled_second(conv, sums, source.channel_scales)
    scaled = conv.weight * input_scales(source.channel_scales, conv.weight.shape)
    scales = _best_scales(conv, scaled, plan.weight_scales, second) if rules.channel_weights else plan.weight_scales
    steps = np.broadcast_to(scales.reshape(-1, 1, 1, 1), scaled.shape)
    rows = _compensated(in_blocks(conv, scaled), in_blocks(conv, steps)[:, :, :1], second)
    weight = from_blocks(conv, rows).astype(np.int8)
    error = conv.weight - replace(plan, weight=weight, weight_scales=scales).float_weight(source.channel_scales)
    bias = np.asarray(conv.bias + mean_outputs(conv, error, sums), np.float32)  # the outputs keep their means
    return replace(plan, weight=weight, weight_scales=scales, bias=bias)


def _best_scales(conv: Conv, scaled: np.ndarray, scales: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the scale [O] of each output with the smallest error when its weights are rounded to the nearest."""
    errors = []
    for shrink in _SHRINKS:
        steps = (shrink * scales).reshape(-1, 1, 1, 1)
        change = in_blocks(conv, np.clip(np.rint(scaled / steps), -127, 127) * steps - scaled)
        of_rows = np.einsum("grk,grk->gr", np.matmul(change, second), change)
        errors.append(of_outputs(conv, of_rows))
    return np.asarray(scales * np.array(_SHRINKS)[np.argmin(errors, axis=0)], np.float32)


def _compensated(rows: np.ndarray, steps: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the integers of weights.

    Args:
        rows: [G, R, K] the weights.
        steps: [G, R, 1] their scales.
        second: [G, K, K] the mean of v v^T, where v is what they multiply.
    """
    count = rows.shape[2]
    energy = np.einsum("gkk->gk", second)
    order = np.argsort(-energy, axis=1)  # the most used weights first, while many can still take over their errors
    damping = _DAMPING * energy.mean(axis=1) + np.finfo(np.float32).tiny
    second = second + damping[:, None, None] * np.eye(count)
    second = np.take_along_axis(np.take_along_axis(second, order[:, :, None], 1), order[:, None, :], 2)
    factor = np.linalg.cholesky(np.linalg.inv(second)).transpose(0, 2, 1)  # upper
    left = np.take_along_axis(rows.astype(np.float64), order[:, None, :], 2)
    found = np.empty_like(left)
    for k in range(count):
        found[:, :, k] = np.clip(np.rint(left[:, :, k] / steps[:, :, 0]), -127, 127)
        error = (left[:, :, k] - found[:, :, k] * steps[:, :, 0]) / factor[:, k, k, None]
        left[:, :, k + 1 :] -= error[:, :, None] * factor[:, None, k, k + 1 :]
    return np.take_along_axis(found, np.argsort(order, axis=1)[:, None, :], 2)
