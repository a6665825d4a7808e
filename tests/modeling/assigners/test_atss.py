"""ATSSAssigner against the loops of tests/references/assigners.py, on batches of images."""

from __future__ import annotations

import numpy as np

from ppdet.modeling.assigners import ATSSAssigner
from ppdet.modeling.boxes import make_grid
from tests.references import assigners as reference
from tests.references.boxes import iou
from tests.support.assignments import (
    CLASSES,
    KINDS,
    SIZES,
    anchors_of,
    assert_equal,
    grid_of,
    keep_first_box,
    make_batch,
    points_of,
)
from tests.support.models import make_targets


@SIZES
@KINDS
def test_equals_the_reference(kind, size):
    grid = grid_of(size)
    for seed, options in enumerate([{}, {"topk": 4}]):
        images, _, boxes, targets = make_batch(kind, seed, grid)
        found = ATSSAssigner(num_classes=CLASSES, **options)(anchors_of(grid), grid, boxes, targets)
        expected = [reference.atss(*points_of(grid), grid.counts, *i.known(), **options) for i in images]
        assert_equal(found, expected)


def test_padding_is_what_the_mask_says():
    grid = grid_of((96, 128))
    images, _, boxes, targets = make_batch("usual", 0, grid)
    found = ATSSAssigner(9, CLASSES)(anchors_of(grid), grid, boxes, keep_first_box(targets))
    assert targets.gt_bbox[0, 1].sum() > 0
    assert_equal(found, [reference.atss(*points_of(grid), grid.counts, *i.first_known()) for i in images])


def test_forced_matching_adds_the_point_of_the_highest_iou():
    grid = grid_of((96, 128))
    anchors = anchors_of(grid)
    images, _, boxes, targets = make_batch("small", 0, grid)  # one image has a padded box
    plain, forced = (ATSSAssigner(9, CLASSES, force)(anchors, grid, boxes, targets) for force in (False, True))
    expected = plain.labels.numpy()
    for image, row in zip(images, expected, strict=True):
        for gt, cls in zip(image.gts.tolist(), image.classes, strict=True):
            row[np.argmax([iou(gt, anchor) for anchor in anchors.numpy().tolist()])] = cls
    assert (expected != plain.labels.numpy()).any()
    np.testing.assert_array_equal(forced.labels.numpy(), expected)


def test_forced_matches_never_share_a_point():
    grid = make_grid([(4, 4)], [8], 0.5)
    anchors = anchors_of(grid)
    targets = make_targets([[[4, 4, 20, 20], [4, 4, 20, 20.5]]], [[0, 1]])
    assigned = ATSSAssigner(num_classes=2, force_gt_matching=True)(anchors, grid, anchors.unsqueeze(0), targets)
    assert ((assigned.scores > 0).sum(axis=-1) <= 1).all()
