"""Base class of the backbones."""

from __future__ import annotations

from paddle import nn


class Backbone(nn.Layer):
    """Image [B, 3, H, W] -> features [B, out_channels[i], H / out_strides[i], W / out_strides[i]], finest first."""

    out_channels: list[int]
    out_strides: list[int]
