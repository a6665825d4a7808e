"""COCO JSON: what is kept, and what every kind of broken file is answered with."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import COCODataSet, check_num_classes

CONTENT: dict[str, Any] = {
    "images": [
        {"id": 9, "file_name": "nine.jpg", "height": 100, "width": 200},
        {"id": 4, "file_name": "four.jpg", "height": 50, "width": 60},
        {"id": 6, "file_name": "empty.jpg", "height": 50, "width": 60},
    ],
    "annotations": [
        {"id": 1, "image_id": 9, "category_id": 7, "bbox": [10.12345, 20, 30, 40], "area": 1200, "iscrowd": 0},
        {"id": 2, "image_id": 9, "category_id": 3, "bbox": [0, 0, 5, 5], "area": 25, "iscrowd": 1},
        {"id": 3, "image_id": 4, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
    ],
    "categories": [{"id": 7, "name": "cup"}, {"id": 3, "name": "cat"}],
}


def write(root: Path, content: Any) -> Path:
    (root / "images").mkdir(exist_ok=True)
    path = root / "anno.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def dataset(root: Path, **options: Any) -> COCODataSet:
    return COCODataSet(str(root), "images", "anno.json", **options)


@pytest.fixture
def content() -> dict[str, Any]:
    return copy.deepcopy(CONTENT)


def test_records_of_a_small_file(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    loaded = dataset(tmp_path).load()
    assert [record.im_id for record in loaded.records] == [4, 9]  # by id; the one without boxes is left out
    nine = loaded.records[1]
    assert nine.im_file == str(tmp_path / "images" / "nine.jpg")
    assert nine.size == (100, 200)
    np.testing.assert_array_equal(nine.gt_bbox, np.array([[10.123, 20, 40.123, 60]], np.float32))  # no crowd
    np.testing.assert_array_equal(nine.gt_class, [[0]])  # in file order
    assert (nine.gt_bbox.dtype, nine.gt_class.dtype) == (np.float32, np.int32)
    assert [category.name for category in loaded.categories] == ["cup", "cat"]


def test_the_constructor_reads_nothing(tmp_path: Path) -> None:
    assert dataset(tmp_path / "nowhere").records == []


def test_published_annotations(shared: Path) -> None:
    root = shared / "data" / "coco_tiny"
    val = COCODataSet(str(root), "val2017", "annotations/instances_val2017.json", allow_empty=True).load()
    assert len(val) == 50
    assert len(val.categories) == 80
    golden = np.load(shared / "golden" / "transforms" / "transforms.npz")
    record = next(record for record in val.records if record.im_id == int(golden["record/im_id"][0]))
    np.testing.assert_array_equal(record.gt_bbox, golden["record/gt_bbox"])
    np.testing.assert_array_equal(record.gt_class, golden["record/gt_class"])


def test_empty_images_are_kept_on_request(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    assert [record.im_id for record in dataset(tmp_path, allow_empty=True).load().records] == [4, 9, 6]


def test_empty_ratio_limits_the_empty_images(tmp_path: Path, content: dict[str, Any]) -> None:
    content["images"] += [{"id": 100 + i, "file_name": f"{i}.jpg", "height": 5, "width": 5} for i in range(10)]
    write(tmp_path, content)
    loads = [dataset(tmp_path, allow_empty=True, empty_ratio=0.5).load().records for _ in range(2)]
    assert len(loads[0]) == 2 + 2
    assert [record.im_id for record in loads[0]] == [record.im_id for record in loads[1]]


def test_sample_num_takes_the_first(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    assert [record.im_id for record in dataset(tmp_path, sample_num=1).load().records] == [4]


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ([10, 10, 0, 5], None),  # no width
        ([float("nan"), 10, 5, 5], None),
        ([500, 500, 20, 20], None),  # outside
        ([10, 10, -5, 5], None),
        ([10, 10, 5], None),
        (None, None),
        ([150, 50, 100, 100], [150, 50, 200, 100]),  # reaches outside
    ],
)
def test_bad_boxes_are_counted_in_one_warning(
    tmp_path: Path, content: dict[str, Any], caplog: pytest.LogCaptureFixture, box: Any, kept: Any
) -> None:
    content["annotations"] += [{"id": 5 + i, "image_id": 9, "category_id": 3, "bbox": box} for i in range(3)]
    write(tmp_path, content)
    with caplog.at_level(logging.WARNING):
        record = dataset(tmp_path).load().records[1]
    assert record.gt_bbox[1:].tolist() == ([kept] * 3 if kept else [])
    assert len(caplog.records) == 1
    assert ("clipped 3" if kept else "dropped 3") in caplog.text


def test_area_may_be_missing_and_file_names_absolute(tmp_path: Path, content: dict[str, Any]) -> None:
    content["images"] = [content["images"][1] | {"file_name": "/elsewhere/four.jpg"}]
    content["annotations"] = [content["annotations"][2] | {"area": None}]
    write(tmp_path, content)
    (record,) = dataset(tmp_path).load().records
    assert record.im_file == "/elsewhere/four.jpg"
    assert len(record.gt_bbox) == 1


def change(content: dict[str, Any], section: str, **values: Any) -> dict[str, Any]:
    content[section][0] |= values
    return content


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda c: json.dumps(c)[:200], "not valid JSON.*cut short"),
        (lambda c: "[1, 2]", "has no list images"),
        (lambda c: {key: c[key] for key in ("images", "categories")}, "has no list annotations"),
        (lambda c: {key: c[key] for key in ("images", "annotations")}, "has no list categories"),
        (lambda c: change(c, "annotations", image_id=77), "annotation 1 refers to image 77"),
        (lambda c: change(c, "annotations", category_id=77), "annotation 1 refers to category 77"),
        (lambda c: change(c, "annotations", category_id=None), "an annotation lacks"),
        (lambda c: change(c, "annotations", image_id=float("inf")), "an annotation lacks"),
        (lambda c: change(c, "images", height=None), "an image lacks"),
        (lambda c: change(c, "images", width=float("inf")), "an image lacks"),
        (lambda c: change(c, "categories", id=float("inf")), "a category lacks"),
        (lambda c: change(c, "categories", id=3), "category id 3 appears more than once"),
        (lambda c: c | {"categories": [{"id": 1}]}, "a category lacks"),
        (lambda c: c | {"annotations": []}, "no image has a box"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, content: dict[str, Any], broken: Any, message: str) -> None:
    path = write(tmp_path, broken(content))
    with pytest.raises(UserError, match=message) as error:
        dataset(tmp_path).load()
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_missing_annotations_and_images_name_the_remedy(tmp_path: Path, content: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"anno\.json: there is no such file.*download_coco\.py"):
        dataset(tmp_path).load()
    write(tmp_path, content)
    (tmp_path / "images").rmdir()
    with pytest.raises(UserError, match=r"images: there is no such folder.*download_coco\.py"):
        dataset(tmp_path).load()


def test_num_classes_must_agree(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    loaded = dataset(tmp_path).load()
    check_num_classes(loaded, 2)
    with pytest.raises(UserError, match=r"num_classes: the config says 80 .* has 2 classes"):
        check_num_classes(loaded, 80)


def test_an_image_id_that_stands_for_two_images(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": name, "height": 4, "width": 4} for name in ("a.jpg", "b.jpg")],
        "annotations": [],
        "categories": [{"id": 1, "name": "x"}],
    }
    (tmp_path / "dup.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"dup\.json: image id 1 stands for a\.jpg and for b\.jpg"):
        COCODataSet(str(tmp_path), anno_path="dup.json", allow_empty=True).load()
