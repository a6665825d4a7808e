"""The part of a distillation that is trained and thrown away."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import nn

from ppdet.modeling.heads.base import points_first


def flatten_features(features: Sequence[paddle.Tensor]) -> paddle.Tensor:
    """Reshapes feature maps [B, F, h, w], finest first, to the features [B, L, F] of all grid points."""
    return paddle.concat([points_first(level) for level in features], axis=1)


class Projector(nn.Layer):
    """Makes a student's features as wide as its teacher's: one 1x1 convolution for each level.

    Args:
        in_channels: width of the student's features.
        out_channels: width of the teacher's features.
        levels: number of feature maps.
    """

    def __init__(self, in_channels: int, out_channels: int, levels: int) -> None:
        super().__init__()
        self.convs = nn.LayerList([nn.Conv2D(in_channels, out_channels, 1) for _ in range(levels)])

    def forward(self, features: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Returns features [B, L, out_channels] of feature maps [B, in_channels, h, w]."""
        return flatten_features([conv(level) for conv, level in zip(self.convs, features, strict=True)])
