"""COCO JSON: what is kept, and what every kind of broken file is answered with."""

from __future__ import annotations

import copy
import json
import logging
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import COCODataSet, Dataset, check_num_classes

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


def ids(loaded: Dataset) -> list[Any]:
    """The file's ids of the records."""
    return [loaded.image_ids[record.im_id] for record in loaded.records]


@pytest.fixture
def content() -> dict[str, Any]:
    return copy.deepcopy(CONTENT)


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


def test_the_constructor_reads_nothing(tmp_path: Path) -> None:
    assert dataset(tmp_path / "nowhere").records == []


def test_published_annotations(shared: Path) -> None:
    root = shared / "data" / "coco_tiny"
    val = COCODataSet(str(root), "val2017", "annotations/instances_val2017.json", allow_empty=True).load()
    assert len(val) == 50
    assert len(val.categories) == 80
    golden = np.load(shared / "golden" / "transforms" / "transforms.npz")
    record = next(record for record in val.records if val.image_ids[record.im_id] == int(golden["record/im_id"][0]))
    np.testing.assert_array_equal(record.gt_bbox, golden["record/gt_bbox"])
    np.testing.assert_array_equal(record.gt_class, golden["record/gt_class"])


def test_empty_images_are_kept_on_request(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    assert ids(dataset(tmp_path, allow_empty=True).load()) == [4, 9, 6]


def test_empty_ratio_limits_the_empty_images(tmp_path: Path, content: dict[str, Any]) -> None:
    content["images"] += [{"id": 100 + i, "file_name": f"{i}.jpg", "height": 5, "width": 5} for i in range(10)]
    write(tmp_path, content)
    loads = [dataset(tmp_path, allow_empty=True, empty_ratio=0.5).load().records for _ in range(2)]
    assert len(loads[0]) == 2 + 2
    assert [record.im_id for record in loads[0]] == [record.im_id for record in loads[1]]


def test_sample_num_takes_the_first(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    assert ids(dataset(tmp_path, sample_num=1).load()) == [4]


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
        (
            lambda c: change(c, "annotations", image_id=77),
            r"annotations\[0\]\.image_id: found 77; expected the id of one of the file's images",
        ),
        (
            lambda c: change(c, "annotations", category_id=77),
            r"annotations\[0\]\.category_id: found 77; expected the id of one of the file's categories",
        ),
        (
            lambda c: change(c, "annotations", category_id=None),
            r"annotations\[0\]\.category_id: found None; expected a number or a text",
        ),
        (
            lambda c: change(c, "annotations", image_id=float("inf")),
            r"annotations\[0\]\.image_id: found inf; expected a number",
        ),
        (lambda c: change(c, "images", id=True), r"images\[0\]\.id: found True; expected a number or a text"),
        (lambda c: change(c, "images", file_name=None), r"images\[0\]\.file_name: found None; expected a text"),
        (lambda c: change(c, "images", file_name="a\0b"), r"images\[0\]\.file_name: found .*x00b.* control characters"),
        (lambda c: change(c, "categories", id=float("inf")), r"categories\[0\]\.id: found inf"),
        (
            lambda c: change(c, "categories", id=3),
            r"categories\[1\]\.id: found 3; .* which categories\[0\] has already",
        ),
        (lambda c: change(c, "categories", name="\ud800"), r"categories\[0\]\.name: found .*ud800.*surrogates"),
        (lambda c: c | {"categories": [{"id": 1}]}, r"categories\[0\]\.name: found nothing; expected a text"),
        (lambda c: c | {"images": [7]}, r"images\[0\]: found 7; expected an object"),
        (lambda c: change(c, "annotations", iscrowd="yes"), r"annotations\[0\]\.iscrowd: found 'yes'; expected 0 or 1"),
        (lambda c: change(c, "annotations", iscrowd=[]), r"annotations\[0\]\.iscrowd: found \[\]; expected 0 or 1"),
        (lambda c: "[" * 100_000, "nested too deeply"),
        (lambda c: '{"images": ' + "1" * 5000 + "}", "whole number of thousands of digits"),
        (lambda c: c | {"annotations": []}, "no image has a box"),
        (lambda c: c | {"images": [], "annotations": []}, "lists no images; check"),
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
    with pytest.raises(UserError, match=r"dup\.json: images\[1\]\.id: found 1; .*'b\.jpg' has that of 'a\.jpg'"):
        COCODataSet(str(tmp_path), anno_path="dup.json", allow_empty=True).load()


@pytest.mark.parametrize(
    "names",
    [
        [9, 4, 6],
        [-9, -40, -6],
        [10**30, 4, 2**63],
        [1.5, 0.25, 1.25],
        ["c-9", "a", "b"],
        ["10", 4, "6"],
        [10, "", 10.5],
    ],
)
def test_ids_of_any_kind(tmp_path: Path, content: dict[str, Any], names: list[Any]) -> None:
    new = dict(zip((9, 4, 6), names, strict=True))
    content["images"] = [image | {"id": new[image["id"]]} for image in content["images"]]
    content["annotations"] = [each | {"image_id": new[each["image_id"]]} for each in content["annotations"]]
    write(tmp_path, content)
    loaded = dataset(tmp_path, allow_empty=True).load()
    files = {loaded.image_ids[record.im_id]: Path(record.im_file).name for record in loaded.records}
    assert files == {names[0]: "nine.jpg", names[1]: "four.jpg", names[2]: "empty.jpg"}
    assert {name: len(record.gt_bbox) for name, record in zip(ids(loaded), loaded.records, strict=True)} == {
        names[0]: 1, names[1]: 1, names[2]: 0
    }  # fmt: skip


def test_numbers_come_by_size_and_before_texts(tmp_path: Path, content: dict[str, Any]) -> None:
    names = ["b", 10, "9", "a", 2.5, -1]
    content["images"] = [{"id": name, "file_name": f"{i}.jpg"} for i, name in enumerate(names)]
    content["annotations"] = []
    write(tmp_path, content)
    assert dataset(tmp_path, allow_empty=True).load().image_ids == [-1, 2.5, "9", 10, "a", "b"]


def test_an_id_may_be_written_as_text_where_that_is_clear(tmp_path: Path, content: dict[str, Any]) -> None:
    content["annotations"] = [each | {"image_id": str(each["image_id"])} for each in content["annotations"]]
    write(tmp_path, content)
    assert ids(dataset(tmp_path).load()) == [4, 9]
    content["images"] += [{"id": "9", "file_name": "text.jpg"}]  # now "9" is another image
    write(tmp_path, content)
    assert {Path(record.im_file).name for record in dataset(tmp_path).load().records} == {"four.jpg", "text.jpg"}
    content["annotations"][0]["image_id"] = "09"
    write(tmp_path, content)
    with pytest.raises(UserError, match=r"annotations\[0\]\.image_id: found '09'"):
        dataset(tmp_path).load()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "gbk"])
