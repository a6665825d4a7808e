"""The head of the first PicoDet release, trained with SimOTA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import paddle
import paddle.nn.functional as F

from ppdet.core.errors import UserError
from ppdet.core.ranges import Ascending, Channels, Fraction, Inside, Length, Positive, Range
from ppdet.core.registry import Component, Shared, register
from ppdet.modeling.assigners import SimOTAAssigner
from ppdet.modeling.criterion import SimOTACriterion
from ppdet.modeling.heads.base import DenseHead
from ppdet.modeling.heads.pico_feat import PicoFeat
from ppdet.modeling.losses import DistributionFocalLoss, GIoULoss, VarifocalLoss
from ppdet.modeling.nms import MultiClassNMS
from ppdet.modeling.structures import Levels


@register
class PicoHead(DenseHead):
    """Class logits and box distributions from one convolution (conv_feat.share_cls_reg) or two.

    Args:
        conv_feat: the convolutions before the predictions.
        assigner: decides which points learn which boxes.
        loss_class: the loss of the class scores.
        loss_dfl: the loss of the distributions of distances.
        loss_bbox: the loss of the boxes.
        nms: the last step of `predict`.
        num_classes: number of classes.
        fpn_stride: strides of the neck's features, in pixels.
        prior_prob: probability of every class before training.
        reg_max: largest distance from a point to a side of its box, in strides.
        feat_in_chan: width of the features that conv_feat returns.
        cell_offset: position of a point in its cell: 0 is the upper left corner, 0.5 the center.
    """

    def __init__(
        self,
        conv_feat: Component[PicoFeat],
        assigner: Component[SimOTAAssigner],
        loss_class: Component[VarifocalLoss],
        loss_dfl: Component[DistributionFocalLoss],
        loss_bbox: Component[GIoULoss],
        nms: Component[MultiClassNMS],
        num_classes: Shared[Positive] = 80,
        fpn_stride: Annotated[Sequence[Annotated[int, Range(4, 128)]], Length(1, 8), Ascending()] = (8, 16, 32),
        prior_prob: Inside = 0.01,
        reg_max: Annotated[int, Range(1, 128)] = 16,
        feat_in_chan: Channels = 96,
        cell_offset: Fraction = 0.0,
    ):
        if not loss_class.use_sigmoid:
            raise UserError("PicoHead.loss_class.use_sigmoid: expected true, since this head predicts logits")
        criterion = SimOTACriterion(
            loss_class=loss_class, loss_bbox=loss_bbox, loss_dfl=loss_dfl, reg_max=reg_max, assigner=assigner
        )
        super().__init__(conv_feat, criterion, nms, num_classes, fpn_stride, reg_max, cell_offset)
        self.shares_conv = conv_feat.reg_convs is None
        reg_channels = 4 * (reg_max + 1)
        cls_channels = num_classes + reg_channels if self.shares_conv else num_classes
        self.head_cls = self._prediction_convs(feat_in_chan, cls_channels, prior_prob)
        self.head_reg = None if self.shares_conv else self._prediction_convs(feat_in_chan, reg_channels, None)

    def levels(self, features: list[paddle.Tensor]) -> Levels:
        cls_levels, reg_levels = [], []
        for i, feature in enumerate(features):
            cls_feat, reg_feat = self.conv_feat(feature, i)
            cls = self.head_cls[i](cls_feat)
            if self.head_reg is None:
                cls, reg = cls.split([self.num_classes, 4 * (self.reg_max + 1)], axis=1)
            else:
                reg = self.head_reg[i](reg_feat)
            cls_levels.append(cls)
            reg_levels.append(reg)
        return Levels(cls_levels, reg_levels)

    def probabilities(self, cls: paddle.Tensor) -> paddle.Tensor:
        return F.sigmoid(cls)
