"""Boxes that training can use, and the account of the others."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets.box_filter import BoxFilter, make_record
from ppdet.data.structures import Record
from tests.support.coco_files import change, dataset, write


def record(box_filter: BoxFilter, *boxes: list[float], size: tuple[int, int] | None = (100, 200)) -> Record:
    return box_filter.record(Path("a.jpg"), 0, size, [(index, box, 0) for index, box in enumerate(boxes)])


def test_boxes_are_clipped_to_the_image_and_rounded() -> None:
    box_filter = BoxFilter(Path("a.json"))
    found = record(box_filter, [-0.5, 1.23456, 200.5, 50], [150, 50, 300, 200], size=(100, 200))
    np.testing.assert_array_equal(found.gt_bbox, np.float32([[0, 1.235, 200, 50], [150, 50, 200, 100]]))
    assert found.gt_class.tolist() == [[0], [1]]
    assert box_filter.clipped == 1  # less than a pixel outside is rounding


def test_without_a_size_nothing_is_clipped_on_the_right() -> None:
    box_filter = BoxFilter(Path("a.json"))
    assert record(box_filter, [-3, 5, 9999, 20], size=None).gt_bbox.tolist() == [[0, 5, 9999, 20]]
    assert box_filter.clipped == 1


def test_the_summary_names_each_kind_with_an_example() -> None:
    box_filter = BoxFilter(Path("a.json"))
    assert box_filter.summary() == ""
    record(box_filter, [math.nan, 0, 1, 1], [5, 5, 5, 9], [500, 5, 600, 9], [1, 1, 9, 9])
    box_filter.drop("without bbox", "annotations[3]")
    box_filter.drop("without bbox", "annotations[4]")
    assert box_filter.summary() == (
        "dropped 5 boxes: 1 with a coordinate that is not a number (e.g. a.jpg), 1 without width or height (e.g. a.jpg)"
        ", 1 entirely outside the image (e.g. a.jpg), 2 without bbox (e.g. annotations[3])"
    )


def test_repeats_need_the_same_class_and_place() -> None:
    box_filter = BoxFilter(Path("a.json"))
    box = [1.0, 2.0, 3.0, 4.0]
    box_filter.record(Path("a.jpg"), 0, None, [(0, box, 0), (1, box, 0), (0, box, 1)])
    assert (box_filter.repeats, box_filter.repeated, box_filter.kept) == (1, "a.jpg", 3)


def test_make_record_without_boxes() -> None:
    found = make_record(Path("a.jpg"), 7)
    assert (found.im_file, found.im_id, found.size) == ("a.jpg", 7, None)
    assert (found.gt_bbox.shape, found.gt_class.shape, found.difficult.shape) == ((0, 4), (0, 1), (0, 1))
    assert (found.gt_bbox.dtype, found.gt_class.dtype, found.difficult.dtype) == (np.float32, np.int32, np.int32)


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


def test_an_images_own_size_counts_where_boxes_reach_outside_the_annotated_one(
    tmp_path: Path, content: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, change(content, "images", height=1, width=1))
    cv2.imwrite(str(tmp_path / "images" / "nine.jpg"), np.zeros((50, 200, 3), np.uint8))
    nine = dataset(tmp_path).load().records[1]
    assert nine.size == (50, 200)
    np.testing.assert_array_equal(nine.gt_bbox, np.array([[10.123, 20, 40.123, 50]], np.float32))
    assert "gives 1 images another size than they have" in caplog.text
    assert "nine.jpg: 1 x 1 instead of 200 x 50" in caplog.text


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"bbox": None}, "without bbox"),
        ({"bbox": []}, "without bbox"),
        ({"bbox": ["1", "2", "3", "4"]}, "with a bbox of strings"),
        ({"bbox": {"x": 1}}, "with a bbox that is not 4 numbers"),
        ({"bbox": [1, 2, 3]}, "with a bbox that is not 4 numbers"),
        ({"bbox": [1, 2, True, 4]}, "with a bbox that is not 4 finite numbers"),
        ({"bbox": [1, 2, math.inf, 4]}, "with a bbox that is not 4 finite numbers"),
        ({"bbox": [1e308] * 4}, "with a bbox that is not 4 finite numbers"),
        ({"bbox": [10**400] * 4}, "with a bbox that is not 4 finite numbers"),
        ({"area": 0}, "with area 0"),
        ({"area": -4.0}, "with an area below 0"),
        ({"bbox": [1, 2, 3, 0]}, "without width or height"),
        ({"bbox": [500, 2, 3, 4]}, "entirely outside the image"),
    ],
)
def test_dropped_boxes_are_counted_by_kind(
    tmp_path: Path, content: dict[str, Any], caplog: pytest.LogCaptureFixture, change: dict[str, Any], kind: str
) -> None:
    content["annotations"] = [each | change for each in content["annotations"][::2]]
    path = write(tmp_path, content)
    with pytest.raises(UserError, match=f"anno.json: no image has a box \\(dropped 2 boxes: 2 {kind}"):
        dataset(tmp_path).load()
    assert f"{path}: dropped 2 boxes: 2 {kind} (e.g. " in caplog.text


def test_boxes_between_0_and_1_get_a_hint(
    tmp_path: Path, content: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    content["annotations"] = [each | {"bbox": [0.25, 0.5, 0.25, 0.5]} for each in content["annotations"]]
    write(tmp_path, content)
    dataset(tmp_path).load()
    assert "all boxes lie within 0..1, which looks like fractions of the image's size; expected pixels" in caplog.text


@pytest.mark.parametrize(("crowds", "level"), [(0, 0), (2, logging.INFO), (20, logging.WARNING)])
def test_crowds_are_counted_and_many_are_warned_of(
    tmp_path: Path, content: dict[str, Any], caplog: pytest.LogCaptureFixture, crowds: int, level: int
) -> None:
    """Some tools mark every object that is drawn as a mask; COCO itself has about one crowd in a hundred."""
    one = content["annotations"][0]
    content["annotations"] = [one | {"bbox": [i, 20, 30, 40], "iscrowd": int(i < crowds)} for i in range(40)]
    write(tmp_path, content)
    with caplog.at_level(logging.INFO, "ppdet"):
        loaded = dataset(tmp_path).load()
    assert len(loaded.records[0].gt_bbox) == 40 - crowds
    assert loaded.truth is not None
    assert loaded.truth.crowd.sum() == crowds
    said = [(record.levelno, f"left out {crowds} of 40 annotations" in record.message) for record in caplog.records]
    assert said == ([(level, True)] if crowds else [])


@pytest.mark.parametrize("value", [1, "1", True])
def test_nothing_but_crowds_is_an_error_that_says_so(tmp_path: Path, content: dict[str, Any], value: Any) -> None:
    content["annotations"] = [each | {"iscrowd": value} for each in content["annotations"]]
    write(tmp_path, content)
    with pytest.raises(UserError, match=r"no image has a box \(left out 3 of 3 annotations because of iscrowd"):
        dataset(tmp_path).load()


@pytest.mark.parametrize("repeats", [1, 3])
def test_boxes_that_are_given_twice_are_warned_of(
    tmp_path: Path, content: dict[str, Any], caplog: pytest.LogCaptureFixture, repeats: int
) -> None:
    content["annotations"] += [content["annotations"][0]] * repeats  # as merged exports have them
    path = write(tmp_path, content)
    before = sum(len(record.gt_bbox) for record in dataset(tmp_path).load().records)
    assert f"{path}: kept {repeats} that repeat another of the same class and place (e.g. nine.jpg)" in caplog.text
    content["annotations"] = content["annotations"][:-repeats]
    write(tmp_path, content)
    caplog.clear()
    assert sum(len(record.gt_bbox) for record in dataset(tmp_path).load().records) == before - repeats
    assert "repeat" not in caplog.text
