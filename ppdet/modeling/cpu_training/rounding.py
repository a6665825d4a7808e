"""Fake quantization on CPUs: the rounding of an activation in one pass over memory, through compiled loops (numba)."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle.autograd import PyLayer

from ppdet.modeling.cpu_training.layers import _contiguous, _planes, _view, convolve
from ppdet.modeling.fake_quant import PADDLE_KERNELS, Kernels
from ppdet.utils.lazy import optional_module


def _kernels() -> Any:
    return optional_module("ppdet.modeling.cpu_training.numba_rounding")


class _Round(PyLayer):
    @staticmethod
    def forward(
        ctx: Any, x: paddle.Tensor, step: paddle.Tensor, scales: np.ndarray, low: np.float32, high: np.float32
    ) -> paddle.Tensor:
        ctx.trained = not x.stop_gradient, not step.stop_gradient
        x = _contiguous(x)
        value = _view(step).ravel()[0]
        ctx.constants = value * scales, 1 / scales, low, high
        out = paddle.empty_like(x)
        _kernels().round_values(_planes(x), ctx.constants[0], value, low, high, _planes(out))
        ctx.save_for_backward(x, step)
        return out

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
        x, step = ctx.saved_tensor()
        grad_x, sums = paddle.empty_like(x), np.empty(x.shape[:2], np.float32)
        _kernels().round_gradient(_planes(x), _planes(_contiguous(grad)), *ctx.constants, _planes(grad_x), sums)
        grads = grad_x, paddle.full_like(step, float(sums.sum()))
        return tuple(each if trained else None for each, trained in zip(grads, ctx.trained, strict=True))  # type: ignore[return-value]


def round_activation(
    x: paddle.Tensor, step: paddle.Tensor, scales: paddle.Tensor | None, low: float, high: float
) -> paddle.Tensor:
    """Returns `step * clip(round(x / (step * scales)), low, high)`, with gradients straight through the rounding.

    Args:
        x: [B, C, H, W].
        step: of one element.
        scales: [1, C, 1, 1]; None: all are 1.
        low: the smallest integer.
        high: the largest integer.
    """
    known = np.ones(x.shape[1], np.float32) if scales is None else _view(scales).ravel()
    rounded: paddle.Tensor = _Round.apply(x, step, known, np.float32(low), np.float32(high))
    return rounded


def cpu_kernels() -> Kernels:
    """The kernels of fake quantization on CPUs; Paddle's operators without numba."""
    return PADDLE_KERNELS if _kernels() is None else Kernels(convolve, round_activation)
