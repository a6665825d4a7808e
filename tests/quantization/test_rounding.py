"""Weights in integers, whose errors cancel out on the images."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.quantization import moments as module
from ppdet.quantization.min_max import conv_plan
from ppdet.quantization.moments import blocks, from_blocks, in_blocks, moments, output_variances, scaled_second
from ppdet.quantization.network import Conv
from ppdet.quantization.plan import ConvPlan, Quantizer, Rules
from ppdet.quantization.rounding import rounded_plan

SIZE = 6


def convolution(outputs: int, per_group: int, groups: int, side: int) -> Conv:
    weight = np.random.default_rng(0).standard_normal((outputs, per_group, side, side)).astype(np.float32)
    return Conv("c", "x", "y", weight, np.zeros(outputs, np.float32), groups, {"pads": [side // 2] * 4})


def values(channels: int) -> np.ndarray:
    """Images [16, channels, 6, 6] whose channels and neighbors vary together, as those of a network do."""
    rng = np.random.default_rng(1)
    common = rng.standard_normal((16, 3, 1, 1)) + 0.3 * rng.standard_normal((16, 3, SIZE, SIZE))
    mixed = np.einsum("cd,ndhw->nchw", rng.standard_normal((channels, 3)), common)
    return (mixed + 0.1 * rng.standard_normal(mixed.shape)).astype(np.float32)


def output(conv: Conv, weight: np.ndarray, image: np.ndarray) -> np.ndarray:
    import paddle

    tensors = paddle.to_tensor(image), paddle.to_tensor(weight)
    return paddle.nn.functional.conv2d(*tensors, padding=conv.attributes["pads"][0], groups=conv.groups).numpy()


SHAPES = {"1x1": (8, 12, 1, 1), "3x3": (5, 4, 1, 3), "depthwise": (6, 1, 6, 3), "two groups": (8, 3, 2, 1)}


@pytest.fixture(params=list(SHAPES))
def conv(request) -> Conv:
    return convolution(*SHAPES[request.param])


@pytest.fixture(params=[1024, 8], ids=["whole", "by channel"])
def largest_block(request, monkeypatch):
    monkeypatch.setattr(module, "_LARGEST_BLOCK", request.param)


def test_blocks_are_the_weights_of_outputs(conv, largest_block):
    rows = in_blocks(conv, conv.weight)
    assert len(rows) == blocks(conv)
    np.testing.assert_array_equal(from_blocks(conv, rows), conv.weight)


def test_moments_tell_the_variance_of_the_outputs(conv):
    image = values(conv.channels)
    found = output(conv, conv.weight, image)
    np.testing.assert_allclose(output_variances(conv, moments(conv, image)), found.var(axis=(0, 2, 3)), rtol=1e-3)


def test_moments_of_two_sets_are_those_of_both(conv):
    image = values(conv.channels)
    whole, parts = moments(conv, image), moments(conv, image[:8]) + moments(conv, image[8:])
    assert whole.count == parts.count == 16 * SIZE**2
    np.testing.assert_allclose(whole.second, parts.second, rtol=1e-5, atol=1e-3)


def rounded(conv: Conv, image: np.ndarray, scales: np.ndarray) -> tuple[ConvPlan, ConvPlan]:
    """The convolution rounded to the nearest integers, and with errors that cancel out."""
    source = Quantizer.of_range(-1, 1, scales, symmetric=False)
    return conv_plan(conv, source, Rules()), rounded_plan(conv, source, moments(conv, image), Rules())


def test_errors_cancel_out(conv):
    image = values(conv.channels)
    scales = np.geomspace(0.5, 2, conv.channels).astype(np.float32)
    expected = output(conv, conv.weight, image)
    nearest, compensated = (
        np.square(output(conv, plan.float_weight(scales), image) - expected).mean()
        for plan in rounded(conv, image, scales)
    )
    assert compensated < 0.7 * nearest


def test_outputs_keep_their_means(conv, largest_block):
    image = values(conv.channels)
    scales = np.ones(conv.channels, np.float32)
    _, plan = rounded(conv, image, scales)
    before = output(conv, conv.weight, image).mean(axis=(0, 2, 3))
    found = output(conv, plan.float_weight(scales), image).mean(axis=(0, 2, 3)) + plan.bias
    np.testing.assert_allclose(found, before, atol=1e-4)


def test_the_second_moments_follow_the_channel_scales(conv):
    image = values(conv.channels)
    scales = np.geomspace(0.5, 2, conv.channels).astype(np.float32)
    found = scaled_second(conv, moments(conv, image), scales)
    expected = moments(conv, image / scales[:, None, None])
    np.testing.assert_allclose(found, expected.second / expected.count, rtol=1e-3, atol=1e-4)


def test_inputs_that_never_occur_and_weights_of_zero(conv, largest_block):
    empty = Conv(conv.name, "x", "y", np.zeros_like(conv.weight), conv.bias, conv.groups, conv.attributes)
    image = np.zeros_like(values(conv.channels))
    for each in (conv, empty):
        for plan in rounded(each, image, np.ones(conv.channels, np.float32)):
            assert np.abs(plan.scaled_weight - each.weight).max() <= plan.weight_scales.max()
