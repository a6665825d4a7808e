"""The findings as a table, and as annotations in COCO's format for labeling tools."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ppdet.data.datasets import Category
from ppdet.data.ops.decode import image_size
from ppdet.suspects.findings import Box, Finding

_COLUMNS = (
    *("rank", "kind", "sure", "file", "image_id", "annotation_id", "labeled_class", "suggested_class"),
    *("x1", "y1", "x2", "y2", "suggested_x1", "suggested_y1", "suggested_x2", "suggested_y2"),
)
_DECIMALS = 2  # of pixels


def write_csv(path: Path, findings: Sequence[Finding]) -> None:
    """Writes one line for each finding, the most certain first. What a finding does not have is empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        for rank, each in enumerate(findings, 1):
            start = [rank, each.kind, f"{each.sure:.4f}", each.picture.name, each.image_id, each.label_id]
            names = [category and category.name for category in (each.label_class, each.suggested_class)]
            table.writerow([*start, *names, *_cells(each.label_box), *_cells(each.suggested_box)])


def _cells(box: Box | None) -> list[str]:
    return [""] * 4 if box is None else [f"{value:.{_DECIMALS}f}" for value in box]


def write_coco(path: Path, findings: Sequence[Finding], categories: Sequence[Category]) -> None:
    """Writes a COCO file with the images that have findings, and an annotation for each finding.

    An annotation has the box and class that the model suggests, those of the label if it is spurious, and the fields
    `score` (how sure it is), `kind` and `label_id` (the id of the label; null if it is missing or has none).
    """
    pictures = {str(each.image_id): each for each in findings}
    content = {
        "info": {"description": "suggestions of ppdet data suspects"},
        "images": [_image(each) for each in pictures.values()],
        "annotations": [_annotation(number, each) for number, each in enumerate(findings, 1)],
        "categories": [{"id": category.id, "name": category.name} for category in categories],
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def _image(finding: Finding) -> dict[str, Any]:
    picture = finding.picture
    size = picture.size or image_size(Path(picture.file))
    sides = {"width": size[1], "height": size[0]} if size else {}
    return {"id": finding.image_id, "file_name": picture.name} | sides


def _annotation(number: int, finding: Finding) -> dict[str, Any]:
    category = finding.suggested_class or finding.label_class
    assert category is not None
    x1, y1, x2, y2 = finding.suggested_box or finding.label_box or (0, 0, 0, 0)
    box = [round(value, _DECIMALS) for value in (x1, y1, x2 - x1, y2 - y1)]
    return {
        "id": number,
        "image_id": finding.image_id,
        "category_id": category.id,
        "bbox": box,
        "area": round(box[2] * box[3], _DECIMALS),
        "iscrowd": 0,
        "segmentation": [],
        "score": round(finding.sure, 4),
        "kind": finding.kind,
        "label_id": finding.label_id,
    }
