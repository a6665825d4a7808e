from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.metrics import CocoMetric, build_metric, format_summary, format_table

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


@dataclass
class Dataset:
    records: list[Record]
    categories: list[Category]
    anno_file: Path | None = None


CATEGORIES = [Category(9, "stop"), Category(3, "yield")]


def truth() -> list[Record]:
    boxes = np.array([[10, 10, 60, 60], [100, 100, 150, 180]], np.float32)
    return [Record(5, boxes, np.array([[0], [1]])), Record(8, boxes[:1], np.array([[1]]))]


def perfect(record: Record) -> np.ndarray:
    n = len(record.gt_bbox)
    return np.column_stack([record.gt_class.reshape(-1), np.full(n, 0.9), record.gt_bbox]).astype(np.float32)


def write_annotations(path: Path, crowd: tuple[int, ...] = ()) -> Path:
    """A hand-made file: ids from 0, no area, iscrowd only on the annotations in `crowd`."""
    annotations = [
        {"id": i, "image_id": image, "category_id": category, "bbox": box}
        for i, (image, category, box) in enumerate(
            [(5, 9, [10, 10, 50, 50]), (5, 3, [100, 100, 50, 80]), (8, 3, [10, 10, 50, 50])]
        )
    ]
    for i in crowd:
        annotations[i]["iscrowd"] = 1
    images = [{"id": i, "height": 200, "width": 200, "file_name": f"{i}.jpg"} for i in (5, 8)]
    categories = [{"id": c.id, "name": c.name} for c in CATEGORIES]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def golden_metric(shared: Path, results: list[dict]) -> CocoMetric:
    anno_file = shared / "data/coco_tiny/annotations/instances_val2017.json"
    categories = [Category(c["id"], c["name"]) for c in json.loads(anno_file.read_text())["categories"]]
    index = {c.id: i for i, c in enumerate(categories)}
    metric = CocoMetric(categories, anno_file)
    for r in results:
        x, y, w, h = r["bbox"]
        metric.update(r["image_id"], np.array([[index[r["category_id"]], r["score"], x, y, x + w, y + h]]))
    return metric


@pytest.mark.parametrize("name", GOLDEN)
def test_published_detections_give_the_published_numbers(shared: Path, name: str) -> None:
    metric = golden_metric(shared, json.loads((shared / "golden" / name).read_text()))
    assert list(metric.compute().values()) == pytest.approx(GOLDEN[name], abs=1e-4)


def test_golden_metric_to_the_last_digit(shared: Path) -> None:
    metric = golden_metric(shared, json.loads((shared / "golden/metric/coco_results.json").read_text()))
    expected = json.loads((shared / "golden/metric/coco_metric.json").read_text())["stats"]
    assert list(metric.compute().values()) == pytest.approx(expected, abs=1e-9)


def test_perfect_detections_from_records_and_from_a_file(tmp_path: Path) -> None:
    by_file = CocoMetric(CATEGORIES, write_annotations(tmp_path / "gt.json"))
    by_records = CocoMetric(CATEGORIES, records=truth())
    for metric in (by_file, by_records):
        for record in truth():
            metric.update(record.im_id, perfect(record))
        scores = metric.compute()
        assert scores["AP"] == scores["AP50"] == scores["AR100"] == pytest.approx(1)
        assert scores["APs"] == -1  # no small object
    assert by_file.compute() == by_records.compute()


def test_home_made_files_may_have_nulls_and_ids_as_text(tmp_path: Path) -> None:
    path = write_annotations(tmp_path / "gt.json")
    content = json.loads(path.read_text())
    for annotation in content["annotations"]:
        annotation |= {key: str(annotation[key]) for key in ("image_id", "category_id")}
        annotation |= {"area": None, "iscrowd": None}
    content["images"] = [{"id": str(image["id"])} for image in content["images"]]
    path.write_text(json.dumps(content))
    metric = CocoMetric(CATEGORIES, path, truth())
    for record in truth():
        metric.update(record.im_id, perfect(record))
    assert metric.compute()["AP"] == pytest.approx(1)
    assert [row.ground_truths for row in metric.classwise()] == [1, 2]


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    metric = CocoMetric(CATEGORIES, write_annotations(tmp_path / "gt.json"))
    metric.update(5, perfect(truth()[0]))
    metric.compute()
    assert capsys.readouterr().out == ""


