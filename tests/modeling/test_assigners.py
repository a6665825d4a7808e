"""Assigners against the loops of tests/references/assigners.py, on batches of images.

Labels and boxes must be equal. Scores agree to 1e-4: they are IoUs in float32, to the sixth power in TAL.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import paddle
import pytest

from ppdet.modeling.assigners import ATSSAssigner, SimOTAAssigner, TaskAlignedAssigner
from ppdet.modeling.assigners import common as assignment
from ppdet.modeling.boxes import Grid, make_grid
from tests.modeling.test_training_edge_cases import make_targets
from tests.references import assigners as reference
from tests.references.boxes import iou

CLASSES = 5
STRIDES = (8, 16, 32, 64)
# one list of boxes per image, in an image of 128 x 96
BOXES = {
    "usual": [[[20, 10, 90, 70], [60, 30, 120, 90], [5, 40, 50, 92]], [[30, 20, 110, 80]], [[3, 3, 60, 50]]],
    "overlapping": [[[20, 10, 90, 70], [24, 12, 95, 72], [30, 20, 85, 64], [22, 8, 88, 74]]],
    "the same box twice": [[[20, 10, 90, 70], [20, 10, 90, 70], [60, 30, 120, 90]]],
    "nested": [[[0, 0, 128, 96], [30, 30, 80, 70], [44, 36, 60, 52]]],
    "one is empty": [[], [[20, 10, 90, 70]]],
    "all are empty": [[], []],
    "centred on grid points": [[[24, 16, 96, 72], [12, 12, 92, 92]]],
    "beyond the image": [[[-40, -30, 60, 50], [70, 50, 180, 140]], [[200, 200, 260, 240]]],
    "tiny": [[[50, 41, 56.5, 47.5], [83.5, 3, 87.5, 6]], [[20, 10, 90, 70], [33.3, 33.3, 34.1, 34]]],
    "small": [[[50, 41, 70, 60], [11, 8, 26, 20]], [[90, 60, 101, 90]]],
}


class Image(NamedTuple):
    """What is predicted on the L points of one image, and its ground truths without padding."""

    probabilities: np.ndarray  # [L, CLASSES] float32
    boxes: np.ndarray  # [L, 4] float32
    gts: np.ndarray  # [n, 4] float32
    classes: np.ndarray  # [n] int32

    def known(self) -> tuple[list, list, list]:
        """What all references take: predicted boxes, ground truths and their classes."""
        return self.boxes.tolist(), self.gts.tolist(), self.classes.tolist()


def grid_of(size: tuple[int, int]) -> Grid:
    return make_grid([(-(-size[0] // s), -(-size[1] // s)) for s in STRIDES], STRIDES, 0.5)


def make_image(gts: list[list[float]], grid: Grid, rng: np.random.Generator) -> Image:
    """Half of the predictions are near some ground truth; every one contains its grid point, as distances do."""
    points, strides = grid.points.numpy(), grid.strides.numpy()
    before, after = (strides * rng.uniform(0.2, 6, points.shape) for _ in range(2))
    boxes = np.hstack([points - before, points + after])
    for i in np.flatnonzero(rng.random(len(points)) < 0.5 if gts else []):
        near = np.float32(gts[rng.integers(len(gts))]) + rng.normal(0, 5, 4)
        boxes[i, :2], boxes[i, 2:] = np.minimum(near[:2], points[i] - 1), np.maximum(near[2:], points[i] + 1)
    probabilities = rng.uniform(0.01, 0.95, (len(points), CLASSES))
    classes = rng.integers(0, CLASSES, len(gts))
    return Image(*map(np.float32, (probabilities, boxes, np.reshape(gts, (-1, 4)))), classes.astype(np.int32))


def make_batch(kind: str, seed: int, grid: Grid) -> tuple[list[Image], paddle.Tensor, paddle.Tensor, object]:
    """Images, probabilities [B, L, C], boxes [B, L, 4] and padded targets."""
    rng = np.random.default_rng([seed, *kind.encode()])
    images = [make_image(gts, grid, rng) for gts in BOXES[kind]]
    targets = make_targets([image.gts.tolist() for image in images])
    classes = np.zeros(targets.gt_class.shape, np.int32)
    for row, image in zip(classes, images, strict=True):
        row[: len(image.classes), 0] = image.classes
    scores, boxes = (paddle.to_tensor(np.stack([image[i] for image in images])) for i in (0, 1))
    return images, scores, boxes, targets._replace(gt_class=paddle.to_tensor(classes))


def assert_equal(found: assignment.Assignment, expected: list[reference.Assigned]) -> None:
    for image, (labels, boxes, scores) in enumerate(expected):
        np.testing.assert_array_equal(found.labels[image].numpy(), [CLASSES if i < 0 else i for i in labels])
        per_class = np.zeros((len(labels), CLASSES))
        for point, label in enumerate(labels):
            if label >= 0:
                per_class[point, label] = scores[point]
                assert found.boxes[image, point].numpy().tolist() == boxes[point]
        np.testing.assert_allclose(found.scores[image].numpy(), per_class, rtol=1e-4, atol=1e-6)


KINDS = pytest.mark.parametrize("kind", BOXES)
SIZES = pytest.mark.parametrize("size", [(96, 128), (41, 57)])


@SIZES
@KINDS
def test_atss(kind, size):
    grid = grid_of(size)
    half = grid.strides * 2.5
    anchors = paddle.concat([grid.points - half, grid.points + half], axis=-1)
    points, strides = grid.points.numpy().tolist(), grid.strides[:, 0].numpy().tolist()
    for seed, options in enumerate([{}, {"topk": 4}]):
        images, _, boxes, targets = make_batch(kind, seed, grid)
        found = ATSSAssigner(num_classes=CLASSES, **options)(anchors, grid, boxes, targets)
        expected = [reference.atss(points, strides, grid.counts, *i.known(), **options) for i in images]
        assert_equal(found, expected)


@SIZES
@KINDS
def test_task_aligned(kind, size):
    grid = grid_of(size)
    points = grid.points.numpy().tolist()
    for seed, options in enumerate([{}, {"topk": 3}, {"alpha": 0.5, "beta": 2.0}]):
        images, scores, boxes, targets = make_batch(kind, seed, grid)
        found = TaskAlignedAssigner(**options)(scores, boxes, grid.points, targets)
        expected = [reference.task_aligned(points, i.probabilities.tolist(), *i.known(), **options) for i in images]
        assert_equal(found, expected)


def check_sim_ota(kind: str, size: tuple[int, int], seed: int, **options: float) -> None:
    grid = grid_of(size)
    points, strides = grid.points.numpy().tolist(), grid.strides[:, 0].numpy().tolist()
    images, scores, boxes, targets = make_batch(kind, seed, grid)
    found = SimOTAAssigner(**options)(scores, boxes, grid, targets)
    expected = [reference.sim_ota(points, strides, i.probabilities.tolist(), *i.known(), **options) for i in images]
    assert_equal(found, expected)


@pytest.mark.parametrize("kind", [kind for kind in BOXES if kind != "tiny"])
def test_sim_ota(kind):
    """Boxes with as many points in them and near their centre as they take."""
    check_sim_ota(kind, (96, 128), 0, iou_weight=6.0)
    check_sim_ota(kind, (96, 128), 1, iou_weight=3.0, candidate_topk=4, center_radius=1.5)


@SIZES
@KINDS
def test_sim_ota_with_points_outside(kind, size):
    """In float32 costs beyond 1e8 are multiples of 8: only a large weight leaves an order among them."""
    check_sim_ota(kind, size, 2, iou_weight=1e4)


def test_a_batch_in_chunks(monkeypatch):
    """Where [B, N, L] is large, a few images are worked on at a time."""
    for elements in (1, 2 * 3 * 254):  # one image, and two
        monkeypatch.setattr(assignment, "_CHUNK", elements)
        test_atss("usual", (96, 128))
        test_task_aligned("usual", (96, 128))
        test_sim_ota("usual")


def test_padding_is_what_the_mask_says():
    """Also where the padded boxes are not zeros."""
    grid = grid_of((96, 128))
    half = grid.strides * 2.5
    anchors = paddle.concat([grid.points - half, grid.points + half], axis=-1)
    images, scores, boxes, targets = make_batch("usual", 0, grid)
    targets = targets._replace(pad_gt_mask=targets.pad_gt_mask * paddle.to_tensor([[1.0], [0], [0]]))
    assert targets.gt_bbox[0, 1].sum() > 0
    points, strides = grid.points.numpy().tolist(), grid.strides[:, 0].numpy().tolist()
    first = [(i.boxes.tolist(), i.gts[:1].tolist(), i.classes[:1].tolist()) for i in images]
    scored = [(i.probabilities.tolist(), *rest) for i, rest in zip(images, first, strict=True)]
    found = ATSSAssigner(9, CLASSES)(anchors, grid, boxes, targets)
    assert_equal(found, [reference.atss(points, strides, grid.counts, *image) for image in first])
    found = TaskAlignedAssigner()(scores, boxes, grid.points, targets)
    assert_equal(found, [reference.task_aligned(points, *image) for image in scored])
    found = SimOTAAssigner(iou_weight=6.0)(scores, boxes, grid, targets)
    assert_equal(found, [reference.sim_ota(points, strides, *image) for image in scored])


def test_forced_matching_adds_the_point_of_the_highest_iou():
    grid = grid_of((96, 128))
    half = grid.strides * 2.5
    anchors = paddle.concat([grid.points - half, grid.points + half], axis=-1)
    images, _, boxes, targets = make_batch("small", 0, grid)  # one image has a padded box
    plain, forced = (ATSSAssigner(9, CLASSES, force)(anchors, grid, boxes, targets) for force in (False, True))
    expected = plain.labels.numpy()
    for image, row in zip(images, expected, strict=True):
        for gt, cls in zip(image.gts.tolist(), image.classes, strict=True):
            row[np.argmax([iou(gt, anchor) for anchor in anchors.numpy().tolist()])] = cls
    assert (expected != plain.labels.numpy()).any()
    np.testing.assert_array_equal(forced.labels.numpy(), expected)
