"""Which integers stand for which values."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.quantization.plan import ConvPlan, Plan, Quantizer, Rules, input_scales, rounded_weight


def quantizer(low: float, high: float, scales: list[float], *, symmetric: bool = False) -> Quantizer:
    return Quantizer.of_range(low, high, np.array(scales, np.float32), symmetric=symmetric)


def test_unsigned_integers_of_two_channels():
    """The range -1..4.1 has steps of 0.02; the second channel is ten times as large."""
    found = quantizer(-1, 4.1, [1, 10])
    assert (found.zero_point, found.limits) == (50, (0, 255))
    assert found.scale == pytest.approx(0.02)
    values = np.array([-1, -0.009, 0, 4.1, 9], np.float32)[:, None] * np.array([1, 10], np.float32)
    assert found.quantize(values).T.tolist() == [[0, 50, 50, 255, 255]] * 2
    np.testing.assert_allclose(found.fake(values)[:, 1], [-10, 0, 0, 41, 41], rtol=1e-6)


def test_signed_integers_have_their_zero_at_zero():
    found = quantizer(-1, 0.5, [1], symmetric=True)
    assert (found.zero_point, found.signed) == (0, True)
    assert found.quantize(np.array([[-1], [0.5], [0]])).ravel().tolist() == [-127, 64, 0]


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_tensor_of_zeros(symmetric):
    assert not quantizer(0, 0, [1], symmetric=symmetric).fake(np.zeros((1, 1))).any()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((3, 4, 1, 1), [[1, 2, 3, 4]]), ((4, 1, 3, 3), [[1], [2], [3], [4]]), ((4, 2, 1, 1), [[1, 2]] * 2 + [[3, 4]] * 2)],
)
def test_channel_scales_in_the_order_of_a_weight(shape, expected):
    """All inputs at once, one input for each output, and two groups."""
    found = input_scales(np.arange(1, 5), shape)
    assert found[:, :, 0, 0].tolist() == expected
    assert np.broadcast_shapes(found.shape, shape) == shape


def test_weights_are_rounded_to_the_nearest_integer():
    scaled = np.array([[1.27, -0.634], [12.7, 0.3]], np.float32)
    weight, scales = rounded_weight(scaled, np.zeros(2), per_channel=True)
    assert weight.tolist() == [[127, -63], [127, 3]]
    np.testing.assert_allclose(scales, [0.01, 0.1], rtol=1e-6)
    weight, scales = rounded_weight(scaled, np.array([0, 1]), per_channel=False)
    assert (weight.tolist(), scales.tolist()) == ([[1, -1], [13, 0]], [1, 1])


def test_a_part_of_a_plan():
    zeros = np.zeros((1, 1, 1, 1), np.int8)
    convs = {name: ConvPlan(*name, zeros, np.ones(1), np.zeros(1)) for name in ("ab", "cd")}
    plan = Plan(Rules(), {name: quantizer(0, 1, [1]) for name in "abcd"}, convs)
    assert set(plan.only(["cd"]).tensors) == {"c", "d"}
    assert set(Plan(Rules(outputs=False), plan.tensors, convs).only(["ab"]).tensors) == {"a"}


def test_the_weight_that_multiplies_the_input_itself():
    conv = ConvPlan("x", "y", np.full((2, 2, 1, 1), 10, np.int8), np.array([0.1, 0.2], np.float32), np.zeros(2))
    np.testing.assert_allclose(conv.float_weight(np.array([1, 4]))[:, :, 0, 0], [[1, 0.25], [2, 0.5]], rtol=1e-6)
