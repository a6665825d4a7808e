"""Depthwise convolution that is fast on CPUs, in training too.

Paddle's CPU kernel unfolds every channel into a matrix of kernel_size^2 rows, on one core. The loops here (numba) add
shifted planes instead. Other devices and dtypes, static graphs, and installations without numba take Paddle's operator.
"""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np
import paddle
from paddle import nn
from paddle.autograd import PyLayer


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


class DepthwiseConv2D(nn.Conv2D):
    """nn.Conv2D of one filter per channel, odd kernel and "same" padding: the same values up to rounding."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        eager = paddle.in_dynamic_mode() and x.place.is_cpu_place() and x.dtype == paddle.float32
        if eager and _kernels() is not None:
            return _Depthwise.apply(x, self.weight, self._stride[0])
        return nn.Conv2D.forward(self, x)  # not super(): Paddle 2.6 rewrites this source for static graphs
