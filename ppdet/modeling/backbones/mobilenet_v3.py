"""MobileNetV3 (Howard et al., 2019, arXiv:1905.02244)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import paddle
from paddle import nn
from paddle.nn.initializer import Normal
from paddle.regularizer import L2Decay

from ppdet.core.errors import UserError
from ppdet.core.ranges import AboveZero, Ascending, Length, NotNegative, Range
from ppdet.core.registry import register
from ppdet.modeling.backbones.base import Backbone, RateFactors
from ppdet.modeling.layers import ConvNormAct, SqueezeExcite, make_divisible

_Block = tuple[int, int, int, bool, str, int]
# kernel, width inside, width, squeeze-and-excite, activation, stride; widths at scale 1
_BLOCKS: dict[str, list[_Block]] = {
    "large": [
        (3, 16, 16, False, "relu", 1),
        (3, 64, 24, False, "relu", 2),
        (3, 72, 24, False, "relu", 1),
        (5, 72, 40, True, "relu", 2),
        (5, 120, 40, True, "relu", 1),
        (5, 120, 40, True, "relu", 1),
        (3, 240, 80, False, "hard_swish", 2),
        (3, 200, 80, False, "hard_swish", 1),
        (3, 184, 80, False, "hard_swish", 1),
        (3, 184, 80, False, "hard_swish", 1),
        (3, 480, 112, True, "hard_swish", 1),
        (3, 672, 112, True, "hard_swish", 1),
        (5, 672, 160, True, "hard_swish", 2),
        (5, 960, 160, True, "hard_swish", 1),
        (5, 960, 160, True, "hard_swish", 1),
    ],
    "small": [
        (3, 16, 16, True, "relu", 2),
        (3, 72, 24, False, "relu", 2),
        (3, 88, 24, False, "relu", 1),
        (5, 96, 40, True, "hard_swish", 2),
        (5, 240, 40, True, "hard_swish", 1),
        (5, 240, 40, True, "hard_swish", 1),
        (5, 120, 48, True, "hard_swish", 1),
        (5, 144, 48, True, "hard_swish", 1),
        (5, 288, 96, True, "hard_swish", 2),
        (5, 576, 96, True, "hard_swish", 1),
        (5, 576, 96, True, "hard_swish", 1),
    ],
}
_STEM = 16
_FIRST = 2  # number of the first block; the stem is layer 1
_STAGE = 3  # blocks that share a factor of the learning rate


def _conv(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1, act: str | None = None) -> ConvNormAct:
    # parity: the deviation counts all input channels, for depthwise convolutions as well
    weight_init = Normal(0.0, math.sqrt(2 / (kernel**2 * cin)))
    return ConvNormAct(cin, cout, kernel, stride, groups, act, weight_init=weight_init)


class InvertedResidual(nn.Layer):
    """1x1 expansion, depthwise convolution, optional squeeze-and-excite, linear 1x1; added to the input if it fits."""

    def __init__(self, cin: int, inside: int, cout: int, kernel: int, stride: int, use_se: bool, act: str):
        super().__init__()
        self.adds_input = stride == 1 and cin == cout
        self.expand_conv = _conv(cin, inside, 1, act=act)
        self.bottleneck_conv = _conv(inside, inside, kernel, stride, groups=inside, act=act)
        self.mid_se = SqueezeExcite(inside, slope=0.2) if use_se else None
        self.linear_conv = _conv(inside, cout, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = self.bottleneck_conv(self.expand_conv(x))
        y = self.linear_conv(y if self.mid_se is None else self.mid_se(y))
        return x + y if self.adds_input else y


@register
class MobileNetV3(Backbone):
    """Blocks are numbered from 2; `feature_maps` picks the blocks whose outputs are returned.

    Input [B, 3, H, W] float32; output one [B, out_channels[i], H / out_strides[i], W / out_strides[i]] per feature.
    A stage of `freeze_at` and `lr_mult_list` is three blocks, the first one with the stem.

    Args:
        scale: factor of all widths.
        model_name: the table of blocks: `large` has 15, `small` 11.
        feature_maps: the blocks whose outputs are returned, by number.
        multiplier: further factor of the widths of the last three blocks.
        conv_decay: weight decay of the convolutions, in place of that of OptimizerBuilder.regularizer.
        norm_decay: the same for the norms.
        freeze_at: index of the last stage that is not trained; -1 for none.
        freeze_norm: keep all norms as they are, and normalize with their running statistics.
        lr_mult_list: factors of the learning rate of the stages; the last one is for all further stages.
    """

    ignored_options: ClassVar[dict[str, str]] = {"extra_block_filters": "PicoDet has no extra blocks"}
    fixed_options: ClassVar[dict[str, Any]] = {
        "with_extra_blocks": Literal[False],
        "norm_type": Literal["bn", "sync_bn"],  # the top-level norm_type or sync_bn decides about ranks
    }

    def __init__(
        self,
        scale: Annotated[float, Range(0, 16, exclude="low")] = 1.0,
        model_name: Literal["large", "small"] = "large",
        feature_maps: Annotated[Sequence[Annotated[int, Range(2, 16)]], Length(1, 15), Ascending()] = (6, 12, 15),
        multiplier: AboveZero = 1.0,
        conv_decay: NotNegative = 0.0,
        norm_decay: NotNegative = 0.0,
        freeze_at: Annotated[int, Range(-1, 4)] = -1,
        freeze_norm: bool = False,
        lr_mult_list: RateFactors = (1.0,),
    ):
        super().__init__()
        table = _widened(_BLOCKS[model_name], multiplier)
        self.feature_maps = tuple(feature_maps)
        self.num_blocks = len(table)
        if self.feature_maps[-1] > (highest := self.num_blocks + 1):
            found = f"MobileNetV3.feature_maps: found {self.feature_maps[-1]}"
            raise UserError(f"{found}; model_name {model_name} has the blocks {_FIRST} to {highest}")
        cin = make_divisible(_STEM * scale)
        self.conv1 = _conv(3, cin, 3, stride=2, act="hard_swish")
        self.out_channels, self.out_strides = [], []
        total_stride = 2
        for number, (kernel, inside, width, use_se, act, stride) in enumerate(table, start=_FIRST):
            cout = make_divisible(scale * width)
            block = InvertedResidual(cin, make_divisible(scale * inside), cout, kernel, stride, use_se, act)
            setattr(self, f"conv{number}", block)
            total_stride *= stride
            if number in self.feature_maps:
                self.out_channels.append(cout)
                self.out_strides.append(total_stride)
            cin = cout
        for layer in self.sublayers():
            decay = norm_decay if isinstance(layer, nn.BatchNorm2D) else conv_decay
            for parameter in layer.parameters(include_sublayers=False):
                parameter.regularizer = L2Decay(decay)
        self.restrict_training(freeze_at, freeze_norm, lr_mult_list)

    def blocks(self) -> list[InvertedResidual]:
        return [getattr(self, f"conv{_FIRST + i}") for i in range(self.num_blocks)]

    def stages(self) -> list[list[nn.Layer]]:
        blocks = self.blocks()
        stages: list[list[nn.Layer]] = [blocks[i : i + _STAGE] for i in range(0, len(blocks), _STAGE)]
        return [[self.conv1, *stages[0]], *stages[1:]]

    def forward(self, image: paddle.Tensor) -> list[paddle.Tensor]:
        x = self.conv1(image)
        features = []
        for number, block in enumerate(self.blocks(), start=_FIRST):
            x = block(x)
            if number in self.feature_maps:
                features.append(x)
        return features


def _widened(table: list[_Block], multiplier: float) -> list[_Block]:
    """The table with the widths of the last three blocks multiplied, but not the width inside the first of them."""
    widened = [
        (kernel, int(inside * multiplier) if i else inside, int(width * multiplier), use_se, act, stride)
        for i, (kernel, inside, width, use_se, act, stride) in enumerate(table[-3:])
    ]
    return [*table[:-3], *widened]
