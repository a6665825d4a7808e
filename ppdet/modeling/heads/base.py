"""What both PicoDet heads share: outputs, box decoding and box losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import Constant, Normal

from ppdet.modeling.assigners.common import Targets
from ppdet.modeling.boxes import Grid, box_to_distance, distance_to_box, make_grid
from ppdet.modeling.heads.pico_feat import PicoFeat
from ppdet.modeling.layers import height_width
from ppdet.modeling.losses import DistributionFocalLoss, GIoULoss
from ppdet.modeling.nms import MultiClassNMS


class HeadOutputs(NamedTuple):
    """Predictions of the L grid points, finest level first.

    cls   [B, L, C] float32: probabilities (PicoHeadV2) or logits (PicoHead)
    reg   [B, L, 4 * (reg_max + 1)] float32: logits of the distances left, top, right, bottom
    grid  the points themselves
    """

    cls: paddle.Tensor
    reg: paddle.Tensor
    grid: Grid


class Levels(NamedTuple):
    """The same predictions as they leave the convolutions, one [B, C or 4 * (reg_max + 1), h, w] per level."""

    cls: list[paddle.Tensor]
    reg: list[paddle.Tensor]


class LossSums(NamedTuple):
    """Losses of a batch before they are divided by the normalisers of the whole update.

    vfl, bbox, dfl  sums over all points, float32 scalars
    normalisers     [1] or [2] float32, sums of this rank's batch: the first belongs to vfl, the last to bbox and dfl
    """

    vfl: paddle.Tensor
    bbox: paddle.Tensor
    dfl: paddle.Tensor
    normalisers: paddle.Tensor

    def divided(self, by: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """`loss_vfl`, `loss_bbox`, `loss_dfl` and their sum `loss`; by: normalisers, as `update_normalisers` gives."""
        vfl, bbox, dfl = self.vfl / by[0], self.bbox / by[-1], self.dfl / by[-1]
        return {"loss": vfl + bbox + dfl, "loss_vfl": vfl, "loss_bbox": bbox, "loss_dfl": dfl}


def points_first(level: paddle.Tensor) -> paddle.Tensor:
    """[B, C, h, w] -> [B, h * w, C]"""
    height, width = height_width(level)
    return level.reshape([-1, level.shape[1], height * width]).transpose([0, 2, 1])


class DenseHead(nn.Layer):
    """Prediction layers over PicoFeat. A subclass gives `levels`, `probabilities` and `loss_sums`."""

    divisors = 1  # of its losses, as in LossSums.normalisers
    ignored_options: ClassVar[dict[str, str]] = {"nms_pre": "set nms_top_k of nms"}

    def __init__(
        self,
        conv_feat: PicoFeat,
        loss_dfl: DistributionFocalLoss,
        loss_bbox: GIoULoss,
        nms: MultiClassNMS,
        num_classes: int,
        fpn_stride: Sequence[int],
        reg_max: int,
        cell_offset: float,
    ):
        super().__init__()
        self.conv_feat = conv_feat
        self.loss_dfl = loss_dfl
        self.loss_bbox = loss_bbox
        self.nms = nms
        self.num_classes = num_classes
        self.fpn_stride = tuple(fpn_stride)
        self.reg_max = reg_max
        self.cell_offset = cell_offset
        self._grids: dict[tuple[tuple[int, int], ...], Grid] = {}  # by the sizes of the levels

    def _prediction_convs(self, in_channels: int, out_channels: int, prior_prob: float | None) -> nn.LayerList:
        """One 1x1 convolution per level; its bias gives the probability `prior_prob` at the start."""
        self.feat_in_chan = in_channels
        bias = 0.0 if prior_prob is None else -math.log((1 - prior_prob) / prior_prob)
        return nn.LayerList(
            [
                nn.Conv2D(
                    in_channels,
                    out_channels,
                    1,
                    weight_attr=ParamAttr(initializer=Normal(0.0, 0.01)),
                    bias_attr=ParamAttr(initializer=Constant(bias)),
                )
                for _ in self.fpn_stride
            ]
        )

    def levels(self, features: list[paddle.Tensor]) -> Levels:
        """Predictions for the neck's feature maps [B, C, h, w], finest level first."""
        raise NotImplementedError

    def forward(self, features: list[paddle.Tensor]) -> HeadOutputs:
        levels = self.levels(features)
        cls, reg = (paddle.concat([points_first(x) for x in maps], axis=1) for maps in levels)
        return HeadOutputs(cls, reg, self._grid(tuple(map(height_width, levels.cls))))

    def grid(self, height: int, width: int) -> Grid:
        """The points of an image of this size in pixels."""
        return self._grid(tuple((-(-height // stride), -(-width // stride)) for stride in self.fpn_stride))

    def _grid(self, sizes: tuple[tuple[int, int], ...]) -> Grid:
        if not paddle.in_dynamic_mode():  # part of a graph, and of no use outside it
            return make_grid(sizes, self.fpn_stride, self.cell_offset)
        if sizes not in self._grids:
            self._grids[sizes] = make_grid(sizes, self.fpn_stride, self.cell_offset)
        return self._grids[sizes]

    def probabilities(self, cls: paddle.Tensor) -> paddle.Tensor:
        """`HeadOutputs.cls` as probabilities."""
        raise NotImplementedError

    def loss_sums(self, outputs: HeadOutputs, targets: Targets, epoch: int) -> LossSums:
        """The losses of a batch, not divided yet."""
        raise NotImplementedError

    def decode(self, outputs: HeadOutputs) -> tuple[paddle.Tensor, paddle.Tensor]:
        """scores [B, C, L] and boxes [B, L, 4] xyxy in input pixels."""
        boxes = self._boxes_in_strides(outputs) * outputs.grid.strides
        return self.probabilities(outputs.cls).transpose([0, 2, 1]), boxes

    def _boxes_in_strides(self, outputs: HeadOutputs) -> paddle.Tensor:
        """Expectation of the distance distributions: boxes [B, L, 4] in units of each point's stride."""
        bins = self.reg_max + 1
        prob = F.softmax(outputs.reg.reshape([0, 0, 4, bins]), axis=-1)
        distance = prob.matmul(paddle.arange(bins, dtype=prob.dtype))
        return distance_to_box(outputs.grid.points / outputs.grid.strides, distance)

    def _box_losses(
        self, outputs: HeadOutputs, boxes: paddle.Tensor, target_boxes: paddle.Tensor, weight: paddle.Tensor
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Sums of GIoU and DFL over the points, weighted by `weight` [B, L] (0 for background).

        boxes [B, L, 4] predicted, in strides; target_boxes [B, L, 4], in pixels.
        """
        grid = outputs.grid
        target_boxes = target_boxes / grid.strides
        distance = box_to_distance(grid.points / grid.strides, target_boxes).clip(0, self.reg_max - 0.1)
        logits = outputs.reg.reshape([*distance.shape, self.reg_max + 1])
        loss_bbox = (self.loss_bbox(boxes, target_boxes) * weight).sum()
        loss_dfl = (self.loss_dfl(logits, distance) * weight.unsqueeze(-1)).sum() / 4
        return loss_bbox, loss_dfl
