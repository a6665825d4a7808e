"""Every format gives the records that COCO gives for the same scenes, by its own class and by AutoDataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import (
    AnnotatedDataset,
    AutoDataset,
    COCODataSet,
    CSVDataSet,
    CVATDataSet,
    Dataset,
    LabelMeDataSet,
    LabelStudioDataSet,
    OpenImagesDataSet,
    VOCDataSet,
    YOLODataSet,
    check_num_classes,
)
from ppdet.data.ops.decode import read_image
from ppdet.metrics import build_metric
from tests.support.csv_files import write_csv, write_open_images
from tests.support.datasets import CLASSES, noise_scenes, write_coco
from tests.support.labeling_tools import write_cvat, write_label_studio, write_labelme
from tests.support.same_records import assert_same_records
from tests.support.yolo_files import write_yolo

FORMATS: dict[str, tuple[Callable[..., None], type[AnnotatedDataset], dict[str, Any]]] = {
    "yolo": (write_yolo, YOLODataSet, {}),
    "csv": (write_csv, CSVDataSet, {"image_dir": "train", "anno_path": "train.csv"}),
    "open_images": (
        write_open_images,
        OpenImagesDataSet,
        {"image_dir": "train", "anno_path": "train-annotations-bbox.csv"},
    ),
    "labelme": (write_labelme, LabelMeDataSet, {}),
    "cvat": (write_cvat, CVATDataSet, {}),
    "label_studio": (write_label_studio, LabelStudioDataSet, {"anno_path": "export.json"}),
}
SPLITS = {"yolo": "train", "csv": "train", "open_images": "train"}


@pytest.fixture
def coco(tmp_path: Path) -> Dataset:
    write_coco(tmp_path / "boxes.json", tmp_path / "images", noise_scenes(6))
    return COCODataSet(str(tmp_path), "images", "boxes.json").load()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_boxes_and_classes(kind: str, coco: Dataset, tmp_path: Path) -> None:
    write, cls, options = FORMATS[kind]
    write(tmp_path / "set", noise_scenes(6))
    (tmp_path / "set" / "label_list.txt").write_text("\n".join(CLASSES))  # else classes found are sorted
    with_class = cls(dataset_dir=str(tmp_path / "set"), **options)
    assert [category.name for category in with_class.peek_categories()] == list(CLASSES)
    detected = AutoDataset(str(tmp_path / "set"), split=SPLITS.get(kind, ""))
    assert [category.name for category in detected.peek_categories()] == list(CLASSES)
    for dataset in (with_class, detected):
        dataset.load()
        for record in dataset.records:
            object.__setattr__(record, "size", record.size or (60, 80))  # a table has no sizes
        assert_same_records(dataset, coco, 1e-3)
        with pytest.raises(UserError, match=r"the config says 80 but .* has 3 classes; set num_classes: 3"):
            check_num_classes(dataset, 80)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("metric", ["COCO", "VOC"])
def test_the_same_scores(metric: str, kind: str, coco: Dataset, tmp_path: Path) -> None:
    write, cls, options = FORMATS[kind]
    write(tmp_path / "set", noise_scenes(6))
    dataset = cls(dataset_dir=str(tmp_path / "set"), **options)
    dataset.expected_classes = CLASSES
    scores = []
    for data in (coco, dataset.load()):
        rng, judge = np.random.default_rng(0), build_metric(metric, data)
        for record in sorted(data.records, key=lambda record: Path(record.im_file).name):
            shifted = record.gt_bbox + rng.normal(0, 6, record.gt_bbox.shape)
            judge.update(record.im_id, np.hstack([record.gt_class, rng.random(record.gt_class.shape), shifted]))
        scores.append(judge.compute())
    assert scores[1] == pytest.approx(scores[0], abs=1e-6)
    assert 0.1 < scores[0][judge.primary] < 0.9


@pytest.mark.parametrize("kind", ["csv", "open_images", "labelme", "label_studio"])
def test_classes_without_a_list(kind: str, tmp_path: Path) -> None:
    write, cls, options = FORMATS[kind]
    write(tmp_path / "set", noise_scenes(6))
    dataset = cls(dataset_dir=str(tmp_path / "set"), **options).load()
    assert [category.name for category in dataset.categories] == sorted(CLASSES)
    dataset.expected_classes = ["green", "red"]
    with pytest.raises(UserError, match=r"class 'blue' is not among the classes of the training \(green, red\)"):
        dataset.load()


@pytest.mark.parametrize("kind", FORMATS)
def test_images_without_objects(kind: str, tmp_path: Path) -> None:
    write, cls, options = FORMATS[kind]
    write(tmp_path / "set", noise_scenes(6))
    found = cls(dataset_dir=str(tmp_path / "set"), allow_empty=True, **options).load()
    assert len(found) == (5 if kind == "open_images" else 6)  # its tables list boxes only


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "yolo"])
def test_missing_annotations(kind: str, tmp_path: Path) -> None:
    _, cls, options = FORMATS[kind]
    with pytest.raises(UserError, match=r": (there is no such file|holds no JSON files)") as error:
        cls(dataset_dir=str(tmp_path), **options).load()
    assert "\n" not in str(error.value)
    assert cls(dataset_dir=str(tmp_path), **options).peek_categories() == []


@pytest.mark.parametrize("kind", FORMATS)
def test_bccd(kind: str, shared: Path, tmp_path: Path) -> None:
    voc = VOCDataSet(str(shared / "data" / "bccd"), anno_path="ImageSets/Main/val.txt", sample_num=20).load()
    scenes = [
        (read_image(each.im_file), list(zip(map(tuple, each.gt_bbox.tolist()), each.gt_class.ravel(), strict=True)))
        for each in voc.records
    ]
    write, cls, options = FORMATS[kind]
    write(tmp_path / "set", scenes)
    dataset = cls(dataset_dir=str(tmp_path / "set"), **options)
    dataset.expected_classes = CLASSES  # as the writers call the three classes
    assert len(dataset.load()) == 20
    for record in dataset.records:
        expected = voc.records[int(Path(record.im_file).stem) - 1]
        np.testing.assert_array_equal(record.gt_class, expected.gt_class)
        np.testing.assert_allclose(record.gt_bbox, expected.gt_bbox, atol=2e-3)
