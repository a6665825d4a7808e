"""ESNet, the Enhanced ShuffleNet of the first PicoDet release (Yu et al., 2021, arXiv:2111.00902)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import paddle
from paddle import nn

from ppdet.core.ranges import Ascending, Length, Range
from ppdet.core.registry import register
from ppdet.modeling.backbones.base import Backbone, RateFactors
from ppdet.modeling.layers import Act, ConvNormAct, SqueezeExcite, height_width, make_divisible

_BLOCKS = (3, 7, 3)  # blocks in the stages named 2, 3 and 4
_CHANNEL_RATIO = (0.875, 0.5, 1.0, 0.625, 0.5, 0.75, 0.625, 0.625, 0.5, 0.625, 1.0, 0.625, 0.75)


def _conv(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1, act: str | None = None) -> ConvNormAct:
    return ConvNormAct(cin, cout, kernel, stride, groups, act, norm_decay=False)


def channel_shuffle(x: paddle.Tensor, groups: int = 2) -> paddle.Tensor:
    """Interleaves the channels of `groups` equal parts of [B, C, H, W]."""
    c = x.shape[1]
    h, w = height_width(x)
    return x.reshape([-1, groups, c // groups, h, w]).transpose([0, 2, 1, 3, 4]).reshape([-1, c, h, w])


class ShuffleBlock(nn.Layer):
    """Stride 1: one half of the channels passes untouched, the other goes pw -> dw -> SE -> linear."""

    def __init__(self, channels: int, mid: int, act: str):
        super().__init__()
        half = channels // 2
        self.conv_pw = _conv(half, mid // 2, 1, act=act)
        self.conv_dw = _conv(mid // 2, mid // 2, 3, groups=mid // 2)
        self.se = SqueezeExcite(mid)
        self.conv_linear = _conv(mid, half, 1, act=act)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        half = x.shape[1] // 2
        untouched, x = x[:, :half], x[:, half:]
        x = self.conv_pw(x)
        x = self.conv_linear(self.se(paddle.concat([x, self.conv_dw(x)], axis=1)))
        return channel_shuffle(paddle.concat([untouched, x], axis=1))


class DownsampleBlock(nn.Layer):
    """Stride 2: two branches concatenated, then mixed by a depthwise-separable pair (`mv1`)."""

    def __init__(self, cin: int, cout: int, mid: int, act: str):
        super().__init__()
        half = cout // 2
        self.conv_dw_1 = _conv(cin, cin, 3, stride=2, groups=cin)
        self.conv_linear_1 = _conv(cin, half, 1, act=act)
        self.conv_pw_2 = _conv(cin, mid // 2, 1, act=act)
        self.conv_dw_2 = _conv(mid // 2, mid // 2, 3, stride=2, groups=mid // 2)
        self.se = SqueezeExcite(mid // 2)
        self.conv_linear_2 = _conv(mid // 2, half, 1, act=act)
        self.conv_dw_mv1 = _conv(cout, cout, 3, groups=cout, act="hard_swish")
        self.conv_pw_mv1 = _conv(cout, cout, 1, act="hard_swish")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        left = self.conv_linear_1(self.conv_dw_1(x))
        right = self.conv_linear_2(self.se(self.conv_dw_2(self.conv_pw_2(x))))
        return self.conv_pw_mv1(self.conv_dw_mv1(paddle.concat([left, right], axis=1)))


@register
class ESNet(Backbone):
    """Blocks are numbered 2 … 14 through stages 2, 3, 4; `feature_maps` picks the blocks whose outputs are returned.

    Input [B, 3, H, W] float32; output one [B, out_channels[i], H / out_strides[i], W / out_strides[i]] per feature.

    Args:
        scale: factor of all widths.
        act: the activation function.
        feature_maps: the blocks whose outputs are returned, by number.
        channel_ratio: width inside each block, relative to that of its output.
        freeze_at: index of the last stage that is not trained, among stem with stage 2, stage 3, stage 4; -1 for none.
        freeze_norm: keep all norms as they are, and normalize with their running statistics.
        lr_mult_list: factors of the learning rate of these stages; the last one is for all further stages.
    """

    def __init__(
        self,
        scale: Annotated[float, Range(0, 16, exclude="low")] = 1.0,
        act: Act = "hard_swish",
        feature_maps: Annotated[Sequence[Annotated[int, Range(2, 14)]], Length(1, 13), Ascending()] = (4, 11, 14),
        channel_ratio: Annotated[
            Sequence[Annotated[float, Range(0, 4, exclude="low")]], Length(sum(_BLOCKS))
        ] = _CHANNEL_RATIO,
        freeze_at: Annotated[int, Range(-1, 2)] = -1,
        freeze_norm: bool = False,
        lr_mult_list: RateFactors = (1.0,),
    ):
        super().__init__()
        self.feature_maps = tuple(feature_maps)
        widths = [24] + [make_divisible(width * scale, 16) for width in (128, 256, 512)]
        self.stem = _conv(3, widths[0], 3, stride=2, act=act)
        self.max_pool = nn.MaxPool2D(3, stride=2, padding=1)
        self.out_channels, self.out_strides = [], []
        index = 0
        for stage, depth in enumerate(_BLOCKS):
            cin, cout = widths[stage], widths[stage + 1]
            blocks = []
            for i in range(depth):
                mid = make_divisible(int(cout * channel_ratio[index]))
                blocks.append(ShuffleBlock(cout, mid, act) if i else DownsampleBlock(cin, cout, mid, act))
                if index + 2 in self.feature_maps:
                    self.out_channels.append(cout)
                    self.out_strides.append(8 * 2**stage)
                index += 1
            setattr(self, f"stage{stage + 2}", nn.Sequential(*blocks))
        self.restrict_training(freeze_at, freeze_norm, lr_mult_list)

    def stages(self) -> list[list[nn.Layer]]:
        return [[self.stem, self.stage2], [self.stage3], [self.stage4]]

    def forward(self, image: paddle.Tensor) -> list[paddle.Tensor]:
        x = self.max_pool(self.stem(image))
        features, index = [], 2
        for stage in (self.stage2, self.stage3, self.stage4):
            for block in stage:
                x = block(x)
                if index in self.feature_maps:
                    features.append(x)
                index += 1
        return features
