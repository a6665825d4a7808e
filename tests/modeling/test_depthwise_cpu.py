"""The compiled depthwise convolution against Paddle's operator, values and gradients."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from ppdet.modeling import depthwise_cpu
from ppdet.modeling.depthwise_cpu import FastDepthwise, use_fast_depthwise
from tests.modeling.test_training_edge_cases import make_model, make_targets

pytest.importorskip("numba")


@pytest.mark.parametrize("size", [(16, 16), (7, 11), (1, 1), (2, 9)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_equals_paddles_operator(kernel, stride, size):
    paddle.seed(0)
    slow = nn.Conv2D(6, 6, kernel, stride=stride, padding=kernel // 2, groups=6, bias_attr=False)
    x = paddle.randn([2, 6, *size])
    x.stop_gradient = False
    results = []
    for conv in (slow, FastDepthwise(slow)):
        out = conv(x)
        probe = paddle.sin(paddle.arange(out.size, dtype="float32")).reshape(out.shape)
        (out * probe).sum().backward()
        results.append([out.numpy(), x.grad.numpy(), conv.weight.grad.numpy()])
        x.clear_gradient()
        conv.weight.clear_gradient()
    for expected, found in zip(*results, strict=True):
        # sums of up to 25 products (of all pixels for the weight) in another order
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_model_keeps_names_and_losses():
    model = make_model("PicoHeadV2")
    image, targets = paddle.randn([2, 3, 64, 96]), make_targets([[[10, 20, 60, 50]], [[5, 5, 40, 40]]])
    names, losses = list(model.state_dict()), model.loss(model(image), targets, 0)
    use_fast_depthwise(model)
    assert sum(isinstance(layer, FastDepthwise) for layer in model.sublayers()) > 20
    assert list(model.state_dict()) == names
    for name, value in model.loss(model(image), targets, 0).items():
        assert float(value) == pytest.approx(float(losses[name]), rel=1e-4), name


def test_without_numba_nothing_changes(monkeypatch):
    monkeypatch.setattr(depthwise_cpu, "_kernels", lambda: None)
    model = make_model("PicoHeadV2")
    use_fast_depthwise(model)
    assert not any(isinstance(layer, FastDepthwise) for layer in model.sublayers())
