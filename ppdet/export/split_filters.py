"""Convolutions with one output channel, as in the ETA head, written as two that CPUs compute faster."""

from __future__ import annotations

import copy
from typing import TypeVar

import numpy as np
from paddle import nn

Model = TypeVar("Model", bound=nn.Layer)


def split_filters(model: Model) -> Model:
    """Returns a copy with each k x k convolution of one output channel written as two; outputs differ by rounding.

    Kernels compute 8 or 16 output channels at once, so that a single one wastes most of their work. The first of the
    two applies each of the filter's k rows, 1 x k, and gives k channels; the second, k x 1, adds them up, each moved by
    its row. Both pad with zeros like the filter, and a sum over zeros is zero, so that borders stay exact.
    """
    model = copy.deepcopy(model)
    for parent in model.sublayers(include_self=True):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Conv2D) and _is_splittable(layer):
                setattr(parent, name, nn.Sequential(*_split(layer)))
    model.eval()
    return model


def _is_splittable(conv: nn.Conv2D) -> bool:
    """Whether a convolution has one output channel, and a result of the same size from more than one channel."""
    side = conv._kernel_size[0]
    plain = conv._stride == [1, 1] and conv._dilation == [1, 1] and conv._groups == 1
    keeps_size = conv._kernel_size == [side, side] and conv._padding == side // 2 and side % 2 == 1
    return bool(conv._out_channels == 1 < conv._in_channels and side > 1 and plain and keeps_size)


def _split(conv: nn.Conv2D) -> tuple[nn.Conv2D, nn.Conv2D]:
    """The convolution with the filter's rows and the one that adds up their results."""
    channels, side = conv._in_channels, conv._kernel_size[0]
    rows = nn.Conv2D(channels, side, (1, side), padding=(0, side // 2), bias_attr=False)
    rows.weight.set_value(conv.weight.numpy()[0].transpose(1, 0, 2)[:, :, None])
    total = nn.Conv2D(side, 1, (side, 1), padding=(side // 2, 0), bias_attr=False)
    total.weight.set_value(np.eye(side, dtype="float32")[None, :, :, None])
    total.bias = conv.bias
    return rows, total
