from __future__ import annotations

import numpy as np
import pytest

from ppdet.metrics.analysis.average_precision import build_scorer
from ppdet.metrics.analysis.buckets import by_objects, by_shape, by_size
from tests.support.judged import Judged, random_judged

SMALL, LARGE, WIDE, NOWHERE = [0, 0, 20, 20], [100, 100, 300, 300], [400, 0, 500, 20], [600, 600, 620, 620]


@pytest.mark.parametrize("seed", range(5))
def test_coco_ranges_as_buckets(seed: int) -> None:
    """No area is exactly on a bound, which COCO counts on both sides."""
    judged = random_judged(seed, images=40)
    case = judged.case
    assert not np.isin(np.concatenate([case.truth.area, case.found.area]), [32**2, 96**2]).any()
    scores = judged.metric.compute()
    found = by_size(case, (0, 32, 96, np.inf))
    assert [bucket.AP for bucket in found] == pytest.approx([scores[f"AP{size}"] for size in "sml"], abs=1e-12)
    assert sum(bucket.objects for bucket in found) == case.truth.counts.sum()


def judged() -> Judged:
    objects = [[[0, *SMALL, 0], [0, *LARGE, 0], [0, *WIDE, 0]], [[0, *SMALL, 0]], []]
    detections = [[[0, 0.9, *LARGE], [0, 0.8, *NOWHERE], [0, 0.7, *SMALL]], [[0, 0.6, *SMALL]], [[0, 1, *NOWHERE]]]
    return Judged(objects, detections, 1)


def test_by_size() -> None:
    small, large = (by_size(judged().case, bounds)[0] for bounds in ((16, 32), (96, np.inf)))
    assert (small.objects, small.images, large.objects, large.images) == (2, 2, 1, 1)
    np.testing.assert_allclose([small.AP, large.AP], [0.5, 1])  # small: after two wrong ones of this size


def test_by_shape() -> None:
    square, wide = by_shape(judged().case, (0.5, 2, np.inf))
    assert (square.objects, wide.objects, wide.AP) == (3, 1, 0)
    np.testing.assert_allclose(square.AP50, 0.6)  # wrong, right, wrong, right, right


def test_by_number_of_objects() -> None:
    case = judged().case
    one, more = by_objects(case, build_scorer(case), (1, 2, 5))
    assert (one.objects, one.images, one.AP) == (1, 1, pytest.approx(1))
    assert (more.objects, more.images) == (3, 1)
    np.testing.assert_allclose(more.AP, (34 + 33 * 2 / 3) / 101)


def test_a_flat_object_has_a_shape() -> None:
    flat = Judged([[[0, 0, 0, 10, 0, 0]]], [[]], 1)
    assert [bucket.objects for bucket in by_shape(flat.case)] == [0, 0, 0, 0, 1]
