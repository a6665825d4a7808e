"""Label Studio's JSON export: shapes in percent, names of images, several annotations, and broken files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import LabelStudioDataSet
from ppdet.data.datasets.label_studio import file_names
from tests.support.labeling_tools import studio_result, studio_task

SIZE = (100, 200)  # height, width
BOX = {"x": 5, "y": 20, "width": 10, "height": 10, "rotation": 0, "rectanglelabels": ["cat"]}


def write(root: Path, content: Any) -> LabelStudioDataSet:
    (root / "images").mkdir(exist_ok=True)
    (root / "images" / "a.png").touch()
    (root / "export.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return LabelStudioDataSet(str(root), anno_path="export.json")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("rectanglelabels", BOX, [10, 20, 30, 30]),
        ("rectanglelabels", BOX | {"rotation": 90, "x": 50}, [90, 20, 100, 40]),  # around the upper left corner
        ("polygonlabels", {"points": [[5, 20], [15, 25], [10, 50]], "polygonlabels": ["cat"]}, [10, 20, 30, 50]),
        (
            "ellipselabels",
            {"x": 50, "y": 50, "radiusX": 5, "radiusY": 20, "rotation": 90, "ellipselabels": ["cat"]},
            [80, 40, 120, 60],
        ),
    ],
)
def test_shapes(kind: str, value: dict[str, Any], expected: list[float], tmp_path: Path) -> None:
    dataset = write(tmp_path, [studio_task("/data/upload/1/0a1b2c3d-a.png", [studio_result(value, SIZE, kind)])])
    (record,) = dataset.load().records
    assert record.gt_bbox.tolist() == [pytest.approx(expected, abs=1e-3)]
    assert record.size == SIZE
    assert record.im_file == str(tmp_path / "images" / "a.png")


def test_labels_apart_from_rectangles(tmp_path: Path) -> None:
    shape = {key: value for key, value in BOX.items() if key != "rectanglelabels"}
    results = [
        studio_result(shape, SIZE, "rectangle"),
        studio_result(shape | {"labels": ["dog"]}, SIZE, "labels"),
        studio_result({"choices": ["good"]}, SIZE, "choices"),
    ]
    dataset = write(tmp_path, [studio_task("a.png", results)]).load()
    assert [category.name for category in dataset.categories] == ["dog"]
    assert dataset.records[0].gt_bbox.tolist() == [[10, 20, 30, 30]]


def test_the_annotation_that_counts(tmp_path: Path) -> None:
    def task(*annotations: dict[str, Any]) -> list[dict[str, Any]]:
        parts = [{"result": [studio_result(BOX | {"x": 5 * n}, SIZE)]} | more for n, more in enumerate(annotations)]
        return [studio_task("a.png", []) | {"annotations": parts}]

    def left(*annotations: dict[str, Any]) -> list[float]:
        return [record.gt_bbox[0, 0] for record in write(tmp_path, task(*annotations)).load().records]

    assert left({}, {}) == [0]
    assert left({}, {"ground_truth": True}) == [10]
    assert left({"was_cancelled": True}, {}) == [10]
    with pytest.raises(UserError, match="lists no images"):
        left({"was_cancelled": True})


def test_old_exports_call_them_completions(tmp_path: Path) -> None:
    task = studio_task("a.png", [studio_result(BOX, SIZE)])
    task["completions"] = task.pop("annotations")
    assert len(write(tmp_path, [task]).load()) == 1


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/data/upload/12/1a2b3c4d-my%20photo.jpg", "my photo.jpg"),
        ("/data/local-files/?d=photos/day%201/a.jpg", "photos/day 1/a.jpg"),
        ("s3://bucket/photos/a.jpg", "a.jpg"),
        ("https://example.com/photos/a.jpg?size=3", "photos/a.jpg"),
        ("photos/a.jpg", "photos/a.jpg"),
    ],
)
def test_names_of_images(text: str, name: str) -> None:
    assert name in file_names(text)


@pytest.mark.parametrize("name", ["#1.png", "50%.png", "who?.png", "%41.png"])
def test_names_that_are_no_addresses(name: str, tmp_path: Path) -> None:
    dataset = write(tmp_path, [studio_task(f"/data/upload/1/0a1b2c3d-{name}", [studio_result(BOX, SIZE)])])
    (tmp_path / "images" / name).touch()
    (record,) = dataset.load().records
    assert Path(record.im_file) == tmp_path / "images" / name


def test_shapes_that_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    results = [
        studio_result(BOX, SIZE),
        studio_result({"keypointlabels": ["cat"], "x": 1, "y": 2}, SIZE, "keypointlabels"),
        studio_result(BOX | {"x": "left"}, SIZE),
        studio_result(BOX | {"width": -3}, SIZE),
    ]
    (record,) = write(tmp_path, [studio_task("a.png", results)]).load().records
    assert len(record.gt_bbox) == 1
    for text in ("dropped 3", "no outlines but keypointlabels", "not a number", "without width or height"):
        assert text in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", r"export\.json: not valid JSON"),
        ({"images": []}, r"export\.json: is no list of tasks with data; .* \(not JSON-MIN\)$"),
        ([{"image": "a.png", "label": []}], r"is no list of tasks with data"),
        ([studio_task("/data/a", [])], r"tasks\[0\]\.data: found .*; expected the path of an image"),
        ([studio_task("a.png", [], result={})], r"tasks\[0\]\.annotations\[0\]\.result: found {}; expected a list"),
        ([studio_task("a.png", [{"type": "rectanglelabels", "value": BOX}])], r"has no original_width and original_"),
        (
            [studio_task("a.png", [studio_result({"polygonlabels": ["cat"], "points": [1]}, SIZE, "polygonlabels")])],
            r"tasks\[0\]\.annotations\[0\]\.result\[0\]\.value: found .*; expected points \[x, y\] in percent",
        ),
        (
            [studio_task("a.png", [studio_result(BOX | {"rectanglelabels": []}, SIZE)])],
            r"tasks\[0\]\.annotations\[0\]\.result\[0\]: an object has no name",
        ),
    ],
)
def test_a_broken_file_is_named(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as error:
        write(tmp_path, content).load()
    assert str(error.value).startswith(f"{tmp_path}/export.json: ")
    assert "\n" not in str(error.value)
