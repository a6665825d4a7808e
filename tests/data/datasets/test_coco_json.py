"""COCO's JSON: ids, sizes and encodings of any kind, and broken files, which are named."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import COCODataSet
from tests.support.coco_files import change, dataset, ids, write

UNKNOWN_SIDES = [0, -5, None, math.nan, math.inf, 1e15, 10**30, 1.5, "48", True, [1]]


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
        names[0]: 1,
        names[1]: 1,
        names[2]: 0,
    }


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


@pytest.mark.parametrize("side", UNKNOWN_SIDES)
def test_a_size_that_can_be_none_is_unknown(tmp_path: Path, content: dict[str, Any], side: Any) -> None:
    write(tmp_path, change(content, "images", height=side))
    four, nine = dataset(tmp_path).load().records
    assert (four.size, nine.size) == ((50, 60), None)
    np.testing.assert_array_equal(nine.gt_bbox, np.array([[10.123, 20, 40.123, 60]], np.float32))


@pytest.mark.parametrize("area", [None, math.nan, "320", 10**400, [1], 1e-3])
def test_an_area_that_is_no_number_says_nothing(tmp_path: Path, content: dict[str, Any], area: Any) -> None:
    write(tmp_path, change(content, "annotations", area=area))
    assert len(dataset(tmp_path).load()) == 2


@pytest.mark.parametrize("value", ["0", 0, None, False, 0.0])
def test_not_a_crowd(tmp_path: Path, content: dict[str, Any], value: Any) -> None:
    content["annotations"] = [each | {"iscrowd": value} for each in content["annotations"]]
    write(tmp_path, content)
    assert [len(record.gt_bbox) for record in dataset(tmp_path).load().records] == [1, 2]
