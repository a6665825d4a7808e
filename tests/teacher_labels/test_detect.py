"""Detections of a model in files: in order, inside of the images, and without those that cannot be read."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.deploy import Detector
from ppdet.teacher_labels import detect as module
from ppdet.teacher_labels.detect import ImageFile, detect
from tests.deploy.conftest import INFER_CFG, make_model


@pytest.fixture
def detector(tmp_path: Path) -> Detector:
    """One dog in the middle of each image, as sure as the image is bright."""
    pytest.importorskip("onnxruntime")
    return Detector(make_model(tmp_path / "model.onnx"), "onnxruntime", threads=1)


def write_grays(folder: Path, *levels: int) -> list[ImageFile]:
    files = [folder / f"{number}.png" for number in range(len(levels))]
    for file, level in zip(files, levels, strict=True):
        cv2.imwrite(str(file), np.full((40, 80, 3), level, np.uint8))
    return [ImageFile(str(file)) for file in files]


def test_detections_are_in_the_order_of_the_files(tmp_path: Path, detector: Detector) -> None:
    levels = [200, 50, 128, 0, 255]
    (found,) = detect(detector, write_grays(tmp_path, *levels))
    assert [rows.shape[0] for rows in found] == [1, 1, 1, 0, 1]  # black scores less than LOWEST
    rows = np.concatenate(found)
    assert rows.dtype == np.float32
    assert np.argsort(rows[:, 1]).tolist() == [1, 2, 0, 3]
    np.testing.assert_allclose(rows[:, [0, 2, 3, 4, 5]], [[1, 20, 10, 60, 30]] * 4, rtol=1e-6)
    (rest,) = detect(detector, write_grays(tmp_path, *levels), start=2)
    np.testing.assert_equal(rest, found[2:])


def test_colors_are_those_of_the_file(tmp_path: Path, detector: Detector) -> None:
    """The channels have different means, so that red and blue score differently."""
    scores = []
    for number, color in enumerate([(255, 0, 0), (0, 0, 255)]):  # BGR
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((40, 80, 3), color, np.uint8))
        (((row,),),) = detect(detector, [ImageFile(str(tmp_path / f"{number}.png"))])
        scores.append(row[1])
        assert row[1] == detector.detect(tmp_path / f"{number}.png", 0.0).scores[0]
    assert scores[0] != scores[1]


def test_parts_follow_each_other(tmp_path: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_grays(tmp_path, *range(100, 240, 20))
    (whole,) = detect(detector, files)
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    monkeypatch.setattr(module, "_PART_SECONDS", -1.0)
    parts = list(detect(detector, files))
    assert [len(part) for part in parts] == [3, 3, 1]
    np.testing.assert_equal([rows for part in parts for rows in part], whole)


def test_boxes_end_at_the_edges_and_have_a_pixel(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    shifted = INFER_CFG | {"boxes": "input"}  # the box of 0.25 to 0.75 is then half a pixel of the input
    detector = Detector(make_model(tmp_path / "model.onnx", shifted), "onnxruntime", threads=1)
    (found,) = detect(detector, write_grays(tmp_path, 200))
    assert [len(rows) for rows in found] == [0]
    image = np.zeros((40, 80, 3), np.uint8)
    beyond = detector.detect(image, 0.0)
    wide = type(beyond)(
        np.float32([[-5, -5, 100, 30], [79.5, 0, 90, 30]]), np.float32([0.5, 0.5]), np.int64([1, 0]), ()
    )
    np.testing.assert_array_equal(module._rows(wide, image), np.float32([[1, 0.5, 0, 0, 80, 30]]))


def test_unreadable_images_have_no_detections(
    tmp_path: Path, detector: Detector, caplog: pytest.LogCaptureFixture
) -> None:
    files = write_grays(tmp_path, 200, 200, 200)
    Path(files[1].path).write_bytes(b"not an image")
    with caplog.at_level(logging.WARNING):
        (found,) = detect(detector, files)
    assert [len(rows) for rows in found] == [1, 0, 1]
    (record,) = caplog.records
    assert record.getMessage().startswith(files[1].path)
    assert "(1 of 3 images cannot be read" in record.getMessage()
