"""The convolution towers between the neck and the prediction layers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.nn.initializer import Normal

from ppdet.core.ranges import Channels, Range
from ppdet.core.registry import register
from ppdet.modeling.layers import Act, ConvNormAct, DepthwiseSeparable


def _conv_options(act: str) -> dict[str, Any]:
    return {"act": act, "norm_decay": False, "weight_init": Normal(0.0, 0.01)}


class GatedConv(nn.Layer):
    """act(conv(x * sigmoid(fc(mean of x over H and W))))."""

    def __init__(self, channels: int, act: str):
        super().__init__()
        self.fc = nn.Conv2D(channels, channels, 1)
        self.conv = ConvNormAct(channels, channels, 1, **_conv_options(act))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.conv(x * F.sigmoid(self.fc(F.adaptive_avg_pool2d(x, 1))))


@register
class PicoFeat(nn.Layer):
    """Towers of `num_convs` 5x5 depthwise-separable convolutions, one per level.

    A tower returns a classification and a regression feature [B, feat_out, H, W]. The second is the first itself
    (share_cls_reg), its gated copy (use_se), or the result of a parallel tower.

    Args:
        feat_in: width of the neck's features.
        feat_out: width of the features that are returned.
        num_fpn_stride: number of levels.
        num_convs: convolutions per level.
        share_cls_reg: one tower of convolutions for classification and regression.
        act: the activation function.
        use_se: gate the shared feature for one of the two.
    """

    # Always batch norm; the top-level norm_type or sync_bn decides whether ranks share its statistics.
    fixed_options: ClassVar[dict[str, Any]] = {"norm_type": Literal["bn", "sync_bn"]}

    def __init__(
        self,
        feat_in: Channels = 256,
        feat_out: Channels = 96,
        num_fpn_stride: Annotated[int, Range(1, 8)] = 3,
        num_convs: Annotated[int, Range(1, 16)] = 2,
        share_cls_reg: bool = False,
        act: Act = "hard_swish",
        use_se: bool = False,
    ):
        super().__init__()
        self.feat_in, self.feat_out, self.num_fpn_stride = feat_in, feat_out, num_fpn_stride

        def tower() -> nn.LayerList:
            widths = [feat_in] + [feat_out] * num_convs
            return nn.LayerList(
                [DepthwiseSeparable(widths[j], widths[j + 1], 5, **_conv_options(act)) for j in range(num_convs)]
            )

        levels = range(num_fpn_stride)
        self.cls_convs = nn.LayerList([tower() for _ in levels])
        self.reg_convs = None if share_cls_reg else nn.LayerList([tower() for _ in levels])
        for blocks in self.reg_convs or ():
            # forward does not use their results: DataParallel would wait for their gradients
            for unused in (*list(blocks)[:-1], blocks[-1].dw_conv):
                for parameter in unused.parameters():
                    parameter.stop_gradient = True
        self.se = nn.LayerList([GatedConv(feat_out, act) for _ in levels]) if use_se else None

    def forward(self, x: paddle.Tensor, level: int) -> tuple[paddle.Tensor, paddle.Tensor]:
        cls_feat = reg_feat = x
        for j, block in enumerate(self.cls_convs[level]):
            cls_feat = block.dw_conv(cls_feat)
            if self.reg_convs is None:
                cls_feat = reg_feat = block.pw_conv(cls_feat)
                continue
            # parity: each step of the regression tower reads the classification feature, not its own last output
            self.reg_convs[level][j].dw_conv(cls_feat)
            cls_feat = block.pw_conv(cls_feat)
            reg_feat = self.reg_convs[level][j].pw_conv(cls_feat)
        return cls_feat, reg_feat if self.se is None else self.se[level](cls_feat)
