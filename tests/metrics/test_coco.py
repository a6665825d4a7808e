from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ppdet.data.datasets import COCODataSet
from ppdet.metrics import CocoMetric, format_summary, format_table
from ppdet.metrics.results import load_results

GOLDEN = {
    "detections/picodet_xs_320_coco_lcnet.coco_tiny_val.json": (
        (0.2602, 0.3840, 0.2840, 0.0761, 0.3251, 0.5399, 0.2549, 0.3805, 0.3862, 0.1187, 0.4489, 0.6749)
    ),
    "detections/picodet_s_320_coco_esnet.coco_tiny_val.json": (
        (0.3311, 0.4941, 0.3558, 0.1047, 0.3645, 0.6273, 0.2846, 0.4116, 0.4306, 0.1358, 0.5068, 0.7316)
    ),
}


@dataclass
class Category:
    id: int
    name: str


@dataclass
class Record:
    im_id: int
    gt_bbox: np.ndarray
    gt_class: np.ndarray

    @property
    def difficult(self) -> np.ndarray:
        return np.zeros_like(self.gt_class)


CATEGORIES = [Category(9, "stop"), Category(3, "yield")]


def truth() -> list[Record]:
    boxes = np.array([[10, 10, 60, 60], [100, 100, 150, 180]], np.float32)
    return [Record(0, boxes, np.array([[0], [1]])), Record(1, boxes[:1], np.array([[1]]))]


def perfect(record: Record) -> np.ndarray:
    n = len(record.gt_bbox)
    return np.column_stack([record.gt_class.reshape(-1), np.full(n, 0.9), record.gt_bbox]).astype(np.float32)


def file_truth(crowd: tuple[int, ...] = ()) -> SimpleNamespace:
    """`truth` as in a COCO file with the image ids 5 and "8"; the annotations in `crowd` are crowds."""
    boxes = np.array([[10, 10, 50, 50], [100, 100, 50, 80], [10, 10, 50, 50]], np.float64)
    return SimpleNamespace(
        image_ids=[5, "8"],
        im_id=np.array([0, 0, 1]),
        class_index=np.array([0, 1, 1]),
        boxes=boxes,
        areas=boxes[:, 2] * boxes[:, 3],
        crowd=np.isin(np.arange(3), crowd),
    )


def golden_metric(shared: Path, results: Path) -> CocoMetric:
    file = "annotations/instances_val2017.json"
    data = COCODataSet(str(shared / "data/coco_tiny"), "val2017", file, allow_empty=True).load()
    metric = CocoMetric(data.categories, data.records, data.truth)
    for im_id, rows in load_results(results, data.categories, data.image_ids):
        metric.update(im_id, rows)
    return metric


@pytest.mark.parametrize("name", GOLDEN)
def test_published_detections_give_the_published_numbers(shared: Path, name: str) -> None:
    metric = golden_metric(shared, shared / "golden" / name)
    assert list(metric.compute().values()) == pytest.approx(GOLDEN[name], abs=1e-4)


def test_golden_metric_to_the_last_digit(shared: Path) -> None:
    metric = golden_metric(shared, shared / "golden/metric/coco_results.json")
    expected = json.loads((shared / "golden/metric/coco_metric.json").read_text())["stats"]
    assert list(metric.compute().values()) == pytest.approx(expected, abs=1e-9)


def test_perfect_detections_from_records_and_from_a_file() -> None:
    by_file = CocoMetric(CATEGORIES, truth(), file_truth())
    by_records = CocoMetric(CATEGORIES, records=truth())
    for metric in (by_file, by_records):
        for record in truth():
            metric.update(record.im_id, perfect(record))
        scores = metric.compute()
        assert scores["AP"] == scores["AP50"] == scores["AR100"] == pytest.approx(1)
        assert scores["APs"] == -1  # no small object
    assert by_file.compute() == by_records.compute()


