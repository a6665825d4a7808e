"""The ETA (efficient task-aligned) head of PP-PicoDet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.nn.initializer import KaimingUniform

from ppdet.core.errors import UserError
from ppdet.core.ranges import AboveZero, Ascending, Channels, Count, Fraction, Inside, Length, Positive, Range
from ppdet.core.registry import Component, Shared, register
from ppdet.modeling.assigners import ATSSAssigner, TaskAlignedAssigner
from ppdet.modeling.criterion import TaskAlignedCriterion
from ppdet.modeling.heads.base import DenseHead
from ppdet.modeling.heads.pico_feat import PicoFeat
from ppdet.modeling.layers import Act, ConvNormAct
from ppdet.modeling.losses import DistributionFocalLoss, GIoULoss, VarifocalLoss
from ppdet.modeling.nms import MultiClassNMS
from ppdet.modeling.structures import Levels


class AlignConv(nn.Layer):
    """[B, C, H, W] -> one alignment logit per cell [B, 1, H, W]."""

    def __init__(self, channels: int, act: str):
        super().__init__()
        self.dw_conv = ConvNormAct(channels, 1, 5, act=act, weight_init=KaimingUniform())
        self.pw_conv = ConvNormAct(1, 1, 1, act=None, weight_init=KaimingUniform())

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.pw_conv(self.dw_conv(x))


@register
class PicoHeadV2(DenseHead):
    """Trains with `static_assigner` (ATSS) before epoch `static_assigner_epoch`, with `assigner` (TAL) from then on.

    Args:
        conv_feat: the convolutions before the predictions.
        static_assigner: decides which points learn which boxes before static_assigner_epoch.
        assigner: decides it from then on.
        loss_class: the loss of the class scores.
        loss_dfl: the loss of the distributions of distances.
        loss_bbox: the loss of the boxes.
        nms: the last step of `predict`.
        num_classes: number of classes.
        fpn_stride: strides of the neck's features, in pixels.
        prior_prob: probability of every class before training.
        use_align_head: multiply class scores with a predicted alignment of classification and box, and take the root.
        reg_max: largest distance from a point to a side of its box, in strides.
        feat_in_chan: width of the features that conv_feat returns.
        static_assigner_epoch: the first epoch of `assigner`.
        cell_offset: position of a point in its cell: 0 is the upper left corner, 0.5 the center.
        act: the activation function of the alignment's convolutions.
        grid_cell_scale: side of the square anchors of static_assigner, in strides.
    """

    def __init__(
        self,
        conv_feat: Component[PicoFeat],
        static_assigner: Component[ATSSAssigner],
        assigner: Component[TaskAlignedAssigner],
        loss_class: Component[VarifocalLoss],
        loss_dfl: Component[DistributionFocalLoss],
        loss_bbox: Component[GIoULoss],
        nms: Component[MultiClassNMS],
        num_classes: Shared[Positive] = 80,
        fpn_stride: Annotated[Sequence[Annotated[int, Range(4, 128)]], Length(1, 8), Ascending()] = (8, 16, 32),
        prior_prob: Inside = 0.01,
        use_align_head: bool = True,
        reg_max: Annotated[int, Range(1, 128)] = 16,
        feat_in_chan: Channels = 96,
        static_assigner_epoch: Count = 60,
        cell_offset: Fraction = 0.0,
        act: Act = "hard_swish",
        grid_cell_scale: AboveZero = 5.0,
    ):
        if loss_class.use_sigmoid:
            raise UserError("PicoHeadV2.loss_class.use_sigmoid: expected false, since this head predicts probabilities")
        criterion = TaskAlignedCriterion(
            loss_class=loss_class,
            loss_bbox=loss_bbox,
            loss_dfl=loss_dfl,
            reg_max=reg_max,
            static_assigner=static_assigner,
            assigner=assigner,
            static_assigner_epoch=static_assigner_epoch,
            grid_cell_scale=grid_cell_scale,
        )
        super().__init__(conv_feat, criterion, nms, num_classes, fpn_stride, reg_max, cell_offset)
        self.act = act
        self.head_cls = self._prediction_convs(feat_in_chan, num_classes, prior_prob)
        self.head_reg = self._prediction_convs(feat_in_chan, 4 * (reg_max + 1), None)
        self.cls_align = (
            nn.LayerList([AlignConv(feat_in_chan, act) for _ in self.fpn_stride]) if use_align_head else None
        )

    def levels(self, features: list[paddle.Tensor]) -> Levels:
        cls_levels, reg_levels = [], []
        for i, feature in enumerate(features):
            cls_feat, reg_feat = self.conv_feat(feature, i)
            score, reg = self._level(cls_feat, reg_feat, i)
            cls_levels.append(score)
            reg_levels.append(reg)
        return Levels(cls_levels, reg_levels)

    def _level(
        self, cls_feat: paddle.Tensor, reg_feat: paddle.Tensor, level: int
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        """The class scores and box distributions that the features of conv_feat give."""
        score = F.sigmoid(self.head_cls[level](reg_feat))
        if self.cls_align is not None:
            score = (score * F.sigmoid(self.cls_align[level](cls_feat)) + 1e-9).sqrt()
        return score, self.head_reg[level](reg_feat)

    def probabilities(self, cls: paddle.Tensor) -> paddle.Tensor:
        return cls
