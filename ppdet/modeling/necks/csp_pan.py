"""CSP-PAN: the neck of the legacy ESNet PicoDets; a cross-stage-partial block after every concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import paddle
from paddle import nn

from ppdet.core.ranges import Channels, KernelSize, Positive, Range
from ppdet.core.registry import register
from ppdet.modeling.layers import Act
from ppdet.modeling.necks.pan import PathAggregation, conv, separable_conv


class Bottleneck(nn.Layer):
    """1x1 convolution, then a kernel_size one; no identity."""

    def __init__(self, channels: int, kernel_size: int, use_depthwise: bool, act: str):
        super().__init__()
        self.conv1 = conv(channels, channels, 1, act)
        self.conv2 = (
            separable_conv(channels, kernel_size, act) if use_depthwise else conv(channels, channels, kernel_size, act)
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.conv2(self.conv1(x))


class CSPLayer(nn.Layer):
    """Half of the width through bottlenecks, half straight; concatenated and mixed by a 1x1 convolution."""

    def __init__(self, cin: int, cout: int, kernel_size: int, num_blocks: int, use_depthwise: bool, act: str):
        super().__init__()
        half = cout // 2
        self.main_conv = conv(cin, half, 1, act)
        self.short_conv = conv(cin, half, 1, act)
        self.final_conv = conv(2 * half, cout, 1, act)
        self.blocks = nn.Sequential(*[Bottleneck(half, kernel_size, use_depthwise, act) for _ in range(num_blocks)])

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.final_conv(paddle.concat([self.blocks(self.main_conv(x)), self.short_conv(x)], axis=1))


@register
class CSPPAN(PathAggregation):
    """See PathAggregation. `in_channels` and `in_strides` come from the backbone.

    Args:
        in_channels: widths of the backbone's features; the program hands them over.
        in_strides: strides of the backbone's features; the program hands them over.
        out_channels: width of all features of the neck.
        kernel_size: side of the kernels of its depthwise convolutions.
        num_features: number of its features: as many as the backbone's, or one more, coarser one.
        num_csp_blocks: bottlenecks in each CSP layer.
        use_depthwise: depthwise separable convolutions instead of full ones.
        act: the activation function.
    """

    ignored_options: ClassVar[dict[str, str]] = {"spatial_scales": "the backbone's strides are used"}

    def __init__(
        self,
        in_channels: Sequence[Channels],
        in_strides: Sequence[Positive],
        out_channels: Channels,
        kernel_size: KernelSize = 5,
        num_features: Annotated[int, Range(1, 8)] = 3,
        num_csp_blocks: Annotated[int, Range(0, 16)] = 1,
        use_depthwise: bool = True,
        act: Act = "hard_swish",
    ):
        def fuse(cin: int, cout: int) -> nn.Layer:
            return CSPLayer(cin, cout, kernel_size, num_csp_blocks, use_depthwise, act)

        super().__init__(in_channels, in_strides, out_channels, num_features, kernel_size, use_depthwise, act, fuse)