def test_hand_computed_case() -> None:
    """Class 0: a large object, found with an IoU of 0.62, which is enough for 3 of the 10 thresholds.

    Class 1: a small object (score 0.8) and one of medium size (0.7), both found, after a wrong box of medium size (0.9)
    on the second one's image: precision 2/3 at every recall.
    """
    boxes = [[0, 0, 100, 100], [200, 200, 220, 220], [0, 0, 50, 50]]
    records = [
        Record(0, np.array(boxes[:2], np.float32), np.array([[0], [1]])),
        Record(1, np.array(boxes[2:], np.float32), np.array([[1]])),
    ]
    metric = CocoMetric(CATEGORIES, records)
    metric.update(0, np.array([[0, 0.9, 0, 0, 100, 62], [1, 0.8, *boxes[1]]]))
    metric.update(1, np.array([[1, 0.9, 300, 300, 340, 340], [1, 0.7, *boxes[2]]]))
    rows = metric.classwise()
    assert [(row.name, row.ground_truths) for row in rows] == [("stop", 1), ("yield", 2)]
    assert [(row.AP, row.AP50) for row in rows] == [pytest.approx((0.3, 1)), pytest.approx((2 / 3, 2 / 3))]
    expected = {"AP": (0.3 + 2 / 3) / 2, "AP50": (1 + 2 / 3) / 2, "AP75": 1 / 3, "APs": 1, "APm": 0.5, "APl": 0.3}
    expected |= {"AR1": (0.3 + 0.5) / 2, "AR10": 0.65, "AR100": 0.65, "ARs": 1, "ARm": 1, "ARl": 0.3}
    assert metric.compute() == pytest.approx(expected)


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    metric = CocoMetric(CATEGORIES, truth(), file_truth())
    metric.update(0, perfect(truth()[0]))
    metric.compute()
    assert capsys.readouterr().out == ""


def test_no_detections_give_zeros() -> None:
    metric = CocoMetric(CATEGORIES, records=truth())
    metric.update(0, np.zeros((0, 6), np.float32))
    assert list(metric.compute().values()) == [0.0] * 12
    assert [(r.name, r.ground_truths, r.AP) for r in metric.classwise()] == [("stop", 1, 0.0), ("yield", 2, 0.0)]


def test_more_detections_after_compute_and_reset() -> None:
    metric = CocoMetric(CATEGORIES, records=truth())
    metric.update(0, perfect(truth()[0]))
    first = metric.compute()["AP"]
    metric.update(1, perfect(truth()[1]))
    assert metric.compute()["AP"] > first
    metric.reset()
    assert metric.compute()["AP"] == 0


def test_records_limit_which_images_of_the_file_count() -> None:
    metric = CocoMetric(CATEGORIES, truth()[:1], file_truth())
    metric.update(0, perfect(truth()[0]))
    assert metric.compute()["AP"] == pytest.approx(1)
    assert [row.ground_truths for row in metric.classwise()] == [1, 1]


def test_crowd_region_swallows_detections() -> None:
    metric = CocoMetric(CATEGORIES, truth(), file_truth(crowd=(1, 2)))
    inside = np.array([[1, 0.8, 110, 110, 120, 120]], np.float32)
    metric.update(0, np.concatenate([perfect(truth()[0])[:1], inside]))
    assert metric.compute()["AP"] == pytest.approx(1)
    assert metric.classwise()[1] == ("yield", 0, -1.0, -1.0)


def test_whether_there_is_anything_to_find() -> None:
    assert CocoMetric(CATEGORIES, truth(), file_truth()).has_truth()
    assert not CocoMetric(CATEGORIES, truth(), file_truth(crowd=(0, 1, 2))).has_truth()
    assert not CocoMetric(CATEGORIES, truth()[1:], file_truth(crowd=(2,))).has_truth()  # the others are not scored
    assert not CocoMetric(CATEGORIES, []).has_truth()


def test_summary_and_table_text() -> None:
    metric = CocoMetric(CATEGORIES, records=truth())
    for record in truth():
        metric.update(record.im_id, perfect(record))
    lines = format_summary(metric.compute()).splitlines()
    assert lines[0] == " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000"
    assert lines[6] == " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 1.000"
    assert lines[3].endswith("area= small | maxDets=100 ] = -1.000")
    table = format_table(metric.classwise()).splitlines()
    assert table[0].split() == ["name", "ground_truths", "AP", "AP50"]
    assert table[2].split() == ["yield", "2", "1.000", "1.000"]
