"""ResNet and ResNet-vd (He et al., 2015, arXiv:1512.03385; He et al., 2018, arXiv:1812.01187)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.regularizer import L2Decay

from ppdet.core.ranges import Ascending, Length, NotNegative, Range
from ppdet.core.registry import register
from ppdet.modeling.backbones.base import Backbone, freeze, scale_learning_rate
from ppdet.modeling.layers import ConvNormAct

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_WIDTHS = (64, 128, 256, 512)
_STEM = 64
_BOTTLENECK = 50  # depth from which the blocks are bottlenecks
_EXPANSION = 4  # width of a bottleneck's output, relative to that of its 3x3 convolution


class PooledShortcut(nn.Layer):
    """Shortcut of stride 2 that averages 2x2 pixels before its 1x1 convolution."""

    def __init__(self, cin: int, cout: int):
        super().__init__()
        self.pool = nn.AvgPool2D(2, stride=2, ceil_mode=True)
        self.conv = ConvNormAct(cin, cout, 1, act=None)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.conv(self.pool(x))


class ResidualBlock(nn.Layer):
    """relu(branches(x) + shortcut(x)); the shortcut is x itself, or a convolution in the first block of a stage.

    The branches are two 3x3 convolutions or, in a bottleneck, 1x1, 3x3 and 1x1.
    """

    def __init__(self, cin: int, width: int, stride: int, variant: str, bottleneck: bool, first: bool):
        super().__init__()
        cout = width * _EXPANSION if bottleneck else width
        if bottleneck:
            outer, inner = (stride, 1) if variant == "a" else (1, stride)
            self.branch2a = ConvNormAct(cin, width, 1, outer, act="relu")
            self.branch2b = ConvNormAct(width, width, 3, inner, act="relu")
            self.branch2c: ConvNormAct | None = ConvNormAct(width, cout, 1, act=None)
        else:
            self.branch2a = ConvNormAct(cin, width, 3, stride, act="relu")
            self.branch2b = ConvNormAct(width, width, 3, act=None)
            self.branch2c = None
        pooled = variant == "d" and stride == 2
        shortcut = PooledShortcut(cin, cout) if pooled else ConvNormAct(cin, cout, 1, stride, act=None)
        self.short = shortcut if first else None

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = self.branch2b(self.branch2a(x))
        y = y if self.branch2c is None else self.branch2c(y)
        return F.relu(y + (x if self.short is None else self.short(x)))


@register
class ResNet(Backbone):
    """Stages 0 to 3 have the strides 4, 8, 16 and 32; `return_idx` picks those whose outputs are returned.

    Input [B, 3, H, W] float32; output one [B, out_channels[i], H / out_strides[i], W / out_strides[i]] per feature.

    Args:
        depth: number of layers; up to 34 with blocks of two convolutions, from 50 on with bottlenecks.
        variant: `a` and `b` have a 7x7 stem, `c` and `d` three 3x3 convolutions; `a` strides in the first convolution
            of a bottleneck; `d` (ResNet-vd) averages in its shortcuts.
        return_idx: the stages whose outputs are returned.
        norm_decay: weight decay of the norms, in place of that of OptimizerBuilder.regularizer.
        freeze_at: the last stage that is not trained, as all before it and the stem; -1 for none.
        freeze_norm: keep all norms as they are, and normalize with their running statistics.
        lr_mult_list: factors of the learning rate of the four stages; the stem has 1.
        freeze_stem_only: freeze_at freezes the stem alone.
    """

    fixed_options: ClassVar[dict[str, Any]] = {
        "norm_type": Literal["bn", "sync_bn"],  # the top-level norm_type or sync_bn decides about ranks
        "ch_in": Literal[64],
        "groups": Literal[1],
        "base_width": Literal[64],
        "num_stages": Literal[4],
        "dcn_v2_stages": Literal[-1] | Sequence[Literal[-1]],
        "std_senet": Literal[False],
    }

    def __init__(
        self,
        depth: Literal[18, 34, 50, 101, 152] = 50,
        variant: Literal["a", "b", "c", "d"] = "b",
        return_idx: Annotated[Sequence[Literal[0, 1, 2, 3]], Length(1, 4), Ascending()] = (0, 1, 2, 3),
        norm_decay: NotNegative = 0.0,
        freeze_at: Annotated[int, Range(-1, 3)] = 0,
        freeze_norm: bool = True,
        lr_mult_list: Annotated[Sequence[Annotated[float, Range(0, 100)]], Length(4)] = (1.0, 1.0, 1.0, 1.0),
        freeze_stem_only: bool = False,
    ):
        super().__init__()
        self.return_idx = tuple(return_idx)
        bottleneck = depth >= _BOTTLENECK
        self.conv1 = _stem(variant)
        cin, expansion = _STEM, _EXPANSION if bottleneck else 1
        for stage, (width, count) in enumerate(zip(_WIDTHS, _BLOCKS[depth], strict=True), start=2):
            blocks = nn.Sequential()
            for i in range(count):
                stride = 2 if i == 0 and stage > 2 else 1
                name = f"res{stage}{_block_name(stage, count, i)}"
                blocks.add_sublayer(name, ResidualBlock(cin, width, stride, variant, bottleneck, first=i == 0))
                cin = width * expansion
            setattr(self, f"res{stage}", blocks)
        self.out_channels = [_WIDTHS[i] * expansion for i in self.return_idx]
        self.out_strides = [4 * 2**i for i in self.return_idx]
        for norm in self.sublayers():
            if isinstance(norm, nn.BatchNorm2D):
                norm.weight.regularizer = norm.bias.regularizer = L2Decay(norm_decay)
        self.restrict_training(-1 if freeze_stem_only else freeze_at, freeze_norm, lr_mult_list)
        scale_learning_rate([self.conv1], 1.0)
        if freeze_stem_only and freeze_at >= 0:
            freeze([self.conv1])

    def stages(self) -> list[list[nn.Layer]]:
        return [[self.conv1, self.res2], [self.res3], [self.res4], [self.res5]]

    def forward(self, image: paddle.Tensor) -> list[paddle.Tensor]:
        x = F.max_pool2d(self.conv1(image), 3, stride=2, padding=1)
        features = []
        for stage in (self.res2, self.res3, self.res4, self.res5):
            x = stage(x)
            features.append(x)
        return [features[i] for i in self.return_idx]


def _stem(variant: str) -> nn.Sequential:
    if variant in "ab":
        return nn.Sequential(("conv1", ConvNormAct(3, _STEM, 7, 2, act="relu")))
    half = _STEM // 2
    return nn.Sequential(
        ("conv1_1", ConvNormAct(3, half, 3, 2, act="relu")),
        ("conv1_2", ConvNormAct(half, half, 3, act="relu")),
        ("conv1_3", ConvNormAct(half, _STEM, 3, act="relu")),
    )


def _block_name(stage: int, count: int, index: int) -> str:
    """Letters; in the long stage of the deepest networks an a, then b1, b2, …."""
    if stage == 4 and count > 10:
        return f"b{index}" if index else "a"
    return chr(ord("a") + index)
