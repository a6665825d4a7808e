"""Backbones: image [B, 3, H, W] -> list of features, with `out_channels` and `out_strides` to match."""

from ppdet.modeling.backbones.esnet import ESNet
from ppdet.modeling.backbones.lcnet import LCNet

__all__ = ["ESNet", "LCNet"]
