"""LC-PAN: the neck of the LCNet PicoDets; two depthwise-separable blocks after every concatenation."""

from __future__ import annotations

from collections.abc import Sequence

from paddle import nn

from ppdet.core.registry import register
from ppdet.modeling.layers import DepthwiseSeparable
from ppdet.modeling.necks.pan import PathAggregation


@register
class LCPAN(PathAggregation):
    """See PathAggregation. `in_channels` and `in_strides` come from the backbone."""

    ignored_options = ("spatial_scales",)

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        out_channels: int,
        kernel_size: int = 5,
        num_features: int = 3,
        use_depthwise: bool = True,
        act: str = "hard_swish",
    ):
        def fuse(cin: int, cout: int) -> nn.Layer:  # always hard_swish, whatever `act` is
            return nn.Sequential(
                DepthwiseSeparable(cin, cin, kernel_size, norm_decay=False),
                DepthwiseSeparable(cin, cout, kernel_size, norm_decay=False),
            )

        super().__init__(in_channels, in_strides, out_channels, num_features, kernel_size, use_depthwise, act, fuse)
