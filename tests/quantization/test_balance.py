"""How far the channels of an activation are brought to one size."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.quantization.balance import balanced_quantizer
from ppdet.quantization.moments import moments
from ppdet.quantization.network import Conv
from ppdet.quantization.plan import Quantizer, Rules
from ppdet.quantization.ranges import range_of

RNG = np.random.default_rng(0)


def balanced(image: np.ndarray, weight: np.ndarray, rules: Rules) -> Quantizer:
    groups = image.shape[1] // weight.shape[1]
    conv = Conv("c", "x", "y", weight, np.zeros(len(weight), np.float32), groups, {})
    return balanced_quantizer(range_of(image), [conv], {"c": moments(conv, image)}, rules)


@pytest.fixture
def uneven() -> np.ndarray:
    """Images [4, 6, 8, 8] whose channels differ by a factor of 1000."""
    sizes = np.geomspace(0.01, 10, 6)[:, None, None]
    return (RNG.standard_normal((4, 6, 8, 8)) * sizes).astype(np.float32)


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_depthwise_convolution_loses_nothing_by_equal_channels(uneven, symmetric):
    """Each output has its own weight scale."""
    weight = RNG.standard_normal((6, 1, 1, 1)).astype(np.float32)
    steps = balanced(uneven, weight, Rules(symmetric=symmetric)).steps / uneven.std(axis=(0, 2, 3))
    assert steps.max() < 1.5 * steps.min()


def test_weights_that_undo_the_sizes(uneven):
    sizes = uneven.std(axis=(0, 2, 3))
    weight = (RNG.standard_normal((4, 6)) / sizes).astype(np.float32)[:, :, None, None]
    scales = balanced(uneven, weight, Rules()).channel_scales / sizes
    assert scales.max() < 2 * scales.min()


def test_a_channel_with_a_rare_huge_value_does_not_cost_the_weights_of_others():
    image = RNG.uniform(0, 1, (4, 6, 8, 8)).astype(np.float32)
    image[0, 0, 0, 0] = 1000
    weight = RNG.standard_normal((4, 6, 1, 1)).astype(np.float32)
    scales = balanced(image, weight, Rules()).channel_scales
    assert scales[0] < 300 * scales[1:].max()


def test_a_target_with_one_scale(uneven):
    weight = np.ones((2, 6, 1, 1), np.float32)
    assert balanced(uneven, weight, Rules(channel_quantizers=False)).channel_scales.tolist() == [1] * 6
