"""LC-PAN: the neck of the LCNet PicoDets; two depthwise-separable blocks after every concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from paddle import nn

from ppdet.core.ranges import Channels, KernelSize, Positive, Range
from ppdet.core.registry import register
from ppdet.modeling.layers import Act, DepthwiseSeparable
from ppdet.modeling.necks.pan import PathAggregation


@register
class LCPAN(PathAggregation):
    """See PathAggregation. `in_channels` and `in_strides` come from the backbone.

    Args:
        in_channels: widths of the backbone's features; the program hands them over.
        in_strides: strides of the backbone's features; the program hands them over.
        out_channels: width of all features of the neck.
        kernel_size: side of the kernels of its depthwise convolutions.
        num_features: number of its features: as many as the backbone's, or one more, coarser one.
        use_depthwise: depthwise separable convolutions instead of full ones for downsampling.
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
        use_depthwise: bool = True,
        act: Act = "hard_swish",
    ):
        def fuse(cin: int, cout: int) -> nn.Layer:  # parity: always hard_swish, `act` is for the other convolutions
            return nn.Sequential(
                DepthwiseSeparable(cin, cin, kernel_size, norm_decay=False),
                DepthwiseSeparable(cin, cout, kernel_size, norm_decay=False),
            )

        super().__init__(in_channels, in_strides, out_channels, num_features, kernel_size, use_depthwise, act, fuse)
