"""NMS against the loop of tests/references/nms.py: the same boxes in the same order, to the last bit."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.modeling.nms import MultiClassNMS, TopScores
from tests.references.nms import multiclass_nms

OPTIONS = {
    "published": {"score_threshold": 0.025, "nms_top_k": 1000, "keep_top_k": 100, "nms_threshold": 0.6},
    "few before": {"score_threshold": 0.1, "nms_top_k": 7, "keep_top_k": 100, "nms_threshold": 0.6},
    "few after": {"score_threshold": 0.1, "nms_top_k": 50, "keep_top_k": 5, "nms_threshold": 0.3},
    "no limits": {"score_threshold": 0.5, "nms_top_k": -1, "keep_top_k": -1, "nms_threshold": 0.5},
    "nothing": {"score_threshold": 0.999, "nms_top_k": 10, "keep_top_k": 10, "nms_threshold": 0.5},
}


def boxes_and_scores(rng: np.random.Generator, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """[40, 4] boxes in heaps, some equal, and [3, 40] scores; with ties only ten different scores."""
    corner = rng.integers(0, 4, (40, 2)) * 60 + rng.uniform(-12, 12, (40, 2))
    boxes = np.hstack([corner, corner + rng.uniform(30, 60, (40, 2))])
    boxes[5:8] = boxes[4]
    scores = rng.random((3, 40)) ** 2
    return boxes.astype(np.float32), (np.round(scores, 1) if ties else scores).astype(np.float32)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_equals_the_reference(options, ties):
    """A batch of three images."""
    images = [boxes_and_scores(np.random.default_rng(seed), ties) for seed in range(3)]
    boxes, scores = (paddle.to_tensor(np.stack(arrays)) for arrays in zip(*images, strict=True))
    bbox, bbox_num = MultiClassNMS(**options)(boxes, scores)
    expected, counts = [], []
    for image_boxes, image_scores in images:
        kept = multiclass_nms(image_boxes.tolist(), image_scores.tolist(), **options)
        counts.append(len(kept))
        expected += [[cls, image_scores[cls, i], *image_boxes[i]] for cls, i in kept]
    assert bbox_num.numpy().tolist() == counts
    np.testing.assert_array_equal(bbox.numpy().reshape(-1, 6), np.float32(expected).reshape(-1, 6))
    assert sum(counts) > 0 or options["score_threshold"] > 0.9


def test_hand_computed():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 5], [20, 20, 30, 30]]  # IoUs with the first: 0.8, 0.5
    scores = [[0.9, 0.8, 0.7, 0.025], [0.1, 0.6, 0.0, 0.026]]
    nms = MultiClassNMS(score_threshold=0.025, nms_top_k=10, keep_top_k=10, nms_threshold=0.6)
    bbox, bbox_num = nms(paddle.to_tensor(np.float32([boxes])), paddle.to_tensor(np.float32([scores])))
    # class 0: the second box falls to the first; a score must be above the threshold. Class 1: the first falls
    assert bbox[:, :2].numpy().tolist() == np.float32([[0, 0.9], [0, 0.7], [1, 0.6], [1, 0.026]]).tolist()
    assert bbox[:, 2:].numpy().tolist() == [boxes[0], boxes[2], boxes[1], boxes[3]]
    assert bbox_num.numpy().tolist() == [4]


@pytest.mark.parametrize(("most", "threshold"), [(5, 0.0), (5, 0.9), (-1, 0.5), (10**6, 0.2), (5, 1.0)])
def test_top_scores(most, threshold):
    rng = np.random.default_rng(0)
    boxes, scores = np.float32(rng.random((3, 7, 4))), np.float32(rng.random((3, 4, 7)))
    scores[1] = 0
    select = TopScores({"keep_top_k": most, "score_threshold": threshold})
    bbox, bbox_num = (x.numpy() for x in select(paddle.to_tensor(boxes), paddle.to_tensor(scores)))
    expected = []
    for image in range(3):
        rows = [
            [kind, score, *boxes[image, point]]
            for kind, of_class in enumerate(scores[image])
            for point, score in enumerate(of_class)
            if score > threshold
        ]
        expected.append(sorted(rows, key=lambda row: -row[1])[: most if most >= 0 else None])
    assert bbox_num.dtype == np.int32
    assert bbox_num.tolist() == list(map(len, expected))
    np.testing.assert_array_equal(bbox.reshape(-1, 6), np.reshape(np.float32(sum(expected, [])), (-1, 6)))
