"""SimOTAAssigner against the loops of tests/references/assigners.py, on batches of images."""

from __future__ import annotations

import pytest

from ppdet.modeling.assigners import SimOTAAssigner
from tests.references import assigners as reference
from tests.support.assignments import BOXES, KINDS, SIZES, assert_equal, grid_of, keep_first_box, make_batch, points_of


def check(kind: str, size: tuple[int, int], seed: int, **options: float) -> None:
    grid = grid_of(size)
    images, scores, boxes, targets = make_batch(kind, seed, grid)
    found = SimOTAAssigner(**options)(scores, boxes, grid, targets)
    expected = [reference.sim_ota(*points_of(grid), i.probabilities.tolist(), *i.known(), **options) for i in images]
    assert_equal(found, expected)


@pytest.mark.parametrize("kind", [kind for kind in BOXES if kind != "tiny"])
def test_equals_the_reference(kind):
    """Boxes with as many points in them and near their center as they take."""
    check(kind, (96, 128), 0, iou_weight=6.0)
    check(kind, (96, 128), 1, iou_weight=3.0, candidate_topk=4, center_radius=1.5)


@SIZES
@KINDS
def test_points_outside_of_boxes(kind, size):
    """In float32 costs beyond 1e8 are multiples of 8: only a large weight leaves an order among them."""
    check(kind, size, 2, iou_weight=1e4)


def test_padding_is_what_the_mask_says():
    grid = grid_of((96, 128))
    images, scores, boxes, targets = make_batch("usual", 0, grid)
    found = SimOTAAssigner(iou_weight=6.0)(scores, boxes, grid, keep_first_box(targets))
    expected = [reference.sim_ota(*points_of(grid), i.probabilities.tolist(), *i.first_known()) for i in images]
    assert_equal(found, expected)
