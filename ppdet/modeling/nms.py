"""Choosing detections from decoded points: by class-wise hard NMS, one operator, or by nothing but their scores."""

from __future__ import annotations

import functools
import logging
from typing import Annotated, Any, ClassVar, Literal

import paddle
from paddle import _C_ops
from paddle.base.framework import in_dygraph_mode, in_dynamic_or_pir_mode
from paddle.base.layer_helper import LayerHelper

from ppdet.core.ranges import INT_MAX, Fraction, Range
from ppdet.core.registry import register
from ppdet.runtime.operator_support import has_kernel, place_kind

logger = logging.getLogger(__name__)
_Limit = Literal[-1] | Annotated[int, Range(1, INT_MAX)]  # -1: none
_OPERATOR = "multiclass_nms3"


@register
class MultiClassNMS:
    """Keeps boxes above `score_threshold`: at most `nms_top_k` per class before, `keep_top_k` per image after NMS.

    It is Paddle's operator `multiclass_nms3`. No class counts as background; widths are x2 - x1 (normalized).

    Args:
        score_threshold: boxes with a lower score are dropped.
        nms_top_k: boxes per class that enter NMS, the most confident ones; -1 for all.
        keep_top_k: boxes per image that are kept, the most confident ones; -1 for all.
        nms_threshold: IoU above which the less confident box is dropped.
    """

    ignored_options: ClassVar[dict[str, str]] = dict.fromkeys(("return_index", "return_rois_num", "trt"), "")
    fixed_options: ClassVar[dict[str, Any]] = {
        "normalized": Literal[True],
        "nms_eta": Annotated[float, Range(1, 1)],
        "background_label": Literal[-1],
    }

    def __init__(
        self,
        score_threshold: Fraction = 0.05,
        nms_top_k: _Limit = -1,
        keep_top_k: _Limit = 100,
        nms_threshold: Fraction = 0.5,
    ):
        self.attrs: dict[str, Any] = {
            "background_label": -1,
            "score_threshold": score_threshold,
            "nms_top_k": nms_top_k,
            "nms_threshold": nms_threshold,
            "keep_top_k": keep_top_k,
            "nms_eta": 1.0,
            "normalized": True,
        }

    def place(self, boxes: paddle.Tensor, scores: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Returns both tensors on the device that runs NMS: the CPU if their own has none."""
        return (boxes.cpu(), scores.cpu()) if _runs_on_cpu(place_kind(str(boxes.place))) else (boxes, scores)

    def __call__(self, boxes: paddle.Tensor, scores: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Runs NMS on boxes [B, L, 4] xyxy and scores [B, C, L].

        Returns:
            bbox [M, 6] (class, score, x1, y1, x2, y2) and bbox_num [B] int32. The M rows are grouped by image in batch
            order; M may be 0. Both are on the CPU if the boxes' device has no such operator.
        """
        if in_dygraph_mode():
            boxes, scores = self.place(boxes, scores)
        if in_dynamic_or_pir_mode():
            a = self.attrs
            bbox, _, bbox_num = _C_ops.multiclass_nms3(
                boxes,
                scores,
                None,
                a["score_threshold"],
                a["nms_top_k"],
                a["keep_top_k"],
                a["nms_threshold"],
                a["normalized"],
                a["nms_eta"],
                a["background_label"],
            )
            return bbox, bbox_num
        return self._append_to_program(boxes, scores)

    def _append_to_program(self, boxes: paddle.Tensor, scores: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Appends the operator to a static program of Paddle 2.6, for which `_C_ops` does not work."""
        helper = LayerHelper(_OPERATOR)
        bbox = helper.create_variable_for_type_inference(dtype=boxes.dtype)
        index = helper.create_variable_for_type_inference(dtype="int32")
        bbox_num = helper.create_variable_for_type_inference(dtype="int32")
        helper.append_op(
            type=_OPERATOR,
            inputs={"BBoxes": boxes, "Scores": scores},
            attrs=self.attrs,
            outputs={"Out": bbox, "Index": index, "NmsRoisNum": bbox_num},
        )
        for output in (bbox, index, bbox_num):
            output.stop_gradient = True
        return bbox, bbox_num


@functools.cache  # also: one notice per process
def _runs_on_cpu(kind: str) -> bool:
    """Returns whether tensors of this kind of device have to be copied to the CPU for NMS."""
    if has_kernel(_OPERATOR, kind):
        return False
    logger.info("NMS: %s has no operator %s, it runs on the CPU", kind, _OPERATOR)
    return True


class TopScores:
    """Chooses detections from scores of which each object has one: those above a threshold, the most confident ones.

    Args:
        attrs: those of a MultiClassNMS, whose `score_threshold` and `keep_top_k` count.
    """

    def __init__(self, attrs: dict[str, Any]):
        self.attrs = attrs

    def place(self, boxes: paddle.Tensor, scores: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Returns both tensors on the device that chooses: their own."""
        return boxes, scores

    def __call__(self, boxes: paddle.Tensor, scores: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Chooses from boxes [B, L, 4] xyxy and scores [B, C, L].

        Returns:
            bbox [M, 6] (class, score, x1, y1, x2, y2) and bbox_num [B] int32. The M rows are grouped by image in batch
            order, the most confident first; M may be 0.
        """
        classes, points = scores.shape[1:]
        most, limit = self.attrs["keep_top_k"], classes * points
        best, index = scores.reshape([-1, limit]).topk(limit if most < 0 else min(most, limit), axis=1)
        point = (index % points).unsqueeze(-1).expand([-1, -1, 4])
        corners = paddle.take_along_axis(boxes, point, axis=1)
        class_and_score = paddle.stack([(index // points).astype(best.dtype), best], axis=-1)
        rows = paddle.concat([class_and_score, corners], axis=-1).reshape([-1, 6])
        kept = best > self.attrs["score_threshold"]
        chosen = paddle.nonzero(kept.flatten()).flatten()
        return rows.gather(chosen), kept.astype("int32").sum(axis=1).astype("int32")
