"""Detections of an image: drawn, written, and handed to other programs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.deploy import DeployError, Detections, Detector
from ppdet.deploy.detections import from_rows
from ppdet.deploy.draw import class_color

ROWS = np.array([[1, 0.25, 5, 6, 20, 30], [0, 0.75, 10, 10, 50, 30], [1, 0.5, -2, 0, 8, 16.5]], np.float32)
IMAGE = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), IMAGE)
    return path


def detections(path: Path | None = None, order: str = "bgr") -> Detections:
    found = from_rows(ROWS, ["cat", "dog"], 0.3)
    return Detections(found.boxes, found.scores, found.class_ids, found.names, path, order)


def test_rows_are_sorted_and_chosen_by_score() -> None:
    found = detections()
    assert len(found) == 2
    assert (found.names, found.class_ids.tolist(), found.scores.tolist()) == (("cat", "dog"), [0, 1], [0.75, 0.5])
    assert found.boxes.tolist() == [[10, 10, 50, 30], [-2, 0, 8, 16.5]]


def test_plot_reads_the_file_again(photo: Path) -> None:
    drawn = detections(photo).plot()
    assert (drawn.shape, drawn.dtype) == (IMAGE.shape, np.uint8)
    np.testing.assert_array_equal(drawn[28, 10], class_color(0))
    np.testing.assert_array_equal(drawn[35:], IMAGE[35:])  # as cv2.imread gives it
    with pytest.raises(DeployError, match=r"none.png: cannot be read"):
        detections(photo.with_name("none.png")).plot()


def test_plot_of_an_array_keeps_its_order_of_colors() -> None:
    before = IMAGE.copy()
    bgr, rgb = detections().plot(IMAGE), detections(order="rgb").plot(IMAGE[..., ::-1])
    np.testing.assert_array_equal(bgr, rgb[..., ::-1])
    np.testing.assert_array_equal(bgr[28, 10], class_color(0))
    assert bgr.flags.c_contiguous
    assert rgb.flags.c_contiguous
    np.testing.assert_array_equal(IMAGE, before)
    with pytest.raises(DeployError, match=r"^image: these detections are of an array, which they do not keep; pass it"):
        detections().plot()
    with pytest.raises(DeployError, match=r"^image: found array of float32; expected"):
        detections().plot(IMAGE.astype(np.float32))


def test_the_home_folder_is_known(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    detections(photo).save("~/out.png")
    assert (tmp_path / "home" / "out.png").is_file()


def test_save(photo: Path, tmp_path: Path) -> None:
    detections(photo).save(tmp_path / "new" / "out.png")
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "new" / "out.png")), detections(photo).plot())
    detections(order="rgb").save(tmp_path / "rgb.png", IMAGE[..., ::-1])
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "rgb.png")), detections(photo).plot())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("photo.png", "photo.png: is the image itself and would be replaced; choose another name"),
        ("out", r"out: found no suffix; expected one of \.jpg, "),
        ("out.gif", r"out.gif: found \.gif; expected one of \.jpg, "),
    ],
)
def test_names_that_cannot_be_saved_to(name: str, message: str, photo: Path) -> None:
    before = photo.read_bytes()
    with pytest.raises(DeployError, match=message):
        detections(photo).save(photo.with_name(name))
    assert [(path.name, path.read_bytes()) for path in photo.parent.iterdir()] == [("photo.png", before)]


def test_json_has_the_layout_of_bbox_json() -> None:
    assert json.loads(detections().to_json()) == [
        {"category_id": 0, "category": "cat", "bbox": [10, 10, 40, 20], "score": 0.75},
        {"category_id": 1, "category": "dog", "bbox": [-2, 0, 10, 16.5], "score": 0.5},
    ]


def test_the_detector_says_where_its_image_is(small: Path, tmp_path: Path) -> None:
    photo = tmp_path / "white.png"
    cv2.imwrite(str(photo), np.full((60, 80, 3), 250, np.uint8))
    detector = Detector(small, "onnxruntime", batch_size=2)
    white = np.full((60, 80, 3), 250, np.uint8)
    for found in (detector.detect(str(photo)), *detector.detect([photo] * 3), detector.detect_sliced(photo)):
        assert (found.path, found.order) == (photo, "bgr")
        np.testing.assert_array_equal(found.plot()[30, 20], class_color(1))
    for found in (detector.detect(white), detector.detect_sliced(white)):
        assert (found.path, found.order) == (None, "rgb")
        np.testing.assert_array_equal(found.plot(white)[30, 20], class_color(1)[::-1])
    assert Detector(small, "onnxruntime", order="bgr").detect(white).order == "bgr"


@pytest.mark.skipif(importlib.util.find_spec("supervision") is None, reason="supervision is not installed")
@pytest.mark.parametrize("threshold", [0.3, 0.9])
def test_supervision(threshold: float) -> None:
    import supervision

    ours = from_rows(ROWS, ["cat", "dog"], threshold)
    theirs = ours.to_supervision()
    assert isinstance(theirs, supervision.Detections)
    assert len(theirs) == len(ours)
    np.testing.assert_array_equal(theirs.xyxy, ours.boxes)
    np.testing.assert_array_equal(theirs.confidence, ours.scores)
    np.testing.assert_array_equal(theirs.class_id, ours.class_ids)
    assert list(theirs["class_name"]) == list(ours.names)
    assert len(theirs[theirs.confidence > 0.6]) == (threshold < 0.6)
    drawn = supervision.LabelAnnotator().annotate(supervision.BoxAnnotator().annotate(IMAGE.copy(), theirs), theirs)
    assert (drawn != IMAGE).any() == (len(ours) > 0)


@pytest.mark.skipif(importlib.util.find_spec("supervision") is not None, reason="supervision is installed")
def test_without_supervision() -> None:
    with pytest.raises(DeployError, match=r"^supervision: not installed; pip install supervision$"):
        detections().to_supervision()
