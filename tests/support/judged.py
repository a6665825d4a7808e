"""Small data sets with objects and detections, by hand and at random, as the metrics and their analysis take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from ppdet.metrics import CocoMetric, Metric, VocMetric
from ppdet.metrics.analysis.found import flatten_found
from ppdet.metrics.analysis.matching import Case, pair_up
from ppdet.metrics.analysis.rules import rule_for
from ppdet.metrics.analysis.truth import flatten_truth

Rows = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Judged:
    """Images with objects (class, x1, y1, x2, y2, and 1 if it is a crowd or difficult) and detections.

    objects, detections: by image. Detections are rows: class, score, x1, y1, x2, y2.
    """

    objects: Sequence[Rows]
    detections: Sequence[Rows]
    num_classes: int = 2
    kind: str = "COCO"
    map_type: str = "11point"
    areas: Sequence[float] | None = None  # of the objects' outlines
    im_ids: Sequence[int] | None = None
    categories: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        names = [SimpleNamespace(id=index, name=f"class {index}") for index in range(self.num_classes)]
        object.__setattr__(self, "categories", names)

    @property
    def numbers(self) -> Sequence[int]:
        return range(len(self.objects)) if self.im_ids is None else self.im_ids

    @property
    def records(self) -> list[Any]:
        parts = [np.array(rows, np.float64).reshape(-1, 6) for rows in self.objects]
        return [
            SimpleNamespace(
                im_id=im_id,
                gt_bbox=part[:, 1:5],
                gt_class=part[:, :1].astype(int),
                difficult=part[:, 5:].astype(int),
            )
            for im_id, part in zip(self.numbers, parts, strict=True)
        ]

    @property
    def truth(self) -> Any:
        """A COCO file's ground truth; None for VOC."""
        if self.kind == "VOC":
            return None
        rows = np.concatenate([np.empty((0, 6)), *(np.array(part, np.float64).reshape(-1, 6) for part in self.objects)])
        boxes = np.concatenate([rows[:, 1:3], rows[:, 3:5] - rows[:, 1:3]], axis=1)
        return SimpleNamespace(
            image_ids=range(max(self.numbers, default=0) + 1),
            im_id=np.repeat(np.array(self.numbers, int), [len(part) for part in self.objects]),
            class_index=rows[:, 0].astype(int),
            boxes=boxes,
            areas=boxes[:, 2] * boxes[:, 3] if self.areas is None else np.array(self.areas, float),
            crowd=rows[:, 5] > 0,
        )

    @property
    def found(self) -> list[tuple[int, np.ndarray]]:
        parts = [np.array(rows, np.float64).reshape(-1, 6) for rows in self.detections]
        return list(zip(self.numbers, parts, strict=True))

    @property
    def dataset(self) -> Any:
        return SimpleNamespace(records=self.records, categories=self.categories, truth=self.truth)

    @property
    def case(self) -> Case:
        rule = rule_for(self.kind, self.map_type)
        truth = flatten_truth(self.records, self.truth, self.num_classes, rule.is_voc)
        return pair_up(truth, flatten_found(self.found, truth.im_ids, rule.max_found), rule)

    @property
    def metric(self) -> Metric:
        """The official metric, with all detections."""
        metric = (
            VocMetric(self.categories, self.records, self.map_type)
            if self.kind == "VOC"
            else CocoMetric(self.categories, self.records, self.truth)
        )
        for im_id, rows in self.found:
            metric.update(im_id, rows)
        return metric


def random_judged(seed: int, images: int = 20, num_classes: int = 4, kind: str = "COCO", **options: Any) -> Judged:
    """Objects of all sizes, some crowds or difficult; detections near them and elsewhere, with many equal scores."""
    rng = np.random.default_rng(seed)
    objects, detections = [], []
    for _ in range(images):
        count = int(rng.integers(0, 7))
        corner, side = rng.integers(0, 200, (count, 2)), np.exp(rng.uniform(1.5, 5.5, (count, 2))).round()
        boxes = np.concatenate([corner, corner + side], axis=1)
        classes = rng.integers(0, num_classes, (count, 1))
        objects.append(np.concatenate([classes, boxes, rng.random((count, 1)) < 0.12], axis=1))
        near = rng.integers(0, count, int(rng.integers(0, 3 * count + 1))) if count else np.empty(0, int)
        moved = boxes[near] + rng.normal(0, 0.12, (len(near), 4)) * np.tile(side[near], 2)
        stray = rng.integers(0, 200, (int(rng.integers(0, 4)), 2))
        spots = np.concatenate([moved, np.concatenate([stray, stray + rng.integers(5, 150, stray.shape)], axis=1)])
        named = np.concatenate([classes[near, 0], rng.integers(0, num_classes, len(stray))])
        named = np.where(rng.random(len(named)) < 0.2, rng.integers(0, num_classes, len(named)), named)
        scores = rng.integers(1, 20, len(named)) / 20
        detections.append(np.column_stack([named, scores, np.sort(spots.reshape(-1, 2, 2), axis=1).reshape(-1, 4)]))
    return Judged(objects, detections, num_classes, kind, **options)
