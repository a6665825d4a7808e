"""ShuffleNetV2 (Ma et al., 2018, arXiv:1807.11164)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import paddle
from paddle import nn

from ppdet.core.errors import UserError
from ppdet.core.ranges import Ascending, Length, Range
from ppdet.core.registry import register
from ppdet.modeling.backbones.base import Backbone, RateFactors
from ppdet.modeling.backbones.esnet import channel_shuffle
from ppdet.modeling.layers import Act, ConvNormAct

_BLOCKS = (4, 8, 4)  # blocks in the stages named 2, 3 and 4
_WIDTHS = {  # of these stages, by scale
    0.25: (24, 48, 96),
    0.33: (32, 64, 128),
    0.5: (48, 96, 192),
    1.0: (116, 232, 464),
    1.5: (176, 352, 704),
    2.0: (224, 488, 976),
}
_STEM = 24


def _conv(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1, act: str | None = None) -> ConvNormAct:
    return ConvNormAct(cin, cout, kernel, stride, groups, act, norm_decay=False)


class _ShuffleUnit(nn.Layer):
    """Stride 1: half of the channels passes untouched, the other half goes pw -> dw -> linear; then a shuffle."""

    def __init__(self, channels: int, act: str):
        super().__init__()
        half = channels // 2
        self.conv_pw = _conv(half, half, 1, act=act)
        self.conv_dw = _conv(half, half, 3, groups=half)
        self.conv_linear = _conv(half, half, 1, act=act)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        half = x.shape[1] // 2
        changed = self.conv_linear(self.conv_dw(self.conv_pw(x[:, half:])))
        return channel_shuffle(paddle.concat([x[:, :half], changed], axis=1))


class _DownsampleUnit(nn.Layer):
    """Stride 2: two branches, concatenated and shuffled."""

    def __init__(self, cin: int, cout: int, act: str):
        super().__init__()
        half = cout // 2
        self.conv_dw_1 = _conv(cin, cin, 3, stride=2, groups=cin)
        self.conv_linear_1 = _conv(cin, half, 1, act=act)
        self.conv_pw_2 = _conv(cin, half, 1, act=act)
        self.conv_dw_2 = _conv(half, half, 3, stride=2, groups=half)
        self.conv_linear_2 = _conv(half, half, 1, act=act)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        left = self.conv_linear_1(self.conv_dw_1(x))
        right = self.conv_linear_2(self.conv_dw_2(self.conv_pw_2(x)))
        return channel_shuffle(paddle.concat([left, right], axis=1))


@register
class ShuffleNetV2(Backbone):
    """Blocks are numbered 2 … 17 through stages 2, 3, 4; `feature_maps` picks the blocks whose outputs are returned.

    Input [B, 3, H, W] float32; output one [B, out_channels[i], H / out_strides[i], W / out_strides[i]] per feature.

    Args:
        scale: the widths, by name: 0.25, 0.33, 0.5, 1.0, 1.5 or 2.0.
        act: the activation function.
        feature_maps: the blocks whose outputs are returned, by number.
        freeze_at: index of the last stage that is not trained, among stem with stage 2, stage 3, stage 4; -1 for none.
        freeze_norm: keep all norms as they are, and normalize with their running statistics.
        lr_mult_list: factors of the learning rate of these stages; the last one is for all further stages.
    """

    fixed_options: ClassVar[dict[str, Any]] = {"with_last_conv": Literal[False]}  # of no use to a detector

    def __init__(
        self,
        scale: Annotated[float, Range(0.25, 2)] = 1.0,
        act: Act = "relu",
        feature_maps: Annotated[Sequence[Annotated[int, Range(2, 17)]], Length(1, 16), Ascending()] = (5, 13, 17),
        freeze_at: Annotated[int, Range(-1, 2)] = -1,
        freeze_norm: bool = False,
        lr_mult_list: RateFactors = (1.0,),
    ):
        super().__init__()
        if scale not in _WIDTHS:
            raise UserError(f"ShuffleNetV2.scale: found {scale}; expected one of {', '.join(map(str, _WIDTHS))}")
        self.feature_maps = tuple(feature_maps)
        self.stem = _conv(3, _STEM, 3, stride=2, act=act)
        self.max_pool = nn.MaxPool2D(3, stride=2, padding=1)
        self.out_channels, self.out_strides = [], []
        index, cin = 2, _STEM
        for stage, (depth, cout) in enumerate(zip(_BLOCKS, _WIDTHS[scale], strict=True)):
            blocks = [_ShuffleUnit(cout, act) if i else _DownsampleUnit(cin, cout, act) for i in range(depth)]
            returned = [number for number in self.feature_maps if index <= number < index + depth]
            self.out_channels += [cout] * len(returned)
            self.out_strides += [8 * 2**stage] * len(returned)
            setattr(self, f"stage{stage + 2}", nn.Sequential(*blocks))
            index, cin = index + depth, cout
        self.restrict_training(freeze_at, freeze_norm, lr_mult_list)

    def stages(self) -> list[list[nn.Layer]]:
        return [[self.stem, self.stage2], [self.stage3], [self.stage4]]

    def forward(self, image: paddle.Tensor) -> list[paddle.Tensor]:
        x = self.max_pool(self.stem(image))
        features = []
        for index, block in enumerate((*self.stage2, *self.stage3, *self.stage4), start=2):
            x = block(x)
            if index in self.feature_maps:
                features.append(x)
        return features
