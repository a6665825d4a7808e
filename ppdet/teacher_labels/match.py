"""Compares a teacher's detections in an image with its labels. Boxes are [n, 4] xyxy, pixels of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ppdet.data.datasets import GroundTruth
from ppdet.data.ops import functional as F
from ppdet.data.structures import Record


class Change(NamedTuple):
    """Changes that a teacher makes in a record with n labels.

    Attributes:
        gt_score: [n] float32, how much each label counts.
        added: [m, 6] float32, the detections that become boxes: class, score, x1, y1, x2, y2.
        agreeing: the labels on which a detection of their class lies.
    """

    gt_score: np.ndarray
    added: np.ndarray
    agreeing: int


def covered(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The share [n, m] of each of the boxes `a` [n, 4] that lies inside each of `b` [m, 4]."""
    return np.asarray(F.shared_areas(a, b) / np.maximum(F.areas(a)[:, None], 1e-9))


def scores_of_labels(record: Record, rows: np.ndarray, overlap: float) -> np.ndarray:
    """The score [n] of the best detection of each label's class with an IoU of at least `overlap`; 0 if none has.

    rows: [m, 6] detections: class, score, x1, y1, x2, y2.
    """
    agree = (F.pairwise_iou(record.gt_bbox, rows[:, 2:]) >= overlap) & (record.gt_class == rows[:, 0])
    scores: np.ndarray = np.where(agree, rows[:, 1], 0).max(axis=1, initial=0)
    return scores


def unlabeled(rows: np.ndarray, boxes: np.ndarray, crowds: np.ndarray, overlap: float) -> np.ndarray:
    """The detections that lie on no label, whatever its class, and on no better detection of these.

    Args:
        rows: [m, 6] class, score, x1, y1, x2, y2; the most confident first.
        boxes: [n, 4] all labels of single objects; an IoU of `overlap` or more counts.
        crowds: [k, 4] regions with objects that are not labeled one by one; `overlap` of a detection inside counts.
        overlap: see above.
    """
    places = rows[:, 2:]
    on_label, in_crowd = F.pairwise_iou(places, boxes) >= overlap, covered(places, crowds) >= overlap
    rows = rows[~on_label.any(axis=1) & ~in_crowd.any(axis=1)]
    rivals, kept = F.pairwise_iou(rows[:, 2:], rows[:, 2:]) >= overlap, list[int]()
    for number in range(len(rows)):
        if not rivals[number, kept].any():
            kept.append(number)
    return rows[kept]


def with_boxes(record: Record, change: Change) -> Record:
    """The record whose labels count as `change` says, and with the added detections after them."""
    added = change.added
    scores = np.concatenate([change.gt_score, added[:, 1]]).astype(np.float32)
    if (scores == 1).all() and not len(added):
        return record
    return replace(
        record,
        gt_bbox=np.concatenate([record.gt_bbox, added[:, 2:]]).astype(np.float32),
        gt_class=np.concatenate([record.gt_class, added[:, :1].astype(np.int32)]),
        difficult=np.concatenate([record.difficult, np.zeros((len(added), 1), np.int32)]),
        gt_score=scores[:, None],
    )


def with_classes(rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The detections [m, 6] with the class `classes[class]` for theirs; those that get -1 are left out."""
    numbers = classes[rows[:, 0].astype(np.int64)]
    changed = np.concatenate([numbers[:, None].astype(np.float32), rows[:, 1:]], axis=1)
    return changed[numbers >= 0]


def marked_boxes(records: Sequence[Record], truth: GroundTruth | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """The boxes [n, 4] of single objects, and the crowds [k, 4], that the labels of each record mark.

    They include the boxes that training leaves out, which only `truth` has.
    """
    if truth is None:
        return [(record.gt_bbox, np.empty((0, 4), np.float32)) for record in records]
    order = np.argsort(truth.im_id, kind="stable")
    boxes, crowd = truth.boxes[order], truth.crowd[order]
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    ids = np.array([record.im_id for record in records], np.int64)
    starts, ends = (np.searchsorted(truth.im_id[order], ids, side) for side in ("left", "right"))
    marked = []
    for record, start, end in zip(records, starts.tolist(), ends.tolist(), strict=True):
        of_image, crowds = corners[start:end], crowd[start:end]
        marked.append((np.concatenate([record.gt_bbox, of_image[~crowds]]), of_image[crowds]))
    return marked
