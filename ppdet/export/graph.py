"""The exported graph: the network with optional steps before and after it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import paddle
from paddle import nn

from ppdet.core.settings import ExportSettings
from ppdet.export.split_filters import split_filters
from ppdet.modeling import PicoDet
from ppdet.modeling.layers import ConvNormAct, points_first
from ppdet.modeling.picodet import to_original_pixels


class ExportModel(nn.Layer):
    """The network plus the optional steps that are exported with it: normalization before, decoding and NMS after.

    Inputs:
        image [B, 3, H, W]: normalized float32; with `pixel_mean`, pixels as float32 or uint8.
        scale_factor [B, 2] float32, (y, x): only if `takes_scale_factor`.

    Outputs, boxes in the unit of `settings.box_unit`:
        with nms: bbox [M, 6] (class, score, x1, y1, x2, y2) and bbox_num [B], chosen without NMS by a head that needs
            none.
        with post_process only: boxes [B, L, 4] xyxy and scores [B, C, L].
        with neither: the scores of each level [B, h * w, C], then the box distributions of each level
            [B, h * w, 4 * (reg_max + 1)]; in layout 4d both as [B, channels, h, w].
    """

    def __init__(self, model: PicoDet, settings: ExportSettings, pixel_mean: np.ndarray | None = None):
        super().__init__()
        self.model = model
        self.settings = settings
        self.takes_scale_factor = settings.box_unit == "image" and not settings.raw
        self.pixel_mean = pixel_mean

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs, in their order."""
        if self.settings.raw:
            levels = range(len(self.model.head.fpn_stride))
            return [f"{kind}_{i}" for kind in ("scores", "distances") for i in levels]
        return ["bbox", "bbox_num"] if self.settings.runs_nms else ["boxes", "scores"]

    def forward(self, image: paddle.Tensor, scale_factor: paddle.Tensor | None = None) -> Sequence[paddle.Tensor]:
        outputs: Sequence[paddle.Tensor] = self._outputs(image, scale_factor)
        return outputs

    # No branch in the network depends on values, so running it once records the whole graph. Without the mark, Paddle
    # would rewrite the source of every function that is called from here.
    @paddle.jit.not_to_static
    def _outputs(self, image: paddle.Tensor, scale_factor: paddle.Tensor | None) -> Sequence[paddle.Tensor]:
        model, head = self.model, self.model.head
        if self.pixel_mean is not None:
            image = image.astype("float32") - paddle.to_tensor(self.pixel_mean)
        if self.settings.raw:
            predicted = head.levels(model.neck(model.backbone(image)))
            levels = [*head.score_maps(predicted), *predicted.reg]
            return levels if self.settings.layout == "4d" else [points_first(level) for level in levels]
        scores, boxes = head.decode(model(image))
        boxes = self._in_unit(boxes, image, scale_factor)
        return head.select(boxes, scores) if self.settings.runs_nms else (boxes, scores)

    def _in_unit(self, boxes: paddle.Tensor, image: paddle.Tensor, scale_factor: paddle.Tensor | None) -> paddle.Tensor:
        if self.takes_scale_factor:
            return to_original_pixels(boxes, scale_factor)
        if self.settings.box_unit == "normalized":
            height, width = image.shape[2:]
            return boxes / paddle.to_tensor([width, height, width, height], "float32")
        return boxes

    def fused(self) -> ExportModel:
        """Returns a copy that computes the same faster: norms folded (fuse_conv_norm) and single filters split."""
        return ExportModel(split_filters(fuse_conv_norm(self.model)), self.settings, self.pixel_mean)

    def with_settings(self, **changes: Any) -> ExportModel:
        """Returns the same network with other settings."""
        return type(self)(self.model, replace(self.settings, **changes), self.pixel_mean)


def rounded(graph: ExportModel, relative: float) -> ExportModel:
    """Returns a copy with each weight changed up or down by the fraction `relative`, as rounding does."""
    model = copy.deepcopy(graph.model)
    rng = np.random.default_rng(0)
    for weight in model.parameters():
        change = 1 + relative * rng.choice([-1, 1], weight.shape)
        weight.set_value((weight.numpy() * change).astype("float32"))
    return ExportModel(model, graph.settings, graph.pixel_mean)


def fuse_conv_norm(model: PicoDet) -> PicoDet:
    """Returns a copy in evaluation mode, with each batch norm folded into the convolution before it."""
    model = copy.deepcopy(model)
    for layer in model.sublayers():
        if not isinstance(layer, ConvNormAct):
            continue
        conv, norm = layer.conv, layer.norm
        scale = norm.weight.numpy() / np.sqrt(norm._variance.numpy() + np.float32(norm._epsilon))
        conv.bias = conv.create_parameter([len(scale)], is_bias=True)
        conv.bias.set_value(norm.bias.numpy() - norm._mean.numpy() * scale)
        conv.weight.set_value(conv.weight.numpy() * scale.reshape(-1, 1, 1, 1))
        layer.norm = nn.Identity()
    model.eval()
    return model
