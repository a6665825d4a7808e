"""PP-PicoDet (Yu et al., 2021, arXiv:2111.00902): a real-time detector for small devices."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import paddle
from paddle import nn

from ppdet.core.registry import Component, register
from ppdet.modeling.backbones.base import Backbone
from ppdet.modeling.heads.base import DenseHead, HeadOutputs, LossSums, Targets
from ppdet.modeling.losses import update_normalisers
from ppdet.modeling.necks.pan import PathAggregation


class Detections(NamedTuple):
    """Boxes of a batch, grouped by image.

    bbox      [M, 6] float32: class, score, x1, y1, x2, y2 in original-image pixels
    bbox_num  [B] int32: how many of the M rows belong to each image
    """

    bbox: paddle.Tensor
    bbox_num: paddle.Tensor


@register
class PicoDet(nn.Layer):
    """image -> backbone -> neck -> head. The three steps of its use are `forward`, `loss` and `predict`."""

    ignored_options: ClassVar[dict[str, str]] = {"nms_cpu": "NMS runs on the CPU where the device has none"}

    def __init__(self, backbone: Component[Backbone], neck: Component[PathAggregation], head: Component[DenseHead]):
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.head = head

    def forward(self, image: paddle.Tensor) -> HeadOutputs:
        """image [B, 3, H, W] float32, normalised."""
        return self.head(self.neck(self.backbone(image)))

    def loss(self, outputs: HeadOutputs, targets: Targets, epoch: int) -> dict[str, paddle.Tensor]:
        """`loss_vfl`, `loss_bbox`, `loss_dfl` and their sum `loss`, each a float32 scalar on the device."""
        sums = self.loss_sums(outputs, targets, epoch)
        return sums.divided(update_normalisers(sums.normalisers))

    def loss_sums(self, outputs: HeadOutputs, targets: Targets, epoch: int) -> LossSums:
        """The losses before their division, for an update of several batches."""
        cls, reg = outputs.cls.astype("float32"), outputs.reg.astype("float32")  # where mixed precision ends
        return self.head.loss_sums(HeadOutputs(cls, reg, outputs.grid), targets, epoch)

    def predict(self, outputs: HeadOutputs, scale_factor: paddle.Tensor) -> Detections:
        """Boxes after NMS; `scale_factor` [B, 2] float32 (y, x) = network input size / original size."""
        scores, boxes = self.head.decode(outputs)
        return Detections(*self.head.nms(to_original_pixels(boxes, scale_factor), scores))


def to_original_pixels(boxes: paddle.Tensor, scale_factor: paddle.Tensor) -> paddle.Tensor:
    """boxes [B, L, 4] xyxy in input pixels -> the same in original-image pixels; scale_factor [B, 2] (y, x)."""
    return boxes / scale_factor.flip(axis=-1).tile([1, 2]).unsqueeze(1)
