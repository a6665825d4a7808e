"""TaskAlignedAssigner against the loops of tests/references/assigners.py, on batches of images."""

from __future__ import annotations

from ppdet.modeling.assigners import TaskAlignedAssigner
from tests.references import assigners as reference
from tests.support.assignments import KINDS, SIZES, assert_equal, grid_of, keep_first_box, make_batch, points_of


@SIZES
@KINDS
def test_equals_the_reference(kind, size):
    grid = grid_of(size)
    points, _ = points_of(grid)
    for seed, options in enumerate([{}, {"topk": 3}, {"alpha": 0.5, "beta": 2.0}]):
        images, scores, boxes, targets = make_batch(kind, seed, grid)
        found = TaskAlignedAssigner(**options)(scores, boxes, grid.points, targets)
        expected = [reference.task_aligned(points, i.probabilities.tolist(), *i.known(), **options) for i in images]
        assert_equal(found, expected)


def test_padding_is_what_the_mask_says():
    grid = grid_of((96, 128))
    points, _ = points_of(grid)
    images, scores, boxes, targets = make_batch("usual", 0, grid)
    found = TaskAlignedAssigner()(scores, boxes, grid.points, keep_first_box(targets))
    assert_equal(found, [reference.task_aligned(points, i.probabilities.tolist(), *i.first_known()) for i in images])
