"""The rules hold for what NMS gives, and for nothing else."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.export.nms_rules import NmsRules, Slack, violations
from ppdet.modeling.nms import MultiClassNMS

EXACT = Slack(2e-6, 2e-6)
SETTINGS = {
    "plain": {},
    "few of a class": {"nms_top_k": 20},
    "few of an image": {"keep_top_k": 15},
    "both": {"nms_top_k": 20, "keep_top_k": 15},
}


def points(seed: int, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [200, 4] in 640 pixels and scores [3, 200], in steps of 0.05 where they tie."""
    rng = np.random.default_rng(seed)
    corners, sides = rng.uniform(0, 300, (200, 2)), rng.uniform(20, 300, (200, 2))
    scores = rng.uniform(0, 1, (3, 200))
    scores = np.round(scores * 20) / 20 if ties else scores
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32), scores.astype(np.float32)


def detect(boxes: np.ndarray, scores: np.ndarray, **options) -> np.ndarray:
    bbox, _ = MultiClassNMS(**options)(paddle.to_tensor(boxes[None]), paddle.to_tensor(scores[None]))
    return bbox.numpy()


def broken(rows, boxes, scores, **options) -> int:
    return violations(rows, boxes, scores, NmsRules.of(MultiClassNMS(**options).attrs), EXACT)


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("ties", [False, True])
def test_hold_for_nms(kind, ties):
    for seed in range(5):
        boxes, scores = points(seed, ties)
        options = {"score_threshold": 0.3, **SETTINGS[kind]}
        rows = detect(boxes, scores, **options)
        assert len(rows) > 10
        assert broken(rows, boxes, scores, **options) == 0
        assert broken(rows[::-1], boxes, scores, **options) == 0


@pytest.mark.parametrize("kind", SETTINGS)
def test_each_row_counts(kind):
    """Any one that is left out, moved to another class, or there twice."""
    boxes, scores = points(0)
    options = {"score_threshold": 0.3, **SETTINGS[kind]}
    rows = detect(boxes, scores, **options)
    for i in range(len(rows)):
        assert broken(np.delete(rows, i, axis=0), boxes, scores, **options) > 0
        assert broken(np.concatenate([rows, rows[i : i + 1]]), boxes, scores, **options) > 0


@pytest.mark.parametrize(
    "changed",
    [
        {"nms_threshold": 0.55},
        {"nms_threshold": 0.45},
        {"keep_top_k": 14},
        {"keep_top_k": 16},
        {"nms_top_k": 19},
        {"nms_top_k": 21},
        {"score_threshold": 0.31},
        {"score_threshold": 0.29},
    ],
    ids=str,
)
def test_other_settings_break_them(changed):
    options = {"score_threshold": 0.3, "nms_threshold": 0.5, "keep_top_k": 15 if "keep_top_k" in changed else -1}
    options["nms_top_k"] = 20 if "nms_top_k" in changed else -1
    counts = []
    for seed in range(5):
        boxes, scores = points(seed)
        counts.append(broken(detect(boxes, scores, **(options | changed)), boxes, scores, **options))
    assert max(counts) > 0


def test_slack_covers_rounding_only():
    boxes, scores = points(1)
    rng = np.random.default_rng(0)
    shaken = boxes + rng.uniform(-1e-3, 1e-3, boxes.shape), scores + rng.uniform(-1e-5, 1e-5, scores.shape)
    rows = detect(*(each.astype(np.float32) for each in shaken), score_threshold=0.3)
    rules = NmsRules.of(MultiClassNMS(score_threshold=0.3).attrs)
    assert violations(rows, boxes, scores, rules, Slack(2e-5, 1e-3 / 600)) == 0
    assert violations(rows[:-1], boxes, scores, rules, Slack(2e-5, 1e-3 / 600)) > 0
