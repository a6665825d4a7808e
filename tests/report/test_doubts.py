"""Doubts that all objects of a class share, and those of a few."""

from __future__ import annotations

import pytest

from ppdet.report.doubts import second_classes
from tests.support.evaluated import make_scene

BIG, AWAY = [20, 20, 120, 120], [150, 150, 190, 190]


def test_a_doubt_that_all_objects_of_a_class_share() -> None:
    """As a fifth of the labels being wrong leaves it: a weak second box on every `a`, and none on any `b`."""
    objects = [[[0, *BIG]]] * 30 + [[[1, *BIG]]] * 20
    doubtful = [[0, 0.8, *BIG], [0, 0.1, *BIG], [1, 0.2, *BIG], [1, 0.05, *BIG]]  # the best of each counts
    (found,) = second_classes(make_scene(objects, [doubtful] * 30 + [[[1, 0.9, *BIG]]] * 20))
    assert (found.truth, found.found, found.images) == ("a", "b", 30)
    assert (found.share, found.low, found.back, found.back_high) == pytest.approx((0.2, 0.2, 0, 0))


def test_a_few_objects_in_doubt_are_not_all() -> None:
    objects = [[[0, *BIG]]] * 30
    sure, doubtful = [[0, 0.9, *BIG]], [[0, 0.3, *BIG], [1, 0.9, *BIG]]
    assert second_classes(make_scene(objects, [sure] * 18 + [doubtful] * 12)) == []


def test_what_nothing_is_known_of_is_no_doubt() -> None:
    """Without objects of `b` the other way round is open: its upper bound is 1."""
    doubtful = [[0, 0.8, *BIG], [1, 0.2, *BIG]]
    (found,) = second_classes(make_scene([[[0, *BIG]]] * 30, [doubtful] * 30))
    assert found.back_high == 1


def test_the_interval_is_that_of_images() -> None:
    """100 shares of 0 to 0.5: the bounds lie 0.98 / sqrt(images) of the ranks beside the middle."""
    scores = [0.9 - 0.4 * index / 99 for index in range(100)]
    one_by_one = [[[0, score, *BIG], [1, 0.9 - score, *BIG]] for score in scores]
    (found,) = second_classes(make_scene([[[0, *BIG]]] * 100, one_by_one))
    assert (found.share, found.low) == pytest.approx((0.2 / 0.9, 0.2 / 0.9 - 0.098 * 0.4 / 0.9), abs=1e-3)
    in_pairs = [
        [*first, *([row[0], row[1], *(x + 125 for x in row[2:])] for row in second)]
        for first, second in zip(one_by_one[:50], one_by_one[50:], strict=True)
    ]
    two = [[0, *BIG], [0, *(x + 125 for x in BIG)]]
    (paired,) = second_classes(make_scene([two] * 50, in_pairs))
    assert paired.share == pytest.approx(found.share)
    assert paired.share - paired.low == pytest.approx(2**0.5 * (found.share - found.low), abs=1e-3)


def test_weak_detections_alone_are_no_doubt() -> None:
    """Objects that the model hardly sees say nothing about labels."""
    objects = [[[0, *BIG]]] * 30 + [[[1, *AWAY]]] * 30
    weak = [[0, 0.1, *BIG], [1, 0.1, *BIG], *[[0, 0.1, *AWAY]] * 4]
    assert second_classes(make_scene(objects, [weak] * 30 + [[[1, 0.9, *AWAY]]] * 30)) == []
