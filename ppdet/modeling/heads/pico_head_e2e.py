"""The ETA head with a branch that gives each object one score, so that detections need no NMS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import Constant

from ppdet.core.ranges import NotNegative
from ppdet.core.registry import register
from ppdet.modeling.criterion import EndToEndCriterion
from ppdet.modeling.heads.pico_head_v2 import PicoHeadV2
from ppdet.modeling.layers import DepthwiseSeparable
from ppdet.modeling.nms import TopScores
from ppdet.modeling.peaks import keep_peaks
from ppdet.modeling.structures import HeadOutputs, Levels

PeakFilter = Callable[[Sequence[paddle.Tensor]], list[paddle.Tensor]]
_OPEN = 3.0  # logit of an untrained gate, which lets 95 % of each score through


class Gate(nn.Layer):
    """[B, channels, H, W] -> logits [B, C, H, W]: whether a point is the one that detects its object."""

    def __init__(self, channels: int, num_classes: int, act: str):
        super().__init__()
        width = max(8, channels // 4)  # it has little to learn, and small devices pay for each channel
        self.conv = DepthwiseSeparable(channels, width, 5, act=act, norm_decay=False)
        untrained = {
            "weight_attr": ParamAttr(initializer=Constant(0.0)),
            "bias_attr": ParamAttr(initializer=Constant(_OPEN)),
        }
        self.logits = nn.Conv2D(width, num_classes, 1, **untrained)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        logits: paddle.Tensor = self.logits(self.conv(x))
        return logits


@register
class PicoHeadE2E(PicoHeadV2):
    """PicoHeadV2 with a branch that learns which one of the points of an object detects it; it needs no NMS.

    The branch multiplies the scores of PicoHeadV2 with a gate. `keep_peaks` drops the neighbors of the highest
    products. It has all options of PicoHeadV2, also those in the section of that name, and loads its weights; the
    branch is untrained then. No gradient of the branch reaches other layers. See docs/e2e.md.

    Args:
        loss_o2o_weight: factor of the branch's loss in the sum.
    """

    base_section: ClassVar[str] = "PicoHeadV2"
    needs_nms: ClassVar[bool] = False

    def __init__(self, loss_o2o_weight: NotNegative = 1.0, **options: Any):
        super().__init__(**options)
        self.criterion = EndToEndCriterion(**vars(self.criterion), loss_o2o_weight=loss_o2o_weight)
        self.select = TopScores(self.nms.attrs)
        self.peaks: PeakFilter = keep_peaks
        self.one_to_one = nn.LayerList([Gate(self.feat_in_chan, self.num_classes, self.act) for _ in self.fpn_stride])

    def levels(self, features: list[paddle.Tensor]) -> Levels:
        cls_levels, reg_levels, one_to_one = [], [], []
        for i, feature in enumerate(features):
            cls_feat, reg_feat = self.conv_feat(feature, i)
            score, reg = self._level(cls_feat, reg_feat, i)
            cls_levels.append(score)
            reg_levels.append(reg)
            one_to_one.append(score.detach() * F.sigmoid(self.one_to_one[i](reg_feat.detach())))
        return Levels(cls_levels, reg_levels, one_to_one)

    def score_maps(self, levels: Levels) -> list[paddle.Tensor]:
        return self.peaks(levels.one_to_one)

    def scores(self, outputs: HeadOutputs) -> paddle.Tensor:
        maps = self.peaks(outputs.one_to_one)
        return paddle.concat(
            [x.reshape([-1, self.num_classes, points]) for x, points in zip(maps, outputs.grid.counts, strict=True)],
            axis=-1,
        )
