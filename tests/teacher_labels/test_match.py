"""Which detections lie on labels, which are added, and how much boxes count: numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ppdet.data.datasets import GroundTruth
from ppdet.data.datasets.box_filter import make_record
from ppdet.data.ops.functional import pairwise_iou
from ppdet.teacher_labels.match import (
    Change,
    covered,
    marked_boxes,
    scores_of_labels,
    unlabeled,
    with_boxes,
    with_classes,
)

A, B = [0, 0, 10, 10], [20, 20, 40, 40]
NOTHING = np.empty((0, 4), np.float32)
RECORD = make_record(Path("a.jpg"), 5, (50, 50), [(1, A, 1), (2, B, 0)])


def rows(*detections: list[float]) -> np.ndarray:
    """[n, 6]: class, score, x1, y1, x2, y2."""
    return np.float32(detections).reshape(-1, 6)


def test_overlaps() -> None:
    boxes = np.float32([A, [0, 0, 10, 5], [5, 5, 15, 15], B])
    assert pairwise_iou(np.float32([A]), boxes)[0].tolist() == pytest.approx([1, 0.5, 25 / 175, 0])
    assert covered(boxes, np.float32([A]))[:, 0].tolist() == pytest.approx([1, 1, 0.25, 0])
    assert pairwise_iou(NOTHING, boxes).shape == (0, 4)
    assert covered(boxes, NOTHING).shape == (4, 0)


def test_a_label_has_the_score_of_the_best_detection_of_its_class_on_it() -> None:
    found = rows([2, 0.9, *A], [1, 0.5, 0, 0, 10, 5], [1, 0.25, *A], [1, 0.75, 0, 0, 10, 4])
    assert scores_of_labels(RECORD, found, 0.5).tolist() == [0.5, 0]  # of an IoU of exactly 0.5; 0.4 is too low
    assert scores_of_labels(RECORD, found, 0.3).tolist() == [0.75, 0]
    assert scores_of_labels(RECORD, rows(), 0.5).tolist() == [0, 0]


def test_detections_on_no_label_are_added() -> None:
    marked, crowds = np.float32([A]), np.float32([[60, 0, 100, 40]])
    free, again, other = [0, 0.9, *B], [1, 0.8, 20, 20, 40, 38], [1, 0.7, 20, 20, 40, 29]
    on_label, in_crowd, beside = [2, 0.6, 0, 0, 10, 5], [0, 0.5, 50, 0, 70, 10], [0, 0.4, 50, 0, 69, 10]
    found = unlabeled(rows(free, again, other, on_label, in_crowd, beside), marked, crowds, 0.5)
    np.testing.assert_array_equal(found, rows(free, other, beside))  # `other` overlaps `free` by 0.45 only
    assert unlabeled(rows(), marked, crowds, 0.5).shape == (0, 6)


def test_added_boxes_count_as_much_as_they_score() -> None:
    record = with_boxes(RECORD, Change(np.float32([1, 0.5]), rows([0, 0.75, 1, 2, 3, 4]), 1))
    assert record.gt_bbox.tolist() == [A, B, [1, 2, 3, 4]]
    assert record.gt_class.tolist() == [[1], [2], [0]]
    assert record.difficult.tolist() == [[1], [0], [0]]
    assert record.gt_score is not None
    assert record.gt_score.tolist() == [[1], [0.5], [0.75]]
    for name in ("gt_bbox", "gt_class", "difficult", "gt_score"):
        ours, theirs = getattr(record, name), getattr(RECORD, name)
        assert (ours.dtype, ours.shape) == (np.float32 if theirs is None else theirs.dtype, (3, ours.shape[1]))


def test_a_record_without_a_change_stays_the_same_object() -> None:
    assert with_boxes(RECORD, Change(np.ones(2, np.float32), rows(), 0)) is RECORD


def test_classes_that_the_data_set_lacks_are_left_out() -> None:
    found = with_classes(rows([0, 0.9, *A], [1, 0.8, *A], [2, 0.7, *B]), np.array([3, -1, 0]))
    np.testing.assert_array_equal(found, rows([3, 0.9, *A], [0, 0.7, *B]))


def test_marked_boxes_include_what_training_leaves_out() -> None:
    truth = GroundTruth(
        image_ids=["x", "y", "z"],
        im_id=np.array([2, 0, 2, 2]),
        class_index=np.zeros(4, np.int64),
        boxes=np.array([[1, 2, 10, 10], [0, 0, 5, 5], [3, 4, 20, 20], [7, 7, 1, 1]], np.float64),
        areas=np.ones(4),
        crowd=np.array([False, False, True, False]),
    )
    records = [make_record(Path("z"), 2, objects=[(0, B, 0)]), make_record(Path("y"), 1)]
    (boxes, crowds), (none, no_crowds) = marked_boxes(records, truth)
    assert boxes.tolist() == [B, [1, 2, 11, 12], [7, 7, 8, 8]]
    assert crowds.tolist() == [[3, 4, 23, 24]]
    assert (none.shape, no_crowds.shape) == ((0, 4), (0, 4))
    assert [len(each) for each in marked_boxes(records, None)[0]] == [1, 0]
