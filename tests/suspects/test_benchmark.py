"""The mistakes that benchmarks/label_errors.py plants are what it says."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import numpy as np
import pytest

from benchmarks.label_errors import KINDS, Mistake, hit, iou, plant


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """60 images with three objects of 40 x 30 each, and a crowd in every tenth."""
    labels = [
        {"id": 10 * image + place, "image_id": image, "category_id": 5 + place, "iscrowd": int(place == 3)}
        | {"bbox": [20 + 100 * place, 60, 40, 30]}
        for image in range(60)
        for place in range(3 + (image % 10 == 0))
    ]
    images = [{"id": image, "width": 400, "height": 200} for image in range(60)]
    return {"images": images, "annotations": labels, "categories": [{"id": 5 + k, "name": f"c{k}"} for k in range(4)]}


def test_plant(content: dict[str, Any]) -> None:
    before = copy.deepcopy(content)
    planted, mistakes = plant(content, 0.1, np.random.default_rng(3))
    assert content == before
    assert Counter(mistake.kind for mistake in mistakes) == dict.fromkeys(KINDS, 18)
    true, found = ({label["id"]: label for label in each["annotations"]} for each in (content, planted))
    of_kind = {kind: {m.annotation_id for m in mistakes if m.kind == kind} for kind in KINDS}
    assert len(set().union(*of_kind.values())) == 4 * 18
    assert true.keys() - found.keys() == of_kind["missing"]
    assert found.keys() - true.keys() == of_kind["spurious"]
    for number, label in found.items():
        if number in of_kind["spurious"]:
            boxes = [each["bbox"] for each in content["annotations"] if each["image_id"] == label["image_id"]]
            assert not any(iou(label["bbox"], box) for box in boxes)
            continue
        changed = {key for key in label if label[key] != true[number][key]}
        assert changed == ({"bbox"} if number in of_kind["placed"] else set()) | (
            {"category_id"} if number in of_kind["mislabeled"] else set()
        )
        assert not (changed and label["iscrowd"])
        if number in of_kind["placed"]:
            assert 0.1 <= iou(label["bbox"], true[number]["bbox"]) < 0.5


def test_hit() -> None:
    """A missing label is found by class and place, another mistake by its kind and label."""
    mistakes = [Mistake("missing", 1, 7, [10, 10, 20, 20], 5), Mistake("placed", 1, 8, [50, 50, 20, 20], 6)]
    names = {5: "stop", 6: "yield"}
    place = {"suggested_x1": "12", "suggested_y1": "10", "suggested_x2": "32", "suggested_y2": "30"}
    missing = {"kind": "missing", "annotation_id": "", "suggested_class": "stop", **place}
    assert hit(missing, mistakes, names) == mistakes[0]
    assert hit({**missing, "suggested_class": "yield"}, mistakes, names) is None
    assert hit({**missing, "suggested_x1": "30", "suggested_x2": "50"}, mistakes, names) is None
    placed = {"kind": "placed", "annotation_id": "8", "suggested_class": "yield", **place}
    assert hit(placed, mistakes, names) == mistakes[1]
    assert hit({**placed, "kind": "spurious"}, mistakes, names) is None
