"""What counts as the same output."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.engine.export.verify import compare

ROWS = np.array([[0, 0.9, 0, 0, 10, 10], [1, 0.8, 5, 5, 20, 20]])
NONE = np.zeros((0, 6))


def test_detections_in_another_order_are_the_same() -> None:
    result = compare([ROWS, np.array([2])], [ROWS[::-1], np.array([2])])
    assert (result.score, result.box, result.apart) == (0, 0, 0)
    assert compare([NONE, np.array([0, 0])], [NONE, np.array([0, 0])]).within(0, apart=0)


@pytest.mark.parametrize(
    ("rows", "counts", "apart"),
    [(ROWS + [1, 0, 0, 0, 0, 0], [2], 100), (ROWS[:1], [1], 100 / 3), (NONE, [0], 100), (ROWS, [1, 1], 100)],
)
def test_detections_that_the_other_side_lacks(rows, counts, apart) -> None:
    """Another class, one less, none, and of another image."""
    assert compare([ROWS, np.array([2])], [rows, np.array(counts)]).apart == pytest.approx(apart)


def test_differences_of_detections_are_measured() -> None:
    result = compare([ROWS, np.array([2])], [ROWS + [0, 0.01, 0.2, 0, 0, 0], np.array([2])])
    assert result.score == pytest.approx(0.01)
    assert result.box == pytest.approx(0.01)
    assert result.apart == 0


@pytest.mark.parametrize("found", [np.full((1, 5, 4), np.nan), np.zeros((1, 4, 4))])
def test_nan_and_other_shapes_are_never_within(found) -> None:
    boxes, scores = np.zeros((1, 5, 4)), np.full((1, 3, 5), 0.5)
    assert compare([boxes, scores], [boxes, scores]).within(0, apart=0)
    assert not compare([boxes, scores], [found, scores]).within(1e9, apart=99)


def test_scores_next_to_nothing_count_for_little() -> None:
    boxes, scores = np.zeros((1, 5, 4)), np.full((1, 3, 5), 0.5)
    assert compare([boxes, scores], [boxes, scores + 0.01]).score == pytest.approx(0.01)
    assert compare([boxes, scores * 0], [boxes, scores * 0 + 0.001]).score == pytest.approx(1e-6)


def test_boxes_that_tie_are_no_difference() -> None:
    """NMS may keep either of two boxes; both are points of the trained model's, and a third one is not."""
    points = np.array([[0, 0, 10.0, 10], [0, 0, 10.4, 10], [5, 5, 20, 20]])
    candidates = [points[None], np.array([[[0.9, 0.9, 0.1]]])]
    first, second = (np.array([[0, 0.9, *points[i]]]) for i in (0, 1))
    one = np.array([1])
    assert compare([first, one], [second, one]).box > 0.01
    assert compare([first, one], [second, one], candidates).within(0, apart=0)
    third = compare([first, one], [first + [0, 0, 0, 0, 1, 0], one], candidates)
    assert third.box == pytest.approx(0.6 / 20)
    assert compare([first, one], [first + [0, 0.01, 0, 0, 0, 0], one], candidates).score == pytest.approx(0.01)
