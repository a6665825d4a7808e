"""The twelve COCO numbers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ppdet.core.errors import UserError
from ppdet.metrics.base import Metric
from ppdet.metrics.coco_evaluation import Evaluation, evaluate
from ppdet.metrics.inputs import Category, Record
from ppdet.metrics.results import to_results

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


class CocoRow(NamedTuple):
    """One class; the scores are -1 without ground truth. Crowds are not in `ground_truths`."""

    name: str
    ground_truths: int
    AP: float
    AP50: float


class CocoMetric(Metric):
    """COCO box AP and AR.

    anno_file  COCO annotation file with the ground truth
    records    the ground truth when there is no `anno_file`; with one, the images to score (all of the file's images
               where None). Boxes marked difficult count like any other
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
        im_ids, annotations = _from_records(categories, records or ()) if anno_file is None else _from_file(anno_file)
        self._truth = {
            "info": {},
            "images": [{"id": im_id} for im_id in im_ids],
            # ids count from 1: COCO reads a match with id 0 as no match
            "annotations": [annotation | {"id": number} for number, annotation in enumerate(annotations, start=1)],
            "categories": [{"id": category.id, "name": category.name} for category in categories],
        }
        known = set(im_ids)
        self._scored = sorted(known if records is None else known & {record.im_id for record in records})
        super().__init__(categories, known)

    def results(self) -> list[dict[str, Any]]:
        """All detections in COCO's results layout."""
        return to_results(self._found, self._categories)

    def compute(self) -> dict[str, float]:
        """The twelve numbers in COCO's order; -1 where no ground truth of that size exists, 0 without detections."""
        evaluation = self._evaluate()
        stats = [0.0] * len(NAMES) if evaluation is None else evaluation.stats
        return dict(zip(NAMES, map(float, stats), strict=True))

    def classwise(self) -> list[CocoRow]:
        scored = set(self._scored)
        counts = Counter(
            annotation["category_id"]
            for annotation in self._truth["annotations"]
            if annotation["image_id"] in scored and not annotation["iscrowd"]
        )
        evaluation = self._evaluate()
        if evaluation is None:
            scores = {c.id: 0.0 if counts[c.id] else -1.0 for c in self._categories}
            return [CocoRow(c.name, counts[c.id], scores[c.id], scores[c.id]) for c in self._categories]
        curves = {id_: evaluation.precision[:, :, k, 0, -1] for k, id_ in enumerate(self._category_ids())}
        return [CocoRow(c.name, counts[c.id], _mean(curves[c.id]), _mean(curves[c.id][0])) for c in self._categories]

    def _category_ids(self) -> list[int]:
        return sorted(category.id for category in self._categories)

    def _evaluate(self) -> Evaluation | None:
        """The result of COCO's evaluation; None without detections."""
        if self._evaluation is None and len(detections := self._detections()):
            self._evaluation = evaluate(self._truth, detections, self._scored, self._category_ids())
        return self._evaluation

    def _detections(self) -> np.ndarray:
        """[N, 7] float64: image id, x, y, width, height, score, category id."""
        ids = np.array([category.id for category in self._categories], np.float64)
        rows = np.concatenate([np.empty((0, 6)), *(rows for _, rows in self._found)])
        im_ids = np.repeat([float(im_id) for im_id, _ in self._found], [len(rows) for _, rows in self._found])
        sides = rows[:, 4:] - rows[:, 2:4]
        return np.column_stack([im_ids, rows[:, 2:4], sides, rows[:, 1], ids[rows[:, 0].astype(int)]])


def format_summary(scores: dict[str, float]) -> str:
    """The twelve numbers as the text that COCO's own tool prints."""
    lines = []
    for name in NAMES:
        kind, detail = name[:2], name[2:]
        title = "Average Precision  (AP)" if kind == "AP" else "Average Recall     (AR)"
        iou = f"0.{detail}" if name in ("AP50", "AP75") else "0.50:0.95"
        area = {"s": "small", "m": "medium", "l": "large"}.get(detail, "all")
        limit = int(detail) if name in ("AR1", "AR10") else 100
        lines.append(f" {title:<18} @[ IoU={iou:<9} | area={area:>6s} | maxDets={limit:>3d} ] = {scores[name]:0.3f}")
    return "\n".join(lines)


def _mean(curve: np.ndarray) -> float:
    """Mean over the valid entries; -1, which marks classes without ground truth, when there is none."""
    valid = curve[curve > -1]
    return float(valid.mean()) if valid.size else -1.0


def _from_file(path: str | Path) -> tuple[list[int], list[dict[str, Any]]]:
    """Image ids and annotations of a COCO file; area and iscrowd are made up where home-made files lack them."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected a COCO annotation file") from error
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}); expected a COCO annotation file") from error
    for section in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or section not in content:
            raise UserError(f"{path}: has no '{section}'; expected a COCO annotation file with ground truth")
    annotations = []
    for entry in content["annotations"]:
        if not _is_box(entry.get("bbox")):
            continue  # the dataset, which drops it as well, has warned
        annotation = _annotation(int(entry["image_id"]), int(entry["category_id"]), entry["bbox"])
        if isinstance(entry.get("area"), (int, float)):  # of the outline
            annotation["area"] = entry["area"]
        annotations.append(annotation | {"iscrowd": int(bool(entry.get("iscrowd")))})
    return [int(image["id"]) for image in content["images"]], annotations


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 4 and all(isinstance(v, (int, float)) and isfinite(v) for v in value)
    )


def _from_records(categories: Sequence[Category], records: Sequence[Record]) -> tuple[list[int], list[dict[str, Any]]]:
    """The same from a dataset of any format."""
    annotations = [
        _annotation(record.im_id, categories[class_index].id, [x1, y1, x2 - x1, y2 - y1])
        for record in records
        for (x1, y1, x2, y2), class_index in zip(
            record.gt_bbox.astype(np.float64).tolist(), record.gt_class.reshape(-1).tolist(), strict=True
        )
    ]
    return [record.im_id for record in records], annotations


def _annotation(image_id: int, category_id: int, box: list[float]) -> dict[str, Any]:
    """`box` is x, y, width, height."""
    return {"image_id": image_id, "category_id": category_id, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
