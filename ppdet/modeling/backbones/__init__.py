"""Backbones: image [B, 3, H, W] -> list of features, with `out_channels` and `out_strides` to match."""

from ppdet.modeling.backbones.esnet import ESNet
from ppdet.modeling.backbones.lcnet import LCNet
from ppdet.modeling.backbones.mobilenet_v3 import MobileNetV3
from ppdet.modeling.backbones.resnet import ResNet
from ppdet.modeling.backbones.shufflenet_v2 import ShuffleNetV2

__all__ = ["ESNet", "LCNet", "MobileNetV3", "ResNet", "ShuffleNetV2"]
