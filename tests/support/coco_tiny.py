"""The 50 images on which published figures are compared."""

from __future__ import annotations

from pathlib import Path

from ppdet.data.datasets import COCODataSet

AP = 0.2602  # of XS-320, measured with PaddleDetection (shared/golden/README.md)


def coco_tiny(shared: Path) -> COCODataSet:
    """The images for validation with their annotations, loaded."""
    made = COCODataSet(
        str(shared / "data" / "coco_tiny"), "val2017", "annotations/instances_val2017.json", allow_empty=True
    )
    made.load()
    return made
