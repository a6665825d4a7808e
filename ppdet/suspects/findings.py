"""Findings: suspects with the names, ids and boxes that files of results need."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ppdet.data.datasets import Category
from ppdet.data_edit.parts import Object, Part, Picture
from ppdet.metrics.label_errors import Labels, Suspect, find_label_errors
from ppdet.utils.ids import FileId
from ppdet.weights.class_names import match_names

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of the image


@dataclass(frozen=True)
class Finding:
    """A label that is probably wrong, or an object that probably has none.

    Attributes:
        kind: one of `label_errors.KINDS`.
        sure: 0..1.
        picture: the image.
        image_id: its id in the annotations.
        label: the label; None if it is missing.
        label_class: the label's class, as the model calls it; None without a label.
        suggested_box: the box of the detection that contradicts the label; None if nothing is there.
        suggested_class: its class.
    """

    kind: str
    sure: float
    picture: Picture
    image_id: FileId
    label: Object | None
    label_class: Category | None
    suggested_box: Box | None
    suggested_class: Category | None

    @property
    def label_box(self) -> Box | None:
        """The label's box; None without a label."""
        return None if self.label is None else corners(self.label)

    @property
    def label_id(self) -> FileId | None:
        """The label's id in the annotations; None if they give none, or without a label."""
        return None if self.label is None else self.label.entry.get("id")


def find(
    part: Part,
    categories: Sequence[Category],
    image_ids: Sequence[FileId],
    detections: Mapping[int, np.ndarray],
    least: float = 0.0,
) -> list[Finding]:
    """The findings, the most certain first.

    Args:
        part: the labels, of images by im_id.
        categories: the model's classes, matched by name as `--remap_classes` does. Labels of others are left alone.
        image_ids: the ids in the annotations, by im_id.
        detections: by im_id, [n, 6] float: class, score, x1, y1, x2, y2.
        least: findings have to be more certain than this.
    """
    found = match_names(part.classes, [category.name for category in categories])
    classes = [-1 if index is None else index for index in found]
    objects = {im_id: [each for each in part.pictures[im_id].objects if has_area(each)] for im_id in detections}
    labels = {im_id: _labels(each, classes) for im_id, each in objects.items()}
    suspects = find_label_errors({im_id: (labels[im_id], rows) for im_id, rows in detections.items()}, least)

    def finding(suspect: Suspect) -> Finding:
        im_id = suspect.im_id
        label = None if suspect.label is None else objects[im_id][suspect.label]
        row = None if suspect.detection is None else detections[im_id][suspect.detection].tolist()
        return Finding(
            suspect.kind,
            suspect.sure,
            part.pictures[im_id],
            image_ids[im_id],
            label,
            None if label is None else categories[classes[label.class_index]],
            None if row is None else _inside(row[2:], part.pictures[im_id].size),
            None if row is None else categories[int(row[0])],
        )

    return [finding(suspect) for suspect in suspects]


def has_area(label: Object) -> bool:
    """Whether the label has a box that an object could have."""
    box = label.box
    return box is not None and all(map(math.isfinite, box)) and box[2] > 0 and box[3] > 0


def corners(label: Object) -> Box:
    """The box of a label that has one."""
    x, y, width, height = label.box or ()
    return x, y, x + width, y + height


def _inside(box: Sequence[float], size: tuple[int, int] | None) -> Box:
    """The box, cut at the border of an image whose size (height, width) is known."""
    height, width = size or (math.inf, math.inf)
    x1, x2 = (min(max(x, 0), width) for x in box[::2])
    y1, y2 = (min(max(y, 0), height) for y in box[1::2])
    return x1, y1, x2, y2


def _labels(objects: Sequence[Object], classes: Sequence[int]) -> Labels:
    """The labels of an image; `classes` has the model's index of each class, -1 for one that it does not know."""
    kinds = np.array([classes[each.class_index] for each in objects], np.int64)
    marked = np.array([each.crowd or each.difficult for each in objects], bool)
    boxes = np.array([corners(each) for each in objects], np.float64).reshape(-1, 4)
    return Labels(boxes, kinds, marked | (kinds < 0))
