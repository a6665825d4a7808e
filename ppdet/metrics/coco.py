"""The twelve COCO numbers, from detections collected image by image."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ppdet.core.errors import UserError
from ppdet.metrics.inputs import Category, Record, checked
from ppdet.metrics.tables import CocoRow

try:  # the same numbers (tests/metrics compares them) in a fraction of the time
    from faster_coco_eval import COCOeval_faster as _Evaluator
except ImportError:
    _Evaluator = COCOeval

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


class CocoMetric:
    """COCO box AP and AR.

    Args:
        categories: the classes, in the order of the model's class indices.
        anno_file: COCO annotation file with the ground truth.
        records: the ground truth when there is no `anno_file`; with one, the images to score
            (all of the file's images where None). Boxes marked difficult count like any other.
    """

    primary = "AP"

    def __init__(
        self,
        categories: Sequence[Category],
        anno_file: str | Path | None = None,
        records: Sequence[Record] | None = None,
    ) -> None:
        if anno_file is None and records is None:
            raise ValueError("CocoMetric needs an anno_file or records")
        self._categories = list(categories)
        dataset = _read(anno_file) if anno_file is not None else _from_records(self._categories, records or ())
        self._truth = COCO()
        self._truth.dataset = dataset
        with contextlib.redirect_stdout(io.StringIO()):
            self._truth.createIndex()
        self._known = set(self._truth.imgs)
        self._scored = sorted(self._known if records is None else self._known & {r.im_id for r in records})
        self.reset()

    def reset(self) -> None:
        """Forget all detections."""
        self._results: list[dict[str, Any]] = []
        self._evaluated: Any = None

    def update(self, im_id: int, detections: np.ndarray) -> None:
        """Add the detections of one image.

        Args:
            im_id: the image's id in the ground truth.
            detections: [n, 6] float: class index, score, x1, y1, x2, y2 in original pixels.

        Raises:
            UserError: the ground truth has no such image or class.
        """
        self._evaluated = None
        rows = checked(im_id, detections, self._known, len(self._categories))
        for class_index, score, x1, y1, x2, y2 in rows.tolist():
            self._results.append(
                {
                    "image_id": int(im_id),
                    "category_id": self._categories[int(class_index)].id,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": score,
                }
            )

    def results(self) -> list[dict[str, Any]]:
        """All detections in COCO's results layout; bbox is x, y, width, height."""
        return [dict(result) for result in self._results]

    def compute(self) -> dict[str, float]:
        """The twelve numbers in COCO's order; -1 where no ground truth of that size exists, 0 without detections."""
        if not self._results:
            return dict.fromkeys(NAMES, 0.0)
        return dict(zip(NAMES, map(float, self._evaluate().stats[:12]), strict=True))

    def classwise(self) -> list[CocoRow]:
        """Per class: number of ground truths (crowds left out), AP, AP50."""
        counts = dict.fromkeys((c.id for c in self._categories), 0)
        for annotation in self._truth.loadAnns(self._truth.getAnnIds(imgIds=self._scored)):
            if not annotation.get("iscrowd", 0) and annotation["category_id"] in counts:
                counts[annotation["category_id"]] += 1
        if not self._results:
            none = {c.id: 0.0 if counts[c.id] else -1.0 for c in self._categories}
            return [CocoRow(c.name, counts[c.id], none[c.id], none[c.id]) for c in self._categories]
        evaluation = self._evaluate()
        precision = np.asarray(evaluation.eval["precision"])  # [iou, recall, class, area, detections]
        place = {id_: k for k, id_ in enumerate(evaluation.params.catIds)}
        rows = []
        for category in self._categories:
            curve = precision[:, :, place[category.id], 0, -1]
            rows.append(CocoRow(category.name, counts[category.id], _mean(curve), _mean(curve[0])))
        return rows

    def _evaluate(self) -> Any:
        if self._evaluated is None:
            with contextlib.redirect_stdout(io.StringIO()):
                evaluation = _Evaluator(self._truth, self._truth.loadRes(self.results()), "bbox")
                evaluation.params.imgIds = self._scored
                evaluation.params.catIds = sorted(c.id for c in self._categories)
                evaluation.evaluate()
                evaluation.accumulate()
                evaluation.summarize()
            self._evaluated = evaluation
        return self._evaluated


def format_summary(scores: dict[str, float]) -> str:
    """The twelve numbers as the text that COCO's own tool prints."""
    lines = []
    for name in NAMES:
        title, iou, area, limit = _describe(name)
        lines.append(f" {title:<18} @[ IoU={iou:<9} | area={area:>6s} | maxDets={limit:>3d} ] = {scores[name]:0.3f}")
    return "\n".join(lines)


def _describe(name: str) -> tuple[str, str, str, int]:
    kind, suffix = name[:2], name[2:]
    title = "Average Precision  (AP)" if kind == "AP" else "Average Recall     (AR)"
    iou = {"50": "0.50", "75": "0.75"}.get(suffix, "0.50:0.95") if kind == "AP" else "0.50:0.95"
    area = {"s": "small", "m": "medium", "l": "large"}.get(suffix, "all")
    return title, iou, area, int(suffix) if kind == "AR" and suffix.isdigit() else 100


def _mean(curve: np.ndarray) -> float:
    """Mean over the valid entries; -1, which marks classes without ground truth, when there is none."""
    valid = curve[curve > -1]
    return float(valid.mean()) if valid.size else -1.0


def _read(anno_file: str | Path) -> dict[str, Any]:
    try:
        dataset = json.loads(Path(anno_file).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{anno_file}: cannot be read ({error.strerror}); expected a COCO annotation file") from error
    except ValueError as error:
        raise UserError(f"{anno_file}: not JSON ({error}); expected a COCO annotation file") from error
    missing = [k for k in ("images", "annotations", "categories") if not isinstance(dataset, dict) or k not in dataset]
    if missing:
        raise UserError(f"{anno_file}: has no '{missing[0]}'; expected a COCO annotation file with ground truth")
    annotations = [annotation for annotation in dataset["annotations"] if _has_box(annotation)]
    return {**dataset, "annotations": [_completed(a, i) for i, a in enumerate(annotations, start=1)]}


def _has_box(annotation: dict[str, Any]) -> bool:
    """Whether there is a box to score; the dataset, which drops the others as well, has warned of them."""
    box = annotation.get("bbox")
    return isinstance(box, list) and len(box) == 4 and all(isinstance(v, (int, float)) and isfinite(v) for v in box)


def _completed(annotation: dict[str, Any], number: int) -> dict[str, Any]:
    """Add what home-made files leave out; ids count from 1, as COCO reads a match with id 0 as no match."""
    area = annotation["bbox"][2] * annotation["bbox"][3]
    return {"area": area, "iscrowd": 0, **annotation, "id": number}


def _from_records(categories: Sequence[Category], records: Sequence[Record]) -> dict[str, Any]:
    """Ground truth in COCO's layout; the area of an object is that of its box."""
    annotations: list[dict[str, Any]] = []
    for record in records:
        boxes = record.gt_bbox.astype(np.float64).tolist()
        for (x1, y1, x2, y2), class_index in zip(boxes, record.gt_class.reshape(-1).tolist(), strict=True):
            annotation = {
                "image_id": record.im_id,
                "category_id": categories[class_index].id,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
            }
            annotations.append(_completed(annotation, len(annotations) + 1))
    return {
        "info": {},
        "images": [{"id": record.im_id} for record in records],
        "annotations": annotations,
        "categories": [{"id": c.id, "name": c.name} for c in categories],
    }
