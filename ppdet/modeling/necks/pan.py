"""The path-aggregation skeleton of both necks: lateral 1x1, top-down, bottom-up, and one optional coarser level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import paddle
from paddle import nn
from paddle.nn.initializer import KaimingUniform

from ppdet.core.errors import UserError
from ppdet.modeling.layers import ConvNormAct, DepthwiseSeparable, upsample_to


def conv(cin: int, cout: int, kernel: int, act: str, stride: int = 1) -> ConvNormAct:
    return ConvNormAct(cin, cout, kernel, stride, act=act, weight_init=KaimingUniform())


def separable_conv(channels: int, kernel: int, act: str, stride: int = 1) -> DepthwiseSeparable:
    return DepthwiseSeparable(channels, channels, kernel, stride, act=act, weight_init=KaimingUniform())


class PathAggregation(nn.Layer):
    """Features of strides s, 2s, 4s (widths `in_channels`) -> `num_features` features of `out_channels` channels.

    `fuse(2 * out_channels, out_channels)` returns the block that follows every concatenation.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        out_channels: int,
        num_features: int,
        kernel_size: int,
        use_depthwise: bool,
        act: str,
        fuse: Callable[[int, int], nn.Layer],
    ):
        super().__init__()
        levels = len(in_channels)
        if num_features not in (levels, levels + 1):
            raise UserError(
                f"{type(self).__name__}.num_features: expected {levels} or {levels + 1} for the {levels} features of "
                f"the backbone, found {num_features}"
            )
        if any(2 * finer != coarser for finer, coarser in pairwise(in_strides)):
            raise UserError(
                f"{type(self).__name__}: the backbone's features have the strides {list(in_strides)}; expected each to "
                "be twice the one before; choose other feature_maps"
            )

        def down() -> nn.Layer:
            make = separable_conv if use_depthwise else lambda c, k, act, stride: conv(c, c, k, act, stride)
            return make(out_channels, kernel_size, act, stride=2)

        def fusions() -> nn.LayerList:
            return nn.LayerList([fuse(2 * out_channels, out_channels) for _ in range(levels - 1)])

        self.lateral_convs = nn.LayerList([conv(c, out_channels, 1, act) for c in in_channels])
        self.top_down_blocks = fusions()
        self.bottom_up_blocks = fusions()
        self.downsamples = nn.LayerList([down() for _ in range(levels - 1)])
        extra = num_features > levels
        self.first_top_conv = down() if extra else None
        self.second_top_conv = down() if extra else None
        self.out_channels = out_channels
        self.out_strides = [*in_strides, *([2 * in_strides[-1]] if extra else [])]

    def forward(self, features: list[paddle.Tensor]) -> list[paddle.Tensor]:
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, features, strict=True)]
        top_down = [laterals[-1]]  # finest first
        for lateral, block in zip(reversed(laterals[:-1]), self.top_down_blocks, strict=True):
            top_down.insert(0, block(paddle.concat([upsample_to(top_down[0], lateral), lateral], axis=1)))
        outputs = [top_down[0]]
        for x, down, block in zip(top_down[1:], self.downsamples, self.bottom_up_blocks, strict=True):
            outputs.append(block(paddle.concat([down(outputs[-1]), x], axis=1)))
        if self.first_top_conv is not None and self.second_top_conv is not None:
            outputs.append(self.first_top_conv(laterals[-1]) + self.second_top_conv(outputs[-1]))
        return outputs
