"""The part of a distillation that is trained and thrown away."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import ParamAttr, nn
from paddle.nn.initializer import KaimingNormal

from ppdet.modeling.layers import points_first


def flatten_features(features: Sequence[paddle.Tensor]) -> paddle.Tensor:
    """Reshapes feature maps [B, F, h, w], finest first, to the features [B, L, F] of all grid points."""
    return paddle.concat([points_first(level) for level in features], axis=1)


class Projector(nn.Layer):
    """Makes a student's features as wide as its teacher's: one matrix for each level.

    Args:
        in_channels: width of the student's features.
        out_channels: width of the teacher's features.
        levels: number of feature maps.
    """

    def __init__(self, in_channels: int, out_channels: int, levels: int) -> None:
        super().__init__()
        init = ParamAttr(initializer=KaimingNormal())
        self.layers = nn.LayerList([nn.Linear(in_channels, out_channels, weight_attr=init) for _ in range(levels)])

    def forward(self, features: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Returns features [B, L, out_channels] of feature maps [B, in_channels, h, w]."""
        levels = [layer(points_first(level)) for layer, level in zip(self.layers, features, strict=True)]
        return paddle.concat(levels, axis=1)
