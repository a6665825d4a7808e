"""What metrics are given: classes, annotated images and detections."""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol

import numpy as np

from ppdet.core.errors import UserError


class Category(Protocol):
    """What a metric needs to know of a class; its index in the list is the class index of detections."""

    @property
    def id(self) -> int: ...

    @property
    def name(self) -> str: ...


class Record(Protocol):
    """What a metric needs to know of an annotated image.

    gt_bbox [n, 4] float, xyxy, original pixels; gt_class and difficult [n, 1] int, difficult 0 or 1.
    """

    @property
    def im_id(self) -> int: ...

    @property
    def gt_bbox(self) -> np.ndarray: ...

    @property
    def gt_class(self) -> np.ndarray: ...

    @property
    def difficult(self) -> np.ndarray: ...


def checked(im_id: int, detections: np.ndarray, known: Container[int], num_classes: int) -> np.ndarray:
    """The detections of one image as [n, 6] float64; UserError for an image or a class the ground truth lacks."""
    if im_id not in known:
        raise UserError(
            f"image_id {im_id}: detected on, but not in the ground truth; "
            "evaluate with the annotation file that lists these images"
        )
    rows = np.asarray(detections, np.float64).reshape(-1, 6)
    if len(rows) and not (rows[:, 0].min() >= 0 and rows[:, 0].max() < num_classes):
        found = int(rows[:, 0].max() if rows[:, 0].max() >= num_classes else rows[:, 0].min())
        raise UserError(
            f"num_classes: the model found class index {found}, but the ground truth has {num_classes} classes; "
            "evaluate with the configuration the model was trained with"
        )
    return rows
