"""PP-PicoDet (Yu et al., 2021, arXiv:2111.00902): a real-time detector for small devices."""

from __future__ import annotations

from typing import ClassVar

import paddle
from paddle import nn

from ppdet.core.registry import Component, register
from ppdet.modeling.backbones.base import Backbone
from ppdet.modeling.criterion import Criterion
from ppdet.modeling.freezing import freeze_all_but
from ppdet.modeling.heads.base import DenseHead
from ppdet.modeling.necks.pan import PathAggregation
from ppdet.modeling.structures import Detections, HeadOutputs


@register
class PicoDet(nn.Layer):
    """Backbone, neck and head. It is trained with `forward` and `criterion`, and used with `forward` and `predict`.

    Args:
        backbone: image to features of several strides.
        neck: features to features of one width.
        head: features to scores and boxes.
        train_only: the part that is trained, as head.one_to_one; all others stay as they are; null: no part is frozen.
    """

    ignored_options: ClassVar[dict[str, str]] = {"nms_cpu": "NMS runs on the CPU where the device has none"}

    def __init__(
        self,
        backbone: Component[Backbone],
        neck: Component[PathAggregation],
        head: Component[DenseHead],
        train_only: str | None = None,
    ):
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.head = head
        if train_only is not None:
            freeze_all_but(self, train_only, "PicoDet.train_only")

    def forward(self, image: paddle.Tensor) -> HeadOutputs:
        """Predictions of all grid points for image [B, 3, H, W] float32, normalized."""
        outputs: HeadOutputs = self.head(self.neck(self.backbone(image)))
        return outputs

    @property
    def criterion(self) -> Criterion:
        """The losses of the head's config: `criterion(outputs, targets, epoch)`."""
        return self.head.criterion

    def decode(self, outputs: HeadOutputs, scale_factor: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Returns boxes [B, L, 4] xyxy in original-image pixels, and scores [B, C, L], of all grid points.

        `scale_factor` [B, 2] float32 (y, x): network input size / original size.
        """
        scores, boxes = self.head.decode(outputs)
        return to_original_pixels(boxes, scale_factor), scores

    def predict(self, outputs: HeadOutputs, scale_factor: paddle.Tensor) -> Detections:
        """Decodes `outputs` and chooses detections, by NMS if the head needs it; see `decode` for the arguments."""
        return Detections(*self.head.select(*self.decode(outputs, scale_factor)))


def to_original_pixels(boxes: paddle.Tensor, scale_factor: paddle.Tensor) -> paddle.Tensor:
    """Scales boxes [B, L, 4] xyxy from input to original-image pixels; `scale_factor` [B, 2] (y, x)."""
    return boxes / scale_factor.flip(axis=-1).tile([1, 2]).unsqueeze(1)
