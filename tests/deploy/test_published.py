"""The published weights through every backend: evaluation's numbers, and every kind of export."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.data.datasets.coco_classes import COCO_CATEGORIES
from ppdet.deploy import Detections, Detector
from ppdet.deploy.detections import to_rows
from ppdet.metrics.coco import CocoMetric
from tests.deploy.test_paddledetection import DEFAULT, PADDLEX
from tests.support.coco_tiny import AP, coco_tiny

BACKENDS = ("paddle", "onnxruntime", "openvino")
KINDS = {
    "decoded": ["export.nms=False"],
    "raw": ["export.post_process=False"],
    "raw, 4-D": ["export.post_process=False", "export.layout=4d", "export.batch_size=1"],
    "one input": ["export.boxes=normalized", "export.batch_size=1"],
    "boxes of the input": ["export.boxes=input"],
    "pixels": ["export.fuse_normalize=True", "export.input_dtype=uint8"],
    "fixed batch": ["export.batch_size=3"],
}


@cache
def detector(folder: Path, backend: str) -> Detector:
    pytest.importorskip(backend)
    return Detector(folder, backend, threads=2)


def average_precision(shared: Path, runner: Detector) -> float:
    dataset = coco_tiny(shared)
    found = runner.detect([record.im_file for record in dataset.records], threshold=0.025)
    metric = CocoMetric(dataset.categories, dataset.records, dataset.truth)
    for record, each in zip(dataset.records, found, strict=True):
        metric.update(record.im_id, to_rows(each))
    return metric.compute()["AP"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_average_precision_is_that_of_evaluation(backend, shared, published):
    assert average_precision(shared, detector(published, backend)) == pytest.approx(AP, abs=1e-3)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_published_file(backend, shared, tmp_path):
    """With a config laid out as PaddleDetection's. It has no metadata, and takes one image at a time."""
    pytest.importorskip(backend)
    (tmp_path / "model.onnx").symlink_to(shared / "weights" / "picodet_xs_320_lcnet_postprocessed.onnx")
    labels = "".join(f"- {name}\n" for name in COCO_CATEGORIES.values())
    config = DEFAULT.replace("- 64\n", "- 320\n").replace("- cat\n- dog\n", labels)
    (tmp_path / "infer_cfg.yml").write_text(config)
    assert average_precision(shared, Detector(tmp_path, backend)) == pytest.approx(AP, abs=1e-3)


def test_our_export_with_the_config_of_paddledetection(shared, published, tmp_path):
    """Through Paddle Inference, under the names of PaddleX."""
    pytest.importorskip("paddle")
    program = "json" if (published / "model.json").is_file() else "pdmodel"
    for suffix in (program, "pdiparams"):
        (tmp_path / f"inference.{suffix}").symlink_to(published / f"model.{suffix}")
    labels = "".join(f"- {name}\n" for name in COCO_CATEGORIES.values())
    config = PADDLEX.replace("- 64\n", "- 320\n").replace("- cat\n- dog\n", labels)
    (tmp_path / "inference.yml").write_text(config)
    assert average_precision(shared, Detector(tmp_path, "paddle")) == pytest.approx(AP, abs=1e-3)


def same(a: Detections, b: Detections) -> None:
    assert a.names == b.names
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-4)
    np.testing.assert_allclose(a.boxes, b.boxes, atol=0.05)


@pytest.fixture(scope="module")
def sure(export_published, published) -> Path:
    """An export whose own NMS lets nothing unlikely out, so that it gives no row at all where nothing is to be seen."""
    formats = "paddle,onnx,openvino" if (published / "model.xml").is_file() else "paddle,onnx"
    return export_published(formats, "PicoHeadV2.nms.score_threshold=0.55")


@pytest.mark.parametrize("backend", BACKENDS)
def test_batch_of_no_one_and_many_boxes(backend, shared, sure):
    """In one run, and one at a time."""
    runner = detector(sure, backend)
    one, many = (shared / "data" / "coco_tiny" / "val2017" / f"0000000{number}.jpg" for number in (37777, 17627))
    blank = np.full((300, 400, 3), 128, np.uint8)
    batch = [blank, one, many, blank]
    together = runner.detect(batch, 0.0)
    assert [len(found) for found in together] == [0, 1, 6, 0]
    for found, image in zip(together, batch, strict=True):
        same(found, runner.detect(image, 0.0))
    assert [len(found) for found in runner.detect([blank, blank], 0.0)] == [0, 0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_tiny_and_large_images(backend, shared, published):
    """A photograph enlarged to 8000 x 6000 has the objects of the photograph."""
    runner = detector(published, backend)
    photograph = cv2.imread(str(shared / "data" / "coco_tiny" / "val2017" / "000000017627.jpg"))[..., ::-1]
    large = cv2.resize(photograph, (8000, 6000), interpolation=cv2.INTER_NEAREST)
    expected, found = runner.detect(photograph, 0.6), runner.detect(large, 0.5)
    for box, name in zip(expected.boxes * 12.5, expected.names, strict=True):
        nearest = np.abs(found.boxes - box).max(axis=1).argmin()
        assert np.abs(found.boxes[nearest] - box).max() < 0.04 * 8000
        assert found.names[nearest] == name
    assert len(runner.detect(photograph[:1, :1])) == 0
    assert np.isfinite(runner.detect(photograph[:1, :1], 0.0).boxes).all()


def test_sliced_detection_finds_the_photographs_of_a_mosaic(shared, published):
    runner = detector(published, "onnxruntime")
    files = ["000000017627.jpg", "000000025560.jpg"]
    photographs = [
        cv2.resize(cv2.imread(str(shared / "data" / "coco_tiny" / "val2017" / file)), (640, 480)) for file in files
    ]
    mosaic = np.ascontiguousarray(np.hstack(photographs)[..., ::-1])
    found = runner.detect_sliced(mosaic, tile=(480, 640), overlap=0.0, whole=False)
    each = runner.detect([photograph[..., ::-1] for photograph in photographs])
    expected = np.concatenate([each[0].boxes, each[1].boxes + np.array([640, 0, 640, 0], np.float32)])
    assert len(expected) > 3
    order = np.argsort(-np.concatenate([each[0].scores, each[1].scores]), kind="stable")
    np.testing.assert_allclose(found.boxes, expected[order], atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_export(kind, shared, published, export_published):
    """Without NMS inside, the tighter threshold of infer_cfg's NMS costs a little."""
    formats = "paddle,onnx,openvino"
    pytest.importorskip("openvino")
    folder = export_published(formats, *KINDS[kind])
    expected = AP if "nms" not in str(KINDS[kind]) and "post" not in str(KINDS[kind]) else 0.2599
    for backend in BACKENDS:
        assert average_precision(shared, Detector(folder, backend)) == pytest.approx(expected, abs=1e-3), backend
