"""Box geometry against hand-computed values and the loops of tests/references/boxes.py.

Tolerances: 1e-5 relative to the size of the values, since Paddle computes in float32 (6e-8 per operation, and the
union is a difference of numbers up to ten times its size).
"""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.modeling import boxes as ours
from tests.references import boxes as reference
from tests.support.models import random_boxes

SHAPES = {
    "usual": (20.0, 60.0),
    "tiny": (1e-3, 1.0),
    "thin": (1e-2, 200.0),
    "large": (1e3, 1e4),
}
SPECIAL = [
    *([10, 10, 50, 50], [10, 10, 50, 50], [20, 20, 30, 30]),  # equal, nested
    *([50, 10, 90, 50], [50, 50, 60, 60], [200, 200, 240, 260]),  # sharing a side or a corner, apart
    *([10, 10, 10, 50], [0, 0, 0, 0], [30, 30, 31, 31]),  # without area, of one pixel
    *([-40, -40, -10, -10], [-5, -5, 700, 800]),  # beyond the image
]


def each_pair(function, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array([[function(x, y) for y in b.tolist()] for x in a.tolist()])


@pytest.mark.parametrize("kind", [*SHAPES, "special"])
def test_overlaps_of_all_pairs(kind):
    a = np.float32(SPECIAL) if kind == "special" else random_boxes(12, SHAPES[kind], 0)
    b = np.float32(SPECIAL) if kind == "special" else np.vstack([random_boxes(13, SHAPES[kind], 1), a[:2]])
    first, second = paddle.to_tensor(a[None]), paddle.to_tensor(b[None])
    iou = ours.pairwise_iou(first, second)[0].numpy()
    giou = ours.giou(first.unsqueeze(2), second.unsqueeze(1))[0].numpy()
    np.testing.assert_allclose(iou, each_pair(reference.iou, a, b), rtol=1e-5, atol=1e-5)
    has_area = np.ix_((a[:, 2:] > a[:, :2]).all(1), (b[:, 2:] > b[:, :2]).all(1))  # else 0 / 0 but for eps
    np.testing.assert_allclose(giou[has_area], each_pair(reference.giou, a, b)[has_area], rtol=1e-5, atol=1e-5)
    assert np.isfinite(giou).all()


def test_hand_computed_overlaps():
    a = paddle.to_tensor([[[0.0, 0, 4, 2]]])
    b = paddle.to_tensor([[[2.0, 0, 6, 2], [0, 0, 4, 2], [8, 0, 10, 2], [1, 0, 3, 1]]])
    assert ours.pairwise_iou(a, b)[0, 0].numpy() == pytest.approx([4 / 12, 1, 0, 2 / 8], rel=1e-6)
    # enclosing boxes of 12, 8, 20 and 8; unions of 12, 8, 12 and 8
    assert ours.giou(a, b)[0].numpy() == pytest.approx([4 / 12, 1, -8 / 20, 2 / 8], rel=1e-6)


def test_eps_is_added_to_the_union_and_to_the_enclosing_box():
    a, b = paddle.to_tensor([[[0.0, 0, 1, 1]]]), paddle.to_tensor([[[0.0, 0, 1, 1], [2, 0, 3, 1]]])
    assert ours.pairwise_iou(a, b, eps=1.0)[0, 0].numpy() == pytest.approx([1 / 2, 0])
    expected = each_pair(lambda x, y: reference.giou(x, y, eps=0.5), a[0].numpy(), b[0].numpy())
    assert ours.giou(a, b, eps=0.5)[0].numpy() == pytest.approx(expected[0], rel=1e-6)
    nothing = paddle.zeros([1, 1, 4])
    assert ours.pairwise_iou(nothing, nothing).numpy().tolist() == [[[0]]]


def test_points_in_boxes():
    points = [(10.0, 10.0), (9.999, 20.0), (30.0, 40.0), (50.0, 30.0), (49.99, 49.99), (200.0, 30.0), (30.0, 60.0)]
    gts = [*SPECIAL, [29.5, 39.5, 30.5, 40.5]]
    for eps in (1e-9, 0.0, 15.0):
        inside = ours.points_in_boxes(paddle.to_tensor(points), paddle.to_tensor(np.float32(gts)[None]), eps)
        expected = [[reference.is_inside(point, gt, eps) for point in points] for gt in gts]
        assert inside[0].numpy().tolist() == expected
        assert np.any(expected)


def test_distances_and_back():
    points = np.float32([[4, 4], [100, 20], [-3, 7]])
    boxes = np.float32([[0, 1, 8, 20], [10, 10, 50, 50], [-9, -9, 0, 30]])
    distance = ours.box_to_distance(paddle.to_tensor(points), paddle.to_tensor(boxes))
    assert distance.numpy().tolist() == [
        reference.distances(p, b) for p, b in zip(points.tolist(), boxes.tolist(), strict=True)
    ]
    assert distance[0].numpy().tolist() == [4, 3, 4, 16]
    np.testing.assert_array_equal(ours.distance_to_box(paddle.to_tensor(points), distance).numpy(), boxes)
    assert ours.box_centers(paddle.to_tensor(boxes)).numpy().tolist() == [
        list(reference.center(box)) for box in boxes.tolist()
    ]


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_grid(offset):
    sizes, strides = [(3, 5), (2, 3), (1, 2)], [8, 16, 32]
    grid = ours.make_grid(sizes, strides, offset)
    points, of_points = reference.grid_points(sizes, strides, offset)
    assert list(map(tuple, grid.points.numpy().tolist())) == points
    assert grid.strides[:, 0].numpy().tolist() == of_points
    assert grid.counts == (15, 6, 2)
    assert grid.points[6].numpy().tolist() == [(1 + offset) * 8, (1 + offset) * 8]  # second row, second column


def test_decoded_boxes():
    """In strides: each distance is the mean of its distribution over the bins 0, 1, 2."""
    grid = ours.make_grid([(1, 2)], [8], 0.5)
    logits = np.random.default_rng(0).normal(0, 2, (3, 2, 12)).astype(np.float32)
    found = ours.decode_boxes(paddle.to_tensor(logits), grid, reg_max=2).numpy()
    points = [(0.5, 0.5), (1.5, 0.5)]
    expected = [[reference.decoded_box(p, 1.0, row) for p, row in zip(points, image, strict=True)] for image in logits]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    certain = np.full((1, 2, 4, 3), -100.0, np.float32)
    certain[..., 2] = 0  # all weight on the last bin
    boxes = ours.decode_boxes(paddle.to_tensor(certain.reshape(1, 2, 12)), grid, reg_max=2)
    assert boxes[0].numpy().tolist() == [[-1.5, -1.5, 2.5, 2.5], [-0.5, -1.5, 3.5, 2.5]]
