"""COCO's table of classes."""

from __future__ import annotations

from ppdet.data.datasets.coco_classes import COCO_CATEGORIES


def test_ids_and_names() -> None:
    assert len(COCO_CATEGORIES) == len(set(COCO_CATEGORIES.values())) == 80
    assert list(COCO_CATEGORIES) == sorted(COCO_CATEGORIES)
    known = {1: "person", 11: "fire hydrant", 13: "stop sign", 25: "giraffe", 27: "backpack", 46: "wine glass"}
    known |= {67: "dining table", 70: "toilet", 72: "tv", 82: "refrigerator", 84: "book", 90: "toothbrush"}
    assert {number: COCO_CATEGORIES[number] for number in known} == known
