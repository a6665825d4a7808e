"""COCO datasets: the records of a small file and of the published one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppdet.data.datasets import COCODataSet
from tests.support.coco_files import dataset, ids, write


def test_records_of_a_small_file(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    loaded = dataset(tmp_path).load()
    assert ids(loaded) == [4, 9]  # by id; the one without boxes is left out
    assert (loaded.image_ids, [record.im_id for record in loaded.records]) == ([4, 6, 9], [0, 2])
    nine = loaded.records[1]
    assert nine.im_file == str(tmp_path / "images" / "nine.jpg")
    assert nine.size == (100, 200)
    np.testing.assert_array_equal(nine.gt_bbox, np.array([[10.123, 20, 40.123, 60]], np.float32))  # no crowd
    np.testing.assert_array_equal(nine.gt_class, [[0]])  # in file order
    assert (nine.gt_bbox.dtype, nine.gt_class.dtype) == (np.float32, np.int32)
    assert [category.name for category in loaded.categories] == ["cup", "cat"]


def test_published_annotations(shared: Path) -> None:
    root = shared / "data" / "coco_tiny"
    val = COCODataSet(str(root), "val2017", "annotations/instances_val2017.json", allow_empty=True).load()
    assert len(val) == 50
    assert len(val.categories) == 80
    golden = np.load(shared / "golden" / "transforms" / "transforms.npz")
    record = next(record for record in val.records if val.image_ids[record.im_id] == int(golden["record/im_id"][0]))
    np.testing.assert_array_equal(record.gt_bbox, golden["record/gt_bbox"])
    np.testing.assert_array_equal(record.gt_class, golden["record/gt_class"])


def test_area_may_be_missing_and_file_names_absolute(tmp_path: Path, content: dict[str, Any]) -> None:
    content["images"] = [content["images"][1] | {"file_name": "/elsewhere/four.jpg"}]
    content["annotations"] = [content["annotations"][2] | {"area": None}]
    write(tmp_path, content)
    (record,) = dataset(tmp_path).load().records
    assert record.im_file == "/elsewhere/four.jpg"
    assert len(record.gt_bbox) == 1


def test_an_image_under_two_ids_is_warned_of(
    tmp_path: Path, content: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    content["images"] += [content["images"][0] | {"id": "again"}, content["images"][0]]  # the last says nothing new
    write(tmp_path, content)
    loaded = dataset(tmp_path, allow_empty=True).load()
    assert len(loaded) == 4
    assert "1 images are listed again under another id, e.g. 'nine.jpg' as 9 and 'again'" in caplog.text
