"""LabelMe's JSON: its shapes, where the image is looked for, and broken files."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import LabelMeDataSet
from tests.support.labeling_tools import labelme_file, labelme_shape


def write(root: Path, *shapes: dict[str, Any], name: str = "a.png", data: str | None = None) -> LabelMeDataSet:
    """A data set of one image of 200 x 100, a.png."""
    assert cv2.imwrite(str(root / "a.png"), np.zeros((100, 200, 3), np.uint8))
    (root / "a.json").write_text(labelme_file(name, (100, 200), list(shapes), data))
    return LabelMeDataSet(str(root))


@pytest.mark.parametrize(
    ("kind", "points", "expected"),
    [
        ("rectangle", [[10, 20], [30, 50]], [10, 20, 30, 50]),
        ("rectangle", [[30.5, 50], [10, 20.25]], [10, 20.25, 30.5, 50]),
        ("rectangle", [[10, 20], [30, 20], [30, 50], [10, 50]], [10, 20, 30, 50]),  # newer files
        ("polygon", [[10, 20], [30, 35], [15, 50]], [10, 20, 30, 50]),
        ("circle", [[50, 40], [53, 44]], [45, 35, 55, 45]),
        ("mask", [[10, 20], [30, 50]], [10, 20, 30, 50]),
        ("rotation", [[20, 10], [30, 20], [20, 30], [10, 20]], [10, 10, 30, 30]),
        (None, [[10, 20], [30, 35], [15, 50]], [10, 20, 30, 50]),  # polygons of old files
    ],
)
def test_shapes(kind: str, points: list[list[float]], expected: list[float], tmp_path: Path) -> None:
    (record,) = write(tmp_path, labelme_shape("cat", points, kind)).load().records
    assert record.gt_bbox.tolist() == [expected]
    assert record.size == (100, 200)


def test_shapes_that_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = labelme_shape("cat", [[10, 20], [30, 50]])
    others = [labelme_shape("cat", [[10, 20]], "point"), labelme_shape("cat", [[1, 2], [3, 4]], "line")]
    short = [labelme_shape("cat", [[1, 2], [3, 4]], "polygon"), labelme_shape("cat", [[1, None], [3, 4]])]
    (record,) = write(tmp_path, box, *others, *short).load().records
    assert len(record.gt_bbox) == 1
    for text in ("1 that are no outlines but point", "but line", "1 with too few points", "not a number"):
        assert text in caplog.text


def test_shapes_of_one_group_and_label_are_one_object(tmp_path: Path) -> None:
    parts = [
        labelme_shape("cat", [[10, 20], [30, 50]], group_id=1),
        labelme_shape("cat", [[60, 10], [70, 30]], group_id=1),
        labelme_shape("dog", [[60, 10], [70, 30]], group_id=1),
        labelme_shape("cat", [[80, 10], [90, 30]], group_id=2),
        labelme_shape("cat", [[10, 20], [30, 40]]),
        labelme_shape("cat", [[40, 20], [50, 40]]),
    ]
    (record,) = write(tmp_path, *parts).load().records
    expected = [[10, 10, 70, 50], [60, 10, 70, 30], [80, 10, 90, 30], [10, 20, 30, 40], [40, 20, 50, 40]]
    assert record.gt_bbox.tolist() == expected
    assert record.gt_class.ravel().tolist() == [0, 1, 0, 0, 0]


@pytest.mark.parametrize("name", ["a.png", "images/a.png", "..\\images\\a.png", "C:\\data\\a.png", "../a.png"])
def test_the_place_of_the_image(name: str, tmp_path: Path) -> None:
    dataset = write(tmp_path, labelme_shape("cat", [[10, 20], [30, 50]]), name=name)
    (tmp_path / "images").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "images" / "a.png")
    assert Path(dataset.load().records[0].im_file).resolve() == tmp_path / "images" / "a.png"


@pytest.mark.parametrize(
    ("data", "remedy"), [(None, "put the image there"), ("aGVsbG8=", "put the image there, or write the embedded one")]
)
def test_an_image_that_is_not_there(data: str | None, remedy: str, tmp_path: Path) -> None:
    dataset = write(tmp_path, labelme_shape("cat", [[10, 20], [30, 50]]), data=data)
    (tmp_path / "a.png").unlink()
    with pytest.raises(UserError) as error:
        dataset.load()
    assert str(error.value).startswith(f"{tmp_path}/a.json: imagePath: 'a.png' is not there; {remedy}")
    assert ("labelme_export_json" in str(error.value)) == bool(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"a\.json: not valid JSON"),
        ("[]", r"a\.json: has no list shapes; expected an annotation of LabelMe"),
        ('{"shapes": []}', r"a\.json: imagePath: expected the name of the image"),
        (
            json.dumps({"shapes": [{"label": "cat", "points": [1, 2]}], "imagePath": "a.png"}),
            r"a\.json: shapes\[0\]\.points: found \[1, 2\]; expected a list of points \[x, y\]",
        ),
        (
            json.dumps({"shapes": [{"points": []}], "imagePath": "a.png"}),
            r"shapes\[0\]\.label: found nothing; expected",
        ),
        (json.dumps({"shapes": [7], "imagePath": "a.png"}), r"shapes\[0\]: found 7; expected an object"),
    ],
)
def test_a_broken_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    dataset = write(tmp_path)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        dataset.load()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gbk", "latin-1"])
def test_encodings(encoding: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    name = "köter" if encoding == "latin-1" else "红色"
    dataset = write(tmp_path)
    text = labelme_file("a.png", (100, 200), [labelme_shape("NAME", [[10, 20], [30, 50]])]).replace("NAME", name)
    (tmp_path / "a.json").write_bytes(text.encode(encoding))
    if encoding.startswith("utf"):
        with caplog.at_level(logging.INFO):
            assert [category.name for category in dataset.load().categories] == [name]
    else:
        with pytest.raises(UserError, match=r"a\.json: not text in UTF-8; save it as UTF-8"):
            dataset.load()
