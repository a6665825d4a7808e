"""Pascal VOC's metric: mean average precision with the conventions of PaddleDetection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ppdet.core.errors import UserError
from ppdet.metrics.base import Metric
from ppdet.metrics.inputs import Category, Record

MAP_TYPES = ("11point", "integral")
_IOU = 0.5  # a detection must overlap by more than this


class VocRow(NamedTuple):
    """Score of one class: AP is -1 without ground truth. `ground_truths` does not count objects marked as difficult."""

    name: str
    ground_truths: int
    AP: float


class VocMetric(Metric):
    """mAP at an IoU of 0.5. Objects marked as difficult are ignored.

    A detection is matched to the ground truth of its class with the largest overlap. Of the detections of one ground
    truth, the one with the highest score is right and the others are wrong. map_type: "11point" (precision at 11
    recalls, as in VOC 2007) or "integral" (area under the curve).
    """

    primary = "mAP"

    def __init__(self, categories: Sequence[Category], records: Sequence[Record], map_type: str = "11point") -> None:
        if map_type not in MAP_TYPES:
            raise UserError(f"map_type: found {map_type!r}; expected one of {', '.join(MAP_TYPES)}")
        self._map_type = map_type
        self._records = {record.im_id: record for record in records}
        super().__init__(categories, self._records)

    def has_truth(self) -> bool:
        return any((record.difficult == 0).any() for record in self._records.values())

    def compute(self) -> dict[str, float]:
        """{"mAP": mean over the classes with ground truth}; 0 if there are none."""
        scores = [row.AP for row in self.classwise() if row.ground_truths]
        return {"mAP": float(np.mean(scores)) if scores else 0.0}

    def classwise(self) -> list[VocRow]:
        judged = np.concatenate([np.empty((0, 3)), *(self._judge(im_id, rows) for im_id, rows in self._found)])
        judged = judged[np.argsort(-judged[:, 1], kind="stable")]
        rows = []
        for index, category in enumerate(self._categories):
            right = judged[judged[:, 0] == index, 2] > 0
            count = sum(int(((r.gt_class == index) & (r.difficult == 0)).sum()) for r in self._records.values())
            rows.append(VocRow(category.name, count, self._average_precision(right, count) if count else -1.0))
        return rows

    def _judge(self, im_id: int, rows: np.ndarray) -> np.ndarray:
        """The detections of an image that count, [m, 3]: class, score, 1 if right and 0 if wrong."""
        record = self._records[im_id]
        rows = rows[np.argsort(-rows[:, 1], kind="stable")]
        right, counted = np.zeros(len(rows), bool), np.ones(len(rows), bool)
        if len(record.gt_class):
            overlap = _pixel_iou(rows[:, 2:], record.gt_bbox.astype(np.float64))
            overlap[rows[:, :1] != record.gt_class.reshape(1, -1)] = -1
            hits = np.flatnonzero(overlap.max(1) > _IOU)
            claimed = overlap.argmax(1)[hits]
            counted[hits] = record.difficult.reshape(-1)[claimed] == 0
            right[hits[np.unique(claimed, return_index=True)[1]]] = True  # the detection of each with the highest score
        return np.column_stack([rows[:, :2], right])[counted]

    def _average_precision(self, right: np.ndarray, count: int) -> float:
        """AP of detections `right` [n] bool, in descending order of scores, for `count` ground truths."""
        hits = np.cumsum(right)
        precision, recall = hits / np.arange(1, len(hits) + 1), hits / count
        if self._map_type == "integral":
            # parity: PaddleDetection sums the raw curve, without the monotone envelope of VOC 2010
            return float(precision[right].sum() / count)
        return float(np.mean([precision[recall >= level / 10].max(initial=0.0) for level in range(11)]))


def _pixel_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU [n, m] of xyxy boxes [n, 4] and [m, 4].

    parity: VOC's corners are pixels that belong to the box, so every side is one pixel longer than the difference.
    """
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.where((high > low).all(2), (high - low + 1).prod(2), 0.0)
    area_a, area_b = (a[:, 2:] - a[:, :2] + 1).prod(1), (b[:, 2:] - b[:, :2] + 1).prod(1)
    iou: np.ndarray = inter / (area_a[:, None] + area_b[None] - inter)
    return iou
