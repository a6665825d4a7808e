"""PP-LCNet (Cui et al., 2021, arXiv:2109.15099): a CPU-friendly chain of depthwise-separable blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import paddle
from paddle import nn

from ppdet.core.ranges import Ascending, Length, Range
from ppdet.core.registry import register
from ppdet.modeling.backbones.base import Backbone, RateFactors
from ppdet.modeling.layers import Act, ConvNormAct, DepthwiseSeparable, make_divisible

# kernel, in, out, stride, squeeze-and-excite; widths at scale 1
_STAGES: dict[str, list[tuple[int, int, int, int, bool]]] = {
    "blocks2": [(3, 16, 32, 1, False)],
    "blocks3": [(3, 32, 64, 2, False), (3, 64, 64, 1, False)],
    "blocks4": [(3, 64, 128, 2, False), (3, 128, 128, 1, False)],
    "blocks5": [(3, 128, 256, 2, False)] + [(5, 256, 256, 1, False)] * 5,
    "blocks6": [(5, 256, 512, 2, True), (5, 512, 512, 1, True)],
}


@register
class LCNet(Backbone):
    """Features 2, 3, 4, 5 follow blocks3 … blocks6 (strides 4, 8, 16, 32); `feature_maps` picks among them.

    Input [B, 3, H, W] float32; output one [B, out_channels[i], H / out_strides[i], W / out_strides[i]] per feature.

    Args:
        scale: factor of all widths.
        feature_maps: the features that are returned, by number.
        act: the activation function.
        freeze_at: index of the last stage not trained, among conv1 with blocks2, blocks3, … blocks6; -1 for none.
        freeze_norm: keep all norms as they are, and normalize with their running statistics.
        lr_mult_list: factors of the learning rate of these stages; the last one is for all further stages.
    """

    def __init__(
        self,
        scale: Annotated[float, Range(0, 16, exclude="low")] = 1.0,
        feature_maps: Annotated[Sequence[Literal[2, 3, 4, 5]], Length(1, 4), Ascending()] = (3, 4, 5),
        act: Act = "hard_swish",
        freeze_at: Annotated[int, Range(-1, 4)] = -1,
        freeze_norm: bool = False,
        lr_mult_list: RateFactors = (1.0,),
    ):
        super().__init__()
        self.feature_maps = tuple(feature_maps)
        self.conv1 = ConvNormAct(3, make_divisible(16 * scale), 3, stride=2, act=act, norm_decay=False)
        for name, blocks in _STAGES.items():
            layers = [
                DepthwiseSeparable(
                    make_divisible(cin * scale), make_divisible(cout * scale), k, stride, se, act, norm_decay=False
                )
                for k, cin, cout, stride, se in blocks
            ]
            setattr(self, name, nn.Sequential(*layers))
        widths = {2: 64, 3: 128, 4: 256, 5: 512}
        self.out_channels = [make_divisible(widths[i] * scale) for i in self.feature_maps]
        self.out_strides = [2**i for i in self.feature_maps]
        self.restrict_training(freeze_at, freeze_norm, lr_mult_list)

    def stages(self) -> list[list[nn.Layer]]:
        return [[self.conv1, self.blocks2], [self.blocks3], [self.blocks4], [self.blocks5], [self.blocks6]]

    def forward(self, image: paddle.Tensor) -> list[paddle.Tensor]:
        x = self.blocks2(self.conv1(image))
        features = []
        for blocks in (self.blocks3, self.blocks4, self.blocks5, self.blocks6):
            x = blocks(x)
            features.append(x)
        return [features[i - 2] for i in self.feature_maps]
