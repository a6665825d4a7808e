"""What counts as the same output."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.export.compare import Candidates, compare, compare_detections
from ppdet.export.nms_rules import NmsRules
from ppdet.modeling.nms import MultiClassNMS

POINTS = np.array([[0, 0, 10.0, 10], [0, 0, 10.4, 10], [5, 5, 20, 20]])
RULES = NmsRules.of(MultiClassNMS(score_threshold=0.2, nms_threshold=0.5).attrs)
FIRST, SECOND, OTHER = ([0, 0.9, *POINTS[0]], [0, 0.9, *POINTS[1]], [0, 0.5, *POINTS[2]])


def candidates(scores=(0.9, 0.9, 0.5)) -> Candidates:
    """Two boxes on one object and one on another, of class 0 of two."""
    return Candidates(POINTS[None], np.array([[scores, [0.1] * 3]]), RULES)


def found(*rows) -> list[np.ndarray]:
    return [np.array(rows, np.float64).reshape(-1, 6), np.array([len(rows)])]


def test_detections_in_another_order_are_the_same() -> None:
    assert compare_detections(candidates(), found(FIRST, OTHER), 0) == (0, 0, 0)
    assert compare_detections(candidates(), found(OTHER, FIRST), 0) == (0, 0, 0)
    assert compare_detections(candidates((0.1, 0.1, 0.1)), found(), 0) == (0, 0, 0)


def test_boxes_that_tie_are_no_difference() -> None:
    """NMS may keep either of the two; not both, not the less confident one and not a third."""
    assert compare_detections(candidates(), found(SECOND, OTHER), 0).within(0)
    assert compare_detections(candidates(), found(FIRST, SECOND, OTHER), 1e-4).unmatched == 1
    # the absent first box has no reason, since what covers it is less confident
    less = compare_detections(candidates((0.9, 0.89, 0.5)), found([0, 0.89, *POINTS[1]], OTHER), 1e-4)
    assert less.unmatched == 1
    third = compare_detections(candidates(), found([0, 0.9, 0, 0, 11, 10], OTHER), 1e-4)
    assert third.box == pytest.approx(0.6 / 20)


@pytest.mark.parametrize(
    ("rows", "unmatched"),
    [([FIRST], 1), ([], 3), ([OTHER], 2), ([FIRST, OTHER, OTHER], 1), ([FIRST, OTHER, [1, 0.1, *POINTS[0]]], 1)],
    ids=["one less", "none", "the best lost", "one twice", "below the threshold"],
)
def test_detections_too_few_or_too_many(rows, unmatched) -> None:
    assert compare_detections(candidates(), found(*rows), 1e-4).unmatched == unmatched


def test_differences_are_measured() -> None:
    result = compare_detections(candidates(), found([0, 0.91, *POINTS[0]], OTHER), 0)
    assert (result.score, result.box) == (pytest.approx(0.01), 0)
    result = compare_detections(candidates(), found([0, 0.9, 0.2, 0, 10, 10], OTHER), 0)
    assert (result.score, result.box) == (0, pytest.approx(0.01))


@pytest.mark.parametrize(
    "outputs",
    [
        found([1, 0.9, *POINTS[0]], OTHER),
        found([2, 0.9, *POINTS[0]], OTHER),
        [np.array([FIRST, OTHER]), np.array([1])],
        [np.array([FIRST, OTHER]), np.array([1, 1])],
        found([0, np.nan, *POINTS[0]], OTHER),
    ],
    ids=["another class", "no class", "another count", "another image", "NaN"],
)
def test_never_within(outputs) -> None:
    assert not compare_detections(candidates(), outputs, 0.1).within(0.1)


@pytest.mark.parametrize("found", [np.full((1, 5, 4), np.nan), np.zeros((1, 4, 4))])
def test_nan_and_other_shapes_are_never_within(found) -> None:
    boxes, scores = np.zeros((1, 5, 4)), np.full((1, 3, 5), 0.5)
    assert compare([boxes, scores], [boxes, scores]).within(0)
    assert not compare([boxes, scores], [found, scores]).within(1e9)


def test_scores_next_to_nothing_count_for_little() -> None:
    boxes, scores = np.zeros((1, 5, 4)), np.full((1, 3, 5), 0.5)
    assert compare([boxes, scores], [boxes, scores + 0.01]).score == pytest.approx(0.01)
    assert compare([boxes, scores * 0], [boxes, scores * 0 + 0.001]).score == pytest.approx(1e-6)
