"""Training on CPUs: convolution, norm and activation through compiled loops (numba) where Paddle's kernels are slow.

Paddle unfolds every depthwise channel into a matrix of kernel_size^2 rows, and runs norm and activation, forward and
backward, on one core. `use_cpu_kernels` makes the ConvNormActs of a model compute the same faster in training;
evaluation and export stay on Paddle's operators. docs/performance.md has the figures.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.autograd import PyLayer

from ppdet.modeling.layers import ConvNormAct
from ppdet.utils.lazy import optional_module


def _kernels() -> Any:
    """The module of compiled loops, or None without numba. Its import takes a second."""
    return optional_module("ppdet.modeling.cpu_training.numba_kernels")


def _view(x: paddle.Tensor) -> np.ndarray:
    """The memory of a contiguous float32 CPU tensor as an array; valid as long as the tensor is."""
    memory = (ctypes.c_float * x.size).from_address(x.data_ptr())
    return np.frombuffer(memory, np.float32).reshape(x.shape)


def _contiguous(x: paddle.Tensor) -> paddle.Tensor:
    return x if x.is_contiguous() else x.contiguous()


class _Depthwise(PyLayer):
    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, weight: paddle.Tensor, stride: int) -> paddle.Tensor:
        ctx.trained = not x.stop_gradient, not weight.stop_gradient
        x = _contiguous(x)
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        batch, channels, height, width = x.shape
        out = paddle.empty([batch, channels, (height - 1) // stride + 1, (width - 1) // stride + 1])
        _kernels().correlate(_view(x), _view(weight)[:, 0], _view(out), 1, stride)
        return out

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
        x, weight = ctx.saved_tensor()
        grad = _contiguous(grad)
        grad_x = paddle.empty_like(x) if ctx.trained[0] else None
        grad_weight = paddle.empty_like(weight) if ctx.trained[1] else None
        if grad_x is not None:
            flipped = np.ascontiguousarray(_view(weight)[:, 0, ::-1, ::-1])
            _kernels().correlate(_view(grad), flipped, _view(grad_x), ctx.stride, 1)
        if grad_weight is not None:
            _kernels().weight_gradient(_view(x), _view(grad), _view(grad_weight)[:, 0], ctx.stride)
        return grad_x, grad_weight


class _NormAct(PyLayer):
    """Batch norm in training and the activation after it; the running statistics are updated on the way."""

    @staticmethod
    def forward(
        ctx: Any, x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor, norm: nn.BatchNorm2D, hard_swish: bool
    ) -> paddle.Tensor:
        ctx.trained = [not tensor.stop_gradient for tensor in (x, weight, bias)]
        x = _contiguous(x)
        mean, variance = np.empty((2, x.shape[1]), np.float32)
        _kernels().batch_statistics(_planes(x), mean, variance)
        for running, new in ((norm._mean, mean), (norm._variance, variance)):
            old = _view(running)
            old *= norm._momentum
            old += np.float32(1 - norm._momentum) * new
        inverse_std = 1 / np.sqrt(variance + np.float32(norm._epsilon))
        scale = _view(weight) * inverse_std
        out = paddle.empty_like(x)
        _kernels().norm_act(_planes(x), scale, _view(bias) - scale * mean, hard_swish, _planes(out))
        ctx.save_for_backward(x, weight, bias)
        ctx.statistics, ctx.hard_swish = (mean, inverse_std), hard_swish
        return out

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensor()
        grads = [paddle.empty_like(tensor) for tensor in (x, weight, bias)]
        inputs = (_planes(x), _planes(_contiguous(grad)), *ctx.statistics, _view(weight), _view(bias), ctx.hard_swish)
        _kernels().norm_act_gradient(*inputs, _planes(grads[0]), _view(grads[1]), _view(grads[2]))
        return tuple(tensor if trained else None for tensor, trained in zip(grads, ctx.trained, strict=True))


def _planes(x: paddle.Tensor) -> np.ndarray:
    return _view(x).reshape(*x.shape[:2], -1)


def convolve(conv: nn.Conv2D, x: paddle.Tensor, weight: paddle.Tensor) -> paddle.Tensor:
    """The convolution of x [B, C, H, W] with a weight of the shape of `conv.weight`, without a bias."""
    if 1 < conv._groups == conv._in_channels == conv._out_channels:
        return _Depthwise.apply(x, weight, conv._stride[0])
    if conv._out_channels == 1 < conv._kernel_size[0]:  # one filter per channel here as well, and their sum
        weight = weight.reshape([-1, 1, *conv._kernel_size])  # a transposed gradient escapes DataParallel
        return _Depthwise.apply(x, weight, conv._stride[0]).sum(axis=1, keepdim=True)
    return F.conv2d(x, weight, None, conv._stride, conv._padding, conv._dilation, conv._groups)


class CpuConvNormAct(ConvNormAct):
    """ConvNormAct that trains through the loops. Values differ by rounding; evaluation uses Paddle's operators."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if not self.training:
            return super().forward(x)
        norm = self.norm
        x = convolve(self.conv, x, self.conv.weight)
        hard_swish = self.act is F.hardswish
        if norm._use_global_stats:
            x, hard_swish = norm(x), False
        else:
            x = _NormAct.apply(x, norm.weight, norm.bias, norm, hard_swish)
        return x if self.act is None or hard_swish else self.act(x)


class FrozenConvNormAct(ConvNormAct):
    """ConvNormAct in evaluation, through the loops, without gradients: for a model that is run while another trains."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        conv, norm = self.conv, self.norm
        if 1 < conv._groups == conv._in_channels == conv._out_channels:
            x = _Depthwise.apply(x, conv.weight, conv._stride[0])
        else:
            x = conv(x)
        scale = _view(norm.weight) / np.sqrt(_view(norm._variance) + np.float32(norm._epsilon))
        shift = _view(norm.bias) - scale * _view(norm._mean)
        hard_swish = self.act is F.hardswish
        out = paddle.empty_like(x)
        _kernels().norm_act(_planes(x), scale, shift, hard_swish, _planes(out))
        return out if self.act is None or hard_swish else self.act(out)


def use_frozen_cpu_kernels(model: nn.Layer) -> None:
    """Makes every ConvNormAct of `model` a FrozenConvNormAct, in place; without numba nothing changes.

    Values differ by rounding (1e-6 relative).
    """
    if _kernels() is not None:
        _replace_layers(model, FrozenConvNormAct)


def use_cpu_kernels(model: nn.Layer, threads: int = 0) -> None:
    """Makes every ConvNormAct of `model` a CpuConvNormAct, in place; without numba nothing changes.

    The layers keep their parameters and names. Values differ by rounding (1e-6 relative).

    Args:
        model: the model to train.
        threads: number of threads; 0 leaves it to numba.
    """
    if _kernels() is None:
        return
    if threads:
        import numba

        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    _replace_layers(model, CpuConvNormAct)


def _replace_layers(model: nn.Layer, cls: type[ConvNormAct]) -> None:
    for layer in model.sublayers(include_self=True):
        if isinstance(layer, ConvNormAct):
            layer.__class__ = cls