def test_no_detections_give_zeros() -> None:
    metric = CocoMetric(CATEGORIES, records=truth())
    metric.update(5, np.zeros((0, 6), np.float32))
    assert list(metric.compute().values()) == [0.0] * 12
    assert [(r.name, r.ground_truths, r.AP) for r in metric.classwise()] == [("stop", 1, 0.0), ("yield", 2, 0.0)]


def test_more_detections_after_compute_and_reset() -> None:
    metric = CocoMetric(CATEGORIES, records=truth())
    metric.update(5, perfect(truth()[0]))
    first = metric.compute()["AP"]
    metric.update(8, perfect(truth()[1]))
    assert metric.compute()["AP"] > first
    metric.reset()
    assert metric.compute()["AP"] == 0


def test_records_limit_which_images_of_the_file_count(tmp_path: Path) -> None:
    metric = CocoMetric(CATEGORIES, write_annotations(tmp_path / "gt.json"), truth()[:1])
    metric.update(5, perfect(truth()[0]))
    assert metric.compute()["AP"] == pytest.approx(1)
    assert [row.ground_truths for row in metric.classwise()] == [1, 1]


def test_crowd_region_swallows_detections(tmp_path: Path) -> None:
    metric = CocoMetric(CATEGORIES, write_annotations(tmp_path / "gt.json", crowd=(1, 2)))
    inside = np.array([[1, 0.8, 110, 110, 120, 120]], np.float32)
    metric.update(5, np.concatenate([perfect(truth()[0])[:1], inside]))
    assert metric.compute()["AP"] == pytest.approx(1)
    assert metric.classwise()[1] == ("yield", 0, -1.0, -1.0)


def test_scoring_leaves_the_results_alone() -> None:
    metric = CocoMetric(CATEGORIES, records=truth())
    metric.update(8, np.array([[1, 0.5, 10, 20, 40, 60]], np.float32))
    metric.compute()  # must not leave its own keys in the results
    assert metric.results() == [{"image_id": 8, "category_id": 3, "bbox": [10.0, 20.0, 30.0, 40.0], "score": 0.5}]


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


def test_unknown_image_and_class_are_named(tmp_path: Path) -> None:
    metric = CocoMetric(CATEGORIES, records=truth())
    with pytest.raises(UserError, match="image_id 77: .*not in the ground truth"):
        metric.update(77, np.zeros((0, 6)))
    with pytest.raises(UserError, match="num_classes: .*class index 2.*2 classes"):
        metric.update(5, np.array([[2, 0.5, 0, 0, 1, 1]]))


@pytest.mark.parametrize(
    ("text", "message"), [(None, "cannot be read"), ("{", "not JSON"), ('{"images": []}', "no 'annotations'")]
)
def test_bad_annotation_files(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "gt.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=f"gt.json: .*{message}"):
        CocoMetric(CATEGORIES, path)


def test_build_metric(tmp_path: Path) -> None:
    dataset = Dataset(truth(), CATEGORIES, write_annotations(tmp_path / "gt.json"))
    text_list = Dataset(truth(), CATEGORIES, tmp_path / "trainval.txt")
    for kind, data in (("COCO", dataset), ("COCO", text_list), ("VOC", text_list)):
        metric = build_metric(kind, data)
        for record in truth():
            metric.update(record.im_id, perfect(record))
        assert metric.compute()[metric.primary] == pytest.approx(1)
    with pytest.raises(UserError, match="metric: found 'RBOX'; expected one of COCO, VOC"):
        build_metric("RBOX", dataset)
