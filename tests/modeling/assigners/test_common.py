"""Steps that the assigners share, with hand-computed values; a batch in chunks is assigned as a whole one."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.modeling.assigners import ATSSAssigner, SimOTAAssigner, TaskAlignedAssigner, common
from tests.support.assignments import CLASSES, anchors_of, grid_of, make_batch
from tests.support.models import make_targets


def test_topk_mask():
    metric = paddle.to_tensor([[0.1, 0.9, 0.5], [3.0, 1.0, 2.0]])
    assert common.topk_mask(metric, 2).numpy().tolist() == [[0, 1, 1], [1, 0, 1]]
    assert common.topk_mask(metric, 7).numpy().tolist() == [[1, 1, 1], [1, 1, 1]]  # no more than there are


def test_a_contested_point_goes_to_the_highest_merit_of_all():
    positive = paddle.to_tensor([[[1.0, 1, 0], [1, 0, 0], [0, 0, 0]]])  # [1, 3 ground truths, 3 points]
    merit = paddle.to_tensor([[[0.2, 0.1, 0], [0.3, 0.9, 0], [0.8, 0.5, 0]]])
    # two claim the first point, but it goes to the third; the second point is not contested
    assert common.keep_best_gt(positive, merit)[0].numpy().tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]


def test_gather_assignment():
    targets = make_targets([[[0, 0, 4, 4], [2, 2, 8, 8]], [[1, 1, 3, 3]]], [[2, 0], [1]])
    positive = paddle.to_tensor([[[0.0, 0, 1], [1, 0, 0]], [[0, 1, 0], [0, 0, 0]]])
    quality = paddle.to_tensor([[0.5, 0.0, 0.25], [0.0, 0.75, 0.0]])
    found = common.gather_assignment(positive, quality, targets, num_classes=3)
    assert found.labels.numpy().tolist() == [[0, 3, 2], [3, 1, 3]]
    assert found.boxes[0, 0].numpy().tolist() == [2, 2, 8, 8]
    assert found.boxes[0, 2].numpy().tolist() == [0, 0, 4, 4]
    assert found.boxes[1, 1].numpy().tolist() == [1, 1, 3, 3]
    assert found.scores[0].numpy().tolist() == [[0.5, 0, 0], [0, 0, 0], [0, 0, 0.25]]
    assert found.scores[1].numpy().tolist() == [[0, 0, 0], [0, 0.75, 0], [0, 0, 0]]


def test_gt_scores_are_factors_of_the_target_scores():
    targets = make_targets([[[0, 0, 4, 4], [2, 2, 8, 8]], [[1, 1, 3, 3]]], [[2, 0], [1]])
    positive = paddle.to_tensor([[[0.0, 0, 1], [1, 0, 0]], [[0, 1, 0], [0, 0, 0]]])
    quality = paddle.to_tensor([[0.5, 0.0, 0.25], [0.0, 0.75, 0.0]])
    plain = common.gather_assignment(positive, quality, targets, num_classes=3)
    scored = targets._replace(gt_score=paddle.to_tensor([[[0.5], [0.25]], [[0.125], [0.0]]]))
    found = common.gather_assignment(positive, quality, scored, num_classes=3)
    assert found.labels.numpy().tolist() == plain.labels.numpy().tolist()
    assert found.boxes.numpy().tolist() == plain.boxes.numpy().tolist()
    assert found.scores[0].numpy().tolist() == [[0.125, 0, 0], [0, 0, 0], [0, 0, 0.125]]
    assert found.scores[1].numpy().tolist() == [[0, 0, 0], [0, 0.09375, 0], [0, 0, 0]]


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("elements", [1, 2 * 3 * 254])  # one image at a time, and two
def test_a_batch_in_chunks(monkeypatch, elements, scored):
    grid = grid_of((96, 128))
    _, scores, boxes, targets = make_batch("usual", 0, grid)
    if scored:
        targets = targets._replace(gt_score=paddle.rand(targets.pad_gt_mask.shape))

    def assign():
        yield ATSSAssigner(num_classes=CLASSES)(anchors_of(grid), grid, boxes, targets)
        yield TaskAlignedAssigner()(scores, boxes, grid.points, targets)
        yield SimOTAAssigner()(scores, boxes, grid, targets)

    whole = list(assign())
    monkeypatch.setattr(common, "_CPU_CHUNK", elements)
    for found, expected in zip(assign(), whole, strict=True):
        for field, value in zip(found, expected, strict=True):
            np.testing.assert_array_equal(field.numpy(), value.numpy())


@pytest.mark.parametrize(
    ("kind", "images"),
    [("cpu", 4), ("gpu", 131), ("iluvatar_gpu", 131)],  # 2^19 and 2^24 elements
)
def test_a_device_works_on_more_images_at_a_time(kind: str, images: int) -> None:
    assert common.images_at_once(60, 2125, kind) == images
    assert common.images_at_once(10**6, 10**6, kind) == 1