def test_files_of_windows_tools(tmp_path: Path, content: dict[str, Any], encoding: str) -> None:
    content["categories"][0]["name"] = "杯子"
    text = json.dumps(content, ensure_ascii=False)
    write(tmp_path, "").write_bytes(("\ufeff" * (encoding == "utf-16-be") + text).encode(encoding))
    if encoding == "gbk":
        with pytest.raises(UserError, match=r"anno\.json: not text in UTF-8; save it as UTF-8$"):
            dataset(tmp_path).load()
    else:
        assert [category.name for category in dataset(tmp_path).load().categories] == ["杯子", "cat"]


UNKNOWN_SIDES = [0, -5, None, math.nan, math.inf, 1e15, 10**30, 1.5, "48", True, [1]]


@pytest.mark.parametrize("side", UNKNOWN_SIDES)
def test_a_size_that_can_be_none_is_unknown(tmp_path: Path, content: dict[str, Any], side: Any) -> None:
    write(tmp_path, change(content, "images", height=side))
    four, nine = dataset(tmp_path).load().records
    assert (four.size, nine.size) == ((50, 60), None)
    np.testing.assert_array_equal(nine.gt_bbox, np.array([[10.123, 20, 40.123, 60]], np.float32))


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


@pytest.mark.parametrize("area", [None, math.nan, "320", 10**400, [1], 1e-3])
def test_an_area_that_is_no_number_says_nothing(tmp_path: Path, content: dict[str, Any], area: Any) -> None:
    write(tmp_path, change(content, "annotations", area=area))
    assert len(dataset(tmp_path).load()) == 2


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


@pytest.mark.parametrize("value", ["0", 0, None, False, 0.0])
def test_not_a_crowd(tmp_path: Path, content: dict[str, Any], value: Any) -> None:
    content["annotations"] = [each | {"iscrowd": value} for each in content["annotations"]]
    write(tmp_path, content)
    assert [len(record.gt_bbox) for record in dataset(tmp_path).load().records] == [1, 2]


def test_an_image_under_two_ids_is_warned_of(
    tmp_path: Path, content: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    content["images"] += [content["images"][0] | {"id": "again"}, content["images"][0]]  # the last says nothing new
    write(tmp_path, content)
    loaded = dataset(tmp_path, allow_empty=True).load()
    assert len(loaded) == 4
    assert "1 images are listed again under another id, e.g. 'nine.jpg' as 9 and 'again'" in caplog.text


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
