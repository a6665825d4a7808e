"""Depthwise convolution that is fast on CPUs, in training too.

Paddle's CPU kernel unfolds every channel into a matrix of kernel_size^2 rows, on one core. The loops here (numba) add
shifted planes instead, on all cores. Training on the CPU asks for them with `use_fast_depthwise`.
"""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np
import paddle
from paddle import nn
from paddle.autograd import PyLayer

from ppdet.modeling.layers import ConvNormAct


@functools.cache
def _kernels() -> ModuleType | None:
    """The compiled loops, or None without numba; imported when first needed, since numba takes a second to import."""
    try:
        from ppdet.modeling import depthwise_kernels
    except ImportError:
        return None
    return depthwise_kernels


class _Depthwise(PyLayer):
    @staticmethod
    def forward(ctx, x: paddle.Tensor, weight: paddle.Tensor, stride: int) -> paddle.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return paddle.to_tensor(_kernels().correlate(x.numpy(), weight.numpy()[:, 0], stride))

    @staticmethod
    def backward(ctx, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
        x, weight = (tensor.numpy() for tensor in ctx.saved_tensor())
        full = grad.numpy()
        if ctx.stride > 1:  # back on the grid of stride 1
            full = np.zeros_like(x)
            full[:, :, :: ctx.stride, :: ctx.stride] = grad.numpy()
        flipped = np.ascontiguousarray(weight[:, 0, ::-1, ::-1])
        grad_x = paddle.to_tensor(_kernels().correlate(full, flipped, 1))
        return grad_x, paddle.to_tensor(_kernels().weight_gradient(x, full, weight.shape[-1])[:, None])


class FastDepthwise(nn.Layer):
    """Takes the place of `conv` (a filter per channel, odd kernel, "same" padding) and shares its weight."""

    def __init__(self, conv: nn.Conv2D):
        super().__init__()
        self.weight = conv.weight
        self.stride = conv._stride[0]

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return _Depthwise.apply(x, self.weight, self.stride)


def use_fast_depthwise(model: nn.Layer) -> None:
    """Put FastDepthwise into every depthwise ConvNormAct of `model`, unless numba is missing.

    The values differ by rounding (1e-6 relative), and the names of the state dict stay.
    """
    if _kernels() is None:
        return
    for layer in model.sublayers():
        if isinstance(layer, ConvNormAct) and 1 < layer.conv._groups == layer.conv._in_channels:
            layer.conv = FastDepthwise(layer.conv)
