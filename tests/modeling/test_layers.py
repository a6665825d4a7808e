"""Building blocks against Paddle's own functions and hand-computed values."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from ppdet.core.errors import UserError
from ppdet.modeling.layers import (
    ConvNormAct,
    DepthwiseSeparable,
    SqueezeExcite,
    activation,
    make_divisible,
    upsample_to,
)


@pytest.mark.parametrize(
    ("value", "divisor", "expected"),
    # to the nearest multiple, half up; 18 is more than 10 % above 16, so it goes up instead; at least the divisor
    [(24, 8, 24), (20, 8, 24), (19, 8, 24), (35, 8, 32), (18, 8, 24), (3, 8, 8), (75, 16, 80), (71, 16, 64)],
)
def test_make_divisible(value, divisor, expected):
    assert make_divisible(value, divisor) == expected


def test_an_unknown_activation_is_an_error():
    with pytest.raises(UserError, match="^act: unknown activation 'tanh'; choose one of hard_swish, relu, relu6"):
        activation("tanh")


@pytest.mark.parametrize("act", ["hard_swish", "relu", "relu6", "leaky_relu", "swish", None])
def test_conv_norm_act(act):
    """In evaluation: running statistics, as numbers."""
    layer = ConvNormAct(2, 3, 1, act=act)
    layer.eval()
    layer.norm._mean.set_value(paddle.to_tensor([0.5, -1.0, 0.0]))
    layer.norm._variance.set_value(paddle.to_tensor([4.0, 1.0, 0.25]))
    x = paddle.randn([1, 2, 2, 2])
    weight = layer.conv.weight.numpy()[:, :, 0, 0]
    plain = np.einsum("oc,bchw->bohw", weight, x.numpy())
    shape, eps = (1, 3, 1, 1), layer.norm._epsilon
    mean, deviation = np.reshape([0.5, -1, 0], shape), np.sqrt(np.reshape([4, 1, 0.25], shape) + eps)
    normalized = (plain - mean) / deviation
    expected = {
        "hard_swish": normalized * np.clip(normalized + 3, 0, 6) / 6,
        "relu": np.maximum(normalized, 0),
        "relu6": np.clip(normalized, 0, 6),
        "leaky_relu": np.where(normalized < 0, 0.01 * normalized, normalized),
        "swish": normalized / (1 + np.exp(-normalized)),
        None: normalized,
    }
    np.testing.assert_allclose(layer(x).numpy(), expected[act], rtol=1e-4, atol=1e-5)


def test_weight_decay_of_the_norm():
    for norm_decay, factor in ((True, None), (False, 0.0)):
        norm = ConvNormAct(2, 2, 3, norm_decay=norm_decay).norm
        for parameter in (norm.weight, norm.bias):
            found = parameter.regularizer
            assert (None if found is None else found._coeff) == factor


def test_squeeze_excite():
    layer = SqueezeExcite(8)
    x = paddle.randn([2, 8, 3, 5])
    pooled = x.numpy().mean(axis=(2, 3))
    first, second = layer.conv1, layer.conv2
    hidden = np.maximum(pooled @ first.weight.numpy()[:, :, 0, 0].T + first.bias.numpy(), 0)
    logits = hidden @ second.weight.numpy()[:, :, 0, 0].T + second.bias.numpy()
    weight = np.clip(logits / 6 + 0.5, 0, 1)
    np.testing.assert_allclose(layer(x).numpy(), x.numpy() * weight[:, :, None, None], rtol=1e-4, atol=1e-6)


def test_depthwise_separable_order():
    layer = DepthwiseSeparable(4, 6, kernel_size=5, stride=2, use_se=True)
    layer.eval()
    x = paddle.randn([1, 4, 9, 9])
    assert layer.dw_conv.conv._groups == 4
    np.testing.assert_array_equal(layer(x).numpy(), layer.pw_conv(layer.se(layer.dw_conv(x))).numpy())
    assert layer(x).shape == [1, 6, 5, 5]


def test_upsampling_equals_nearest_interpolation():
    for size in [(8, 12), (7, 11), (7, 12)]:
        x = paddle.randn([2, 3, (size[0] + 1) // 2, (size[1] + 1) // 2])
        expected = F.interpolate(x, size=size, mode="nearest")
        np.testing.assert_array_equal(upsample_to(x, paddle.zeros([1, 1, *size])).numpy(), expected.numpy())
