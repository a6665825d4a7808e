"""Task-aligned assignment, the published way against ours: time and extra memory.  python3 benchmarks/assigner.py"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from benchmarks.measure import extra_memory_mb, interleaved, report
from ppdet.modeling.assigners import TaskAlignedAssigner
from ppdet.modeling.boxes import make_grid
from ppdet.modeling.structures import Assignment, Targets


@paddle.no_grad()
def plain(scores: paddle.Tensor, boxes: paddle.Tensor, points: paddle.Tensor, targets: Targets) -> Assignment:
    """TAL as published (topk 13, alpha 1, beta 6): the candidates of each box as a one-hot [B, N, 13, L]."""
    batch, num_points, num_classes = scores.shape
    count = targets.gt_bbox.shape[1]
    gt, predicted = targets.gt_bbox.unsqueeze(2), boxes.unsqueeze(1)
    corner = paddle.maximum(gt[..., :2], predicted[..., :2]), paddle.minimum(gt[..., 2:], predicted[..., 2:])
    areas = [(box[..., 2:] - box[..., :2]).clip(0).prod(-1) for box in (gt, predicted)]
    overlap = (corner[1] - corner[0]).clip(0).prod(-1)
    ious = overlap / (areas[0] + areas[1] - overlap + 1e-9)
    image = paddle.arange(batch, dtype="int32").reshape([-1, 1, 1]).tile([1, count, 1])
    of_class = paddle.gather_nd(scores.transpose([0, 2, 1]), paddle.concat([image, targets.gt_class], axis=-1))
    metric = of_class * ious.pow(6)
    inside = (paddle.concat([points - gt[..., :2], gt[..., 2:] - points], axis=-1).min(axis=-1) > 1e-9).astype(
        "float32"
    )
    _, index = paddle.topk(metric * inside, 13, axis=-1)
    candidate = F.one_hot(index, num_points).sum(axis=-2)
    positive = candidate * inside * targets.pad_gt_mask
    contested = (positive.sum(axis=1, keepdim=True) > 1).tile([1, count, 1])
    best = F.one_hot(ious.argmax(axis=1), count).transpose([0, 2, 1])
    positive = paddle.where(contested, best, positive)

    index = positive.argmax(axis=1) + paddle.arange(batch).unsqueeze(-1) * count
    labels = targets.gt_class.flatten().astype("int64").gather(index.flatten()).reshape([batch, num_points])
    labels = paddle.where(positive.sum(axis=1) > 0, labels, paddle.full_like(labels, num_classes))
    target_boxes = targets.gt_bbox.reshape([-1, 4]).gather(index.flatten()).reshape([batch, num_points, 4])
    metric = metric * positive
    quality = metric / (metric.max(axis=-1, keepdim=True) + 1e-9) * (ious * positive).max(axis=-1, keepdim=True)
    target_scores = F.one_hot(labels, num_classes + 1)[..., :num_classes] * quality.max(axis=1).unsqueeze(-1)
    return Assignment(labels, target_boxes, target_scores)


def problem(batch: int, count: int, size: int) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor, Targets]:
    """Random predictions near random ground truths, at every point of a pyramid of four levels."""
    rng = np.random.default_rng(0)
    strides = (8, 16, 32, 64)
    grid = make_grid([(-(-size // s), -(-size // s)) for s in strides], strides, 0.5)
    points = grid.points.numpy()
    corner, side = rng.uniform(0, size * 0.7, (batch, count, 2)), rng.uniform(8, size * 0.3, (batch, count, 2))
    distance = rng.uniform(4, size * 0.15, (2, batch, len(points), 2))
    boxes = np.concatenate([points - distance[0], points + distance[1]], axis=-1)
    scores = rng.uniform(0, 1, (batch, len(points), 80))
    mask = np.arange(count)[:, None] < rng.integers(1, count + 1, (batch, 1, 1))
    targets = Targets(
        paddle.to_tensor(rng.integers(0, 80, (batch, count, 1)).astype("int32")),
        paddle.to_tensor((np.concatenate([corner, corner + side], axis=-1) * mask).astype("float32")),
        paddle.to_tensor(mask.astype("float32")),
    )
    return paddle.to_tensor(scores.astype("float32")), paddle.to_tensor(boxes.astype("float32")), grid.points, targets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--boxes", type=int, default=60, help="ground truths per image")
    parser.add_argument("--size", type=int, default=640, help="input size in pixels; 640 gives 8,500 points")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    paddle.set_device("cpu")
    inputs = problem(args.batch, args.boxes, args.size)
    ways: dict[str, Callable[[], Assignment]] = {
        "published": lambda: plain(*inputs),
        "ours": lambda: TaskAlignedAssigner()(*inputs),
    }
    for expected, found in zip(*(way() for way in ways.values()), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    print(f"B {args.batch}, N {args.boxes}, L {inputs[1].shape[1]}; the assignments are equal")
    report("seconds", interleaved(ways, args.repeats))
    report("extra MB", {name: [extra_memory_mb(way)] for name, way in ways.items()})


if __name__ == "__main__":
    main()
