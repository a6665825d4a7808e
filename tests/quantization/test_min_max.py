"""Plans from ranges."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.quantization.min_max import conv_plan, tensor_quantizer
from ppdet.quantization.network import Conv
from ppdet.quantization.plan import Rules
from ppdet.quantization.ranges import ChannelRange

UNEVEN = ChannelRange(np.array([-0.1, -10, 0], np.float32), np.array([0.3, 30, 3], np.float32))


@pytest.mark.parametrize("symmetric", [False, True])
def test_channels_of_any_size_keep_their_precision(symmetric):
    found = tensor_quantizer(UNEVEN, Rules(symmetric=symmetric))
    steps = found.steps / (UNEVEN.high - UNEVEN.low)
    assert steps.max() < 2.1 / 255
    ends = np.stack([UNEVEN.low, UNEVEN.high])
    np.testing.assert_allclose(found.fake(ends), ends, atol=float(found.steps.max()))
    assert (np.abs(found.fake(ends) - ends) <= 0.5001 * found.steps).all()


def test_a_target_without_channel_scales_has_one_range():
    found = tensor_quantizer(UNEVEN, Rules(channel_quantizers=False))
    assert found.channel_scales.tolist() == [1, 1, 1]
    assert found.scale == pytest.approx(40 / 255)


def test_a_dead_channel_and_a_dead_tensor():
    dead = ChannelRange(np.zeros(2, np.float32), np.array([0, 5], np.float32))
    assert np.isfinite(tensor_quantizer(dead, Rules()).steps).all()
    nothing = ChannelRange(np.zeros(2, np.float32), np.zeros(2, np.float32))
    assert tensor_quantizer(nothing, Rules()).fake(np.zeros((1, 2))).tolist() == [[0, 0]]


@pytest.mark.parametrize("bias", [0, 1e6])
def test_a_convolution_takes_its_input_in_units_of_channel_scales(bias):
    weight = np.array([[1, 2, 3], [0, 0, 0]], np.float32)[:, :, None, None]
    source = tensor_quantizer(UNEVEN, Rules())
    found = conv_plan(Conv("c", "x", "y", weight, np.full(2, bias, np.float32), 1, {}), source, Rules())
    scaled = weight[:, :, 0, 0] * source.channel_scales
    assert np.abs(found.scaled_weight[:, :, 0, 0] - scaled).max() <= found.weight_scales.max() / 2
    assert (np.abs(found.bias / (found.weight_scales * source.scale)) < 2**31).all()
