"""PASCAL VOC mean average precision, with the conventions of PaddleDetection's VOC metric."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ppdet.core.errors import UserError
from ppdet.metrics.inputs import Category, Record, checked
from ppdet.metrics.tables import VocRow

MAP_TYPES = ("11point", "integral")


class VocMetric:
    """mAP at one IoU threshold; objects marked difficult neither help nor hurt.

    A detection goes to the ground truth of its class that it overlaps most; the best-scored one of a ground truth
    is right, any further one is wrong.

    Args:
        categories: the classes, in the order of the model's class indices.
        records: the ground truth of every image.
        map_type: "11point" (precision at 11 recalls, as in VOC 2007) or "integral" (area under the curve).
        iou: a detection must overlap by more than this.
    """

    primary = "mAP"

    def __init__(
        self,
        categories: Sequence[Category],
        records: Sequence[Record],
        map_type: str = "11point",
        iou: float = 0.5,
    ) -> None:
        if map_type not in MAP_TYPES:
            raise UserError(f"map_type: found {map_type!r}; expected one of {', '.join(MAP_TYPES)}")
        self._categories = list(categories)
        self._map_type = map_type
        self._iou = iou
        ends = np.cumsum([len(r.gt_class) for r in records], dtype=np.int64)
        self._records = {r.im_id: (r, int(end) - len(r.gt_class)) for r, end in zip(records, ends, strict=True)}
        self._gt_class = np.concatenate([np.empty(0, np.int64), *(r.gt_class.reshape(-1) for r in records)])
        self._difficult = np.concatenate([np.empty(0, bool), *(r.difficult.reshape(-1) > 0 for r in records)])
        self.reset()

    def reset(self) -> None:
        """Forget all detections."""
        self._found: list[np.ndarray] = []  # [n, 3] float64 each: class, score, ground truth (-1: none)

    def update(self, im_id: int, detections: np.ndarray) -> None:
        """Add the detections of one image.

        Args:
            im_id: the image's id in the ground truth.
            detections: [n, 6] float: class index, score, x1, y1, x2, y2 in original pixels.

        Raises:
            UserError: the ground truth has no such image or class.
        """
        detections = checked(im_id, detections, self._records, len(self._categories))
        record, first = self._records[im_id]
        match = np.full(len(detections), -1.0)
        gt_class = record.gt_class.reshape(-1)
        if len(gt_class) and len(detections):
            overlap = _pixel_iou(detections[:, 2:], record.gt_bbox.astype(np.float64))
            overlap[detections[:, :1].astype(np.int64) != gt_class[None]] = -1
            best = overlap.argmax(1)
            hit = overlap[np.arange(len(best)), best] > self._iou
            match[hit] = first + best[hit]
        self._found.append(np.column_stack([detections[:, :2], match]))

    def compute(self) -> dict[str, float]:
        """{"mAP": mean over the classes that have ground truth}; 0 when there is none."""
        scores = [row.AP for row in self.classwise() if row.ground_truths]
        return {"mAP": float(np.mean(scores)) if scores else 0.0}

    def classwise(self) -> list[VocRow]:
        """Per class: number of ground truths (difficult ones left out) and AP."""
        counts = np.bincount(self._gt_class[~self._difficult], minlength=len(self._categories))
        found = np.concatenate([np.empty((0, 3)), *self._found])
        found = found[np.argsort(-found[:, 1], kind="stable")]
        match = found[:, 2].astype(np.int64)
        counted = (match < 0) | ~np.append(self._difficult, False)[match]  # the appended entry answers for -1
        right = np.zeros(len(found), bool)
        claimed, claim = np.unique(match, return_index=True)  # index of the best-scored detection of each
        right[claim[claimed >= 0]] = True
        rows = []
        for index, category in enumerate(self._categories):
            mine = right[(found[:, 0] == index) & counted]
            count = int(counts[index])
            rows.append(VocRow(category.name, count, self._average_precision(mine, count) if count else -1.0))
        return rows

    def _average_precision(self, right: np.ndarray, count: int) -> float:
        """`right` [n] bool by falling score; `count` ground truths."""
        hits = np.cumsum(right)
        precision, recall = hits / np.arange(1, len(hits) + 1), hits / count
        if self._map_type == "integral":
            # parity: PaddleDetection sums the raw curve, without the monotone envelope of VOC 2010
            return float(precision[right].sum() / count)
        best = [precision[recall >= level / 10].max(initial=0.0) for level in range(11)]
        return float(np.mean(best))


def _pixel_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU [n, m] of xyxy boxes [n, 4] and [m, 4].

    parity: VOC corners are pixels that belong to the box, so every side is one longer than the difference.
    """
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.where((high > low).all(2), (high - low + 1).prod(2), 0.0)
    area_a, area_b = (a[:, 2:] - a[:, :2] + 1).prod(1), (b[:, 2:] - b[:, :2] + 1).prod(1)
    iou: np.ndarray = inter / (area_a[:, None] + area_b[None] - inter)
    return iou
