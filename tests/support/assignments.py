"""Ground truths and predictions for tests of the assigners, and the comparison with tests/references/assigners.py.

Labels and boxes must be equal. Scores agree to 1e-4: they are IoUs in float32, to the sixth power in TAL.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import paddle
import pytest

from ppdet.modeling.boxes import make_grid
from ppdet.modeling.structures import Assignment, Grid, Targets
from tests.references.assigners import Assigned
from tests.support.models import make_targets

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
    "centered on grid points": [[[24, 16, 96, 72], [12, 12, 92, 92]]],
    "beyond the image": [[[-40, -30, 60, 50], [70, 50, 180, 140]], [[200, 200, 260, 240]]],
    "tiny": [[[50, 41, 56.5, 47.5], [83.5, 3, 87.5, 6]], [[20, 10, 90, 70], [33.3, 33.3, 34.1, 34]]],
    "small": [[[50, 41, 70, 60], [11, 8, 26, 20]], [[90, 60, 101, 90]]],
}


class Image(NamedTuple):
    """Predictions on the L points of one image, and its ground truths without padding."""

    probabilities: np.ndarray  # [L, CLASSES] float32
    boxes: np.ndarray  # [L, 4] float32
    gts: np.ndarray  # [n, 4] float32
    classes: np.ndarray  # [n] int32

    def known(self) -> tuple[list, list, list]:
        """Arguments of all references: predicted boxes, ground truths and their classes."""
        return self.boxes.tolist(), self.gts.tolist(), self.classes.tolist()

    def first_known(self) -> tuple[list, list, list]:
        """The same as if there were no ground truth but the first."""
        boxes, gts, classes = self.known()
        return boxes, gts[:1], classes[:1]


def grid_of(size: tuple[int, int]) -> Grid:
    """The points of an image of `size` (height, width)."""
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


def anchors_of(grid: Grid) -> paddle.Tensor:
    """[L, 4] squares of five strides around the points, as PicoHeadV2 makes them for ATSS."""
    half = grid.strides * 2.5
    return paddle.concat([grid.points - half, grid.points + half], axis=-1)


def points_of(grid: Grid) -> tuple[list[list[float]], list[float]]:
    """Points and their strides as plain numbers, for the references."""
    return grid.points.numpy().tolist(), grid.strides[:, 0].numpy().tolist()


def make_batch(kind: str, seed: int, grid: Grid) -> tuple[list[Image], paddle.Tensor, paddle.Tensor, Targets]:
    """Images, probabilities [B, L, C], boxes [B, L, 4] and padded targets."""
    rng = np.random.default_rng([seed, *kind.encode()])
    images = [make_image(gts, grid, rng) for gts in BOXES[kind]]
    targets = make_targets([i.gts.tolist() for i in images], [i.classes.tolist() for i in images])
    scores, boxes = (paddle.to_tensor(np.stack([image[i] for image in images])) for i in (0, 1))
    return images, scores, boxes, targets


def keep_first_box(targets: Targets) -> Targets:
    """The same boxes, but only the first of each image is real; the others are padding that is not zero."""
    mask = paddle.zeros_like(targets.pad_gt_mask)
    mask[:, 0] = targets.pad_gt_mask[:, 0]
    return targets._replace(pad_gt_mask=mask)


def assert_equal(found: Assignment, expected: list[Assigned]) -> None:
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
