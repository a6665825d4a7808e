"""The compiled depthwise convolution against Paddle's operator, values and gradients."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.modeling import depthwise_cpu
from ppdet.modeling.depthwise_cpu import DepthwiseConv2D

pytest.importorskip("numba")


@pytest.mark.parametrize("size", [(16, 16), (7, 11), (1, 1), (2, 9)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_equals_paddles_operator(kernel, stride, size, monkeypatch):
    paddle.seed(0)
    conv = DepthwiseConv2D(6, 6, kernel, stride=stride, padding=kernel // 2, groups=6, bias_attr=False)
    x = paddle.randn([2, 6, *size])
    x.stop_gradient = False

    def run() -> list[np.ndarray]:
        out = conv(x)
        probe = paddle.sin(paddle.arange(out.size, dtype="float32")).reshape(out.shape)
        (out * probe).sum().backward()
        results = [out.numpy(), x.grad.numpy(), conv.weight.grad.numpy()]
        x.clear_gradient()
        conv.weight.clear_gradient()
        return results

    ours = run()
    monkeypatch.setattr(depthwise_cpu, "_kernels", lambda: None)  # as without numba
    for found, expected in zip(ours, run(), strict=True):
        # sums of up to 25 products (of all pixels for the weight) in another order
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_static_graphs_record_paddles_operator(tmp_path):
    conv = DepthwiseConv2D(4, 4, 3, padding=1, groups=4)
    static = paddle.jit.to_static(conv, input_spec=[paddle.static.InputSpec([None, 4, 8, 8])], full_graph=True)
    x = paddle.randn([1, 4, 8, 8])
    np.testing.assert_allclose(static(x).numpy(), conv(x).numpy(), rtol=1e-4, atol=1e-5)
