from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.metrics import CocoMetric, VocMetric


@dataclass
class Category:
    id: int
    name: str


@dataclass
class Record:
    im_id: int
    gt_bbox: np.ndarray
    gt_class: np.ndarray
    difficult: np.ndarray


CATEGORIES = [Category(1, "cell"), Category(2, "dust"), Category(3, "absent")]


def hand_made() -> list[Record]:
    """Class 0: three objects, of which one is difficult; class 1: one object."""
    first = np.array([[0, 0, 99, 99], [200, 200, 299, 299], [400, 400, 499, 499]], np.float32)
    second = np.array([[0, 0, 99, 99]], np.float32)
    return [
        Record(1, first, np.array([[0], [0], [1]]), np.array([[0], [1], [0]])),
        Record(2, second, np.array([[0]]), np.array([[0]])),
    ]


def hand_made_metric(map_type: str) -> VocMetric:
    metric = VocMetric(CATEGORIES, hand_made(), map_type)
    metric.update(
        1,
        np.array(
            [
                [0, 0.95, 600, 600, 700, 700],  # wrong
                [0, 0.9, 0, 0, 99, 99],  # right
                [0, 0.8, 2, 2, 99, 99],  # the same object again: wrong
                [0, 0.7, 200, 200, 299, 299],  # difficult: not counted
                [1, 0.6, 0, 0, 99, 99],  # of another class: wrong
            ],
            np.float32,
        ),
    )
    metric.update(2, np.array([[0, 0.5, 0, 0, 99, 90]], np.float32))  # right
    return metric


def test_hand_computed_case() -> None:
    # class 0 by falling score: wrong, right, wrong, right -> precision 0, 1/2, 1/3, 1/2 at recall 0, 1/2, 1/2, 1
    metric = hand_made_metric("11point")
    rows = metric.classwise()
    assert [(row.name, row.ground_truths) for row in rows] == [("cell", 2), ("dust", 1), ("absent", 0)]
    assert [row.AP for row in rows] == pytest.approx([0.5, 0.0, -1.0])
    assert metric.compute() == {"mAP": pytest.approx(0.25)}
    rows = hand_made_metric("integral").classwise()
    assert [row.AP for row in rows] == pytest.approx([0.5 * 0.5 + 0.5 * 0.5, 0.0, -1.0])


def test_parity_integral_has_no_monotone_envelope() -> None:
    """wrong, right, right: precision 1/2 and 2/3 at the two recall steps; the envelope would give 2/3 twice."""
    boxes = np.array([[0, 0, 99, 99], [200, 200, 299, 299]], np.float32)
    metric = VocMetric(CATEGORIES, [Record(1, boxes, np.array([[0], [0]]), np.zeros((2, 1)))], "integral")
    found = np.concatenate([[[600, 600, 700, 700]], boxes])
    metric.update(1, np.column_stack([np.zeros(3), [0.9, 0.8, 0.7], found]))
    assert metric.compute()["mAP"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_parity_boxes_include_their_last_pixel() -> None:
    """Pixel columns 0..9 of 0..18 are 10/19, over a half; the differences, 9/18, would not be."""
    record = Record(1, np.array([[0, 0, 18, 18]], np.float32), np.array([[0]]), np.array([[0]]))
    for edge, expected in ((9.0, 1.0), (8.0, 0.0)):  # right edge -> AP
        metric = VocMetric(CATEGORIES, [record])
        metric.update(1, np.array([[0, 0.9, 0, 0, edge, 18]]))
        assert metric.compute()["mAP"] == pytest.approx(expected)


def test_no_detections_and_no_ground_truth() -> None:
    assert VocMetric(CATEGORIES, hand_made()).compute() == {"mAP": 0.0}
    assert VocMetric(CATEGORIES, []).compute() == {"mAP": 0.0}
    assert VocMetric(CATEGORIES, hand_made()).has_truth()
    difficult = Record(1, np.ones((1, 4)), np.zeros((1, 1)), np.ones((1, 1)))
    assert not VocMetric(CATEGORIES, [difficult]).has_truth()
    empty = Record(4, np.zeros((0, 4), np.float32), np.zeros((0, 1), np.int32), np.zeros((0, 1)))
    metric = VocMetric(CATEGORIES, [empty, *hand_made()])
    metric.update(4, np.array([[0, 0.9, 0, 0, 9, 9]]))
    metric.update(2, np.array([[0, 0.5, 0, 0, 99, 99]]))
    half = 0.5 * 6 / 11  # precision 1/2 up to recall 1/2
    assert [row.AP for row in metric.classwise()] == pytest.approx([half, 0.0, -1.0])


def test_unknown_image_and_map_type() -> None:
    with pytest.raises(UserError, match="image_id 9"):
        VocMetric(CATEGORIES, hand_made()).update(9, np.zeros((0, 6)))
    with pytest.raises(UserError, match="map_type: found '12point'; expected one of 11point, integral"):
        VocMetric(CATEGORIES, hand_made(), "12point")


def test_close_to_coco_ap50_on_random_data() -> None:
    """Objects on a grid, far apart: then both definitions match the same boxes and differ in the curve's area only."""
    rng = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(np.arange(4), np.arange(4)), -1).reshape(-1, 2) * 240.0
    records, found = [], []
    for im_id in range(1, 61):
        corners = grid[rng.permutation(16)[: rng.integers(3, 10)]]
        boxes = np.concatenate([corners, corners + rng.uniform(100, 200, corners.shape)], 1)
        classes = rng.integers(0, 2, len(boxes))
        records.append(Record(im_id, boxes.astype(np.float32), classes[:, None], np.zeros((len(boxes), 1))))
        shift = rng.normal(0, 22, boxes.shape)
        moved = boxes + shift
        scores = np.exp(-np.abs(shift).mean(1) / 20) * rng.uniform(0.9, 1, len(boxes))  # the better, the surer
        wrong = rng.random(len(boxes)) < 0.15
        scores[wrong] *= 0.3  # few of them come early, where the two curves differ
        found.append(np.column_stack([np.where(wrong, 1 - classes, classes), scores, moved]))
    voc, coco = VocMetric(CATEGORIES[:2], records, "integral"), CocoMetric(CATEGORIES[:2], records=records)
    for record, detections in zip(records, found, strict=True):
        voc.update(record.im_id, detections)
        coco.update(record.im_id, detections)
    ap50 = coco.compute()["AP50"]
    assert 0.3 < ap50 < 0.95
    assert voc.compute()["mAP"] == pytest.approx(ap50, abs=0.02)
