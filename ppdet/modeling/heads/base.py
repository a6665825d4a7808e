"""Base class of both PicoDet heads: prediction layers, grid points and box decoding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import paddle
from paddle import ParamAttr, nn
from paddle.nn.initializer import Constant, Normal

from ppdet.modeling.boxes import decode_boxes, make_grid
from ppdet.modeling.criterion import Criterion
from ppdet.modeling.heads.pico_feat import PicoFeat
from ppdet.modeling.layers import height_width, points_first
from ppdet.modeling.nms import MultiClassNMS, TopScores
from ppdet.modeling.structures import Grid, HeadOutputs, Levels

Selection = MultiClassNMS | TopScores  # of detections among decoded points


class DenseHead(nn.Layer):
    """Prediction layers over PicoFeat, decoding, and NMS. A subclass defines `levels` and `probabilities`.

    `criterion` is for training: it has the assigners and losses of the head's config. `select` makes detections of
    decoded points: NMS, or nothing but a threshold if not `needs_nms`.
    """

    needs_nms: ClassVar[bool] = True
    ignored_options: ClassVar[dict[str, str]] = {"nms_pre": "set nms_top_k of nms"}

    def __init__(
        self,
        conv_feat: PicoFeat,
        criterion: Criterion,
        nms: MultiClassNMS,
        num_classes: int,
        fpn_stride: Sequence[int],
        reg_max: int,
        cell_offset: float,
    ):
        super().__init__()
        self.conv_feat = conv_feat
        self.criterion = criterion
        self.nms = nms
        self.select: Selection = nms
        self.num_classes = num_classes
        self.fpn_stride = tuple(fpn_stride)
        self.reg_max = reg_max
        self.cell_offset = cell_offset
        self._grids: dict[tuple[tuple[int, int], ...], Grid] = {}  # by the sizes of the levels

    def _prediction_convs(self, in_channels: int, out_channels: int, prior_prob: float | None) -> nn.LayerList:
        """One 1x1 convolution per level, whose initial bias gives the probability `prior_prob` (None: bias 0)."""
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
        cls, reg = (paddle.concat([points_first(x) for x in maps], axis=1) for maps in levels[:2])
        return HeadOutputs(cls, reg, self._grid(tuple(map(height_width, levels.cls))), tuple(levels.one_to_one))

    def grid(self, height: int, width: int) -> Grid:
        """Grid points of an image of this size in pixels."""
        return self._grid(tuple((-(-height // stride), -(-width // stride)) for stride in self.fpn_stride))

    def _grid(self, sizes: tuple[tuple[int, int], ...]) -> Grid:
        if not paddle.in_dynamic_mode():  # part of a graph, which must not leave it
            return make_grid(sizes, self.fpn_stride, self.cell_offset)
        if sizes not in self._grids:
            self._grids[sizes] = make_grid(sizes, self.fpn_stride, self.cell_offset)
        return self._grids[sizes]

    def probabilities(self, cls: paddle.Tensor) -> paddle.Tensor:
        """`HeadOutputs.cls` as probabilities."""
        raise NotImplementedError

    def score_maps(self, levels: Levels) -> list[paddle.Tensor]:
        """The scores that count in detections, one map [B, C, h, w] per level."""
        return [self.probabilities(cls) for cls in levels.cls]

    def scores(self, outputs: HeadOutputs) -> paddle.Tensor:
        """The same scores as [B, C, L]."""
        return self.probabilities(outputs.cls).transpose([0, 2, 1])

    def decode(self, outputs: HeadOutputs) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Scores [B, C, L] and boxes [B, L, 4], xyxy, input pixels."""
        boxes = decode_boxes(outputs.reg, outputs.grid, self.reg_max) * outputs.grid.strides
        return self.scores(outputs), boxes
