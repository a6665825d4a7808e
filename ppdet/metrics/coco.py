"""COCO's metric: the twelve numbers of its box evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ppdet.metrics.base import Metric
from ppdet.metrics.coco_evaluation import Evaluation, evaluate
from ppdet.metrics.inputs import Category, GroundTruth, Record
from ppdet.metrics.means import valid_mean

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


class CocoRow(NamedTuple):
    """Scores of one class, -1 without ground truth. `ground_truths` does not count crowds."""

    name: str
    ground_truths: int
    AP: float
    AP50: float


class CocoMetric(Metric):
    """COCO's AP and AR of boxes."""

    primary = "AP"

    def __init__(
        self, categories: Sequence[Category], records: Sequence[Record], truth: GroundTruth | None = None
    ) -> None:
        """Starts without detections.

        Args:
            categories: the classes, in the order of the model's class indices.
            records: the images to score, and the ground truth if there is no `truth`. Boxes marked as difficult count
                like all others.
            truth: the ground truth of a COCO file, which has crowds and areas of outlines.
        """
        self._scored = sorted(record.im_id for record in records)
        known = self._scored if truth is None else range(len(truth.image_ids))
        self._truth: dict[str, Any] = {
            "info": {},
            "images": [{"id": im_id} for im_id in known],
            "annotations": _from_records(records) if truth is None else _from_truth(truth),
            "categories": [{"id": index, "name": category.name} for index, category in enumerate(categories)],
        }
        super().__init__(categories, known)

    def compute(self) -> dict[str, float]:
        """The twelve numbers in COCO's order: -1 if no ground truth has that size, 0 if there are no detections."""
        evaluation = self._evaluate()
        stats = [0.0] * len(NAMES) if evaluation is None else evaluation.stats
        return dict(zip(NAMES, map(float, stats), strict=True))

    def classwise(self) -> list[CocoRow]:
        counts, evaluation = self._counts(), self._evaluate()
        rows = []
        for index, category in enumerate(self._categories):
            if evaluation is None:
                scores = [0.0 if counts[index] else -1.0] * 2
            else:
                curves = evaluation.precision[:, :, index, 0, -1]
                scores = [valid_mean(curves), valid_mean(curves[0])]
            rows.append(CocoRow(category.name, counts[index], *scores))
        return rows

    def has_truth(self) -> bool:
        return bool(self._counts())

    def _counts(self) -> Counter[int]:
        """The number of objects of each class in the images that are scored, without crowds."""
        scored = set(self._scored)
        return Counter(
            annotation["category_id"]
            for annotation in self._truth["annotations"]
            if annotation["image_id"] in scored and not annotation["iscrowd"]
        )

    def _evaluate(self) -> Evaluation | None:
        """The result of COCO's evaluation; None without detections."""
        if self._evaluation is None and len(detections := self._detections()):
            self._evaluation = evaluate(self._truth, detections, self._scored, range(len(self._categories)))
        evaluation: Evaluation | None = self._evaluation
        return evaluation

    def _detections(self) -> np.ndarray:
        """[N, 7] float64: image, x, y, width, height, score, class index."""
        rows = np.concatenate([np.empty((0, 6)), *(rows for _, rows in self._found)])
        im_ids = np.repeat([float(im_id) for im_id, _ in self._found], [len(rows) for _, rows in self._found])
        sides = rows[:, 4:] - rows[:, 2:4]
        return np.column_stack([im_ids, rows[:, 2:4], sides, rows[:, 1], rows[:, 0]])


def format_summary(scores: dict[str, float]) -> str:
    """The twelve numbers in the format of COCO's own tool."""
    lines = []
    for name in NAMES:
        kind, detail = name[:2], name[2:]
        title = "Average Precision  (AP)" if kind == "AP" else "Average Recall     (AR)"
        iou = f"0.{detail}" if name in ("AP50", "AP75") else "0.50:0.95"
        area = {"s": "small", "m": "medium", "l": "large"}.get(detail, "all")
        limit = int(detail) if name in ("AR1", "AR10") else 100
        lines.append(f" {title:<18} @[ IoU={iou:<9} | area={area:>6s} | maxDets={limit:>3d} ] = {scores[name]:0.3f}")
    return "\n".join(lines)


def _from_truth(truth: GroundTruth) -> list[dict[str, Any]]:
    """The ground truth of a COCO file as annotations in COCO's format."""
    columns = (truth.im_id, truth.class_index, truth.boxes, truth.areas, truth.crowd)
    return _annotations(*(column.tolist() for column in columns))


def _from_records(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The boxes of any dataset as annotations in COCO's format."""
    im_ids = [record.im_id for record in records for _ in record.gt_bbox]
    classes = [index for record in records for index in record.gt_class.reshape(-1).tolist()]
    corners = np.concatenate([np.empty((0, 4)), *(record.gt_bbox for record in records)])  # float64
    sides = corners[:, 2:] - corners[:, :2]
    boxes = np.concatenate([corners[:, :2], sides], axis=1)
    return _annotations(im_ids, classes, boxes.tolist(), (sides[:, 0] * sides[:, 1]).tolist(), [False] * len(im_ids))


def _annotations(
    im_ids: list[int], classes: list[int], boxes: list[list[float]], areas: list[float], crowds: list[bool]
) -> list[dict[str, Any]]:
    return [
        # ids start at 1: COCO's evaluation takes a match with id 0 for no match
        {"id": number, "image_id": im_id, "category_id": index, "bbox": box, "area": area, "iscrowd": int(crowd)}
        for number, (im_id, index, box, area, crowd) in enumerate(
            zip(im_ids, classes, boxes, areas, crowds, strict=True), start=1
        )
    ]
