"""The published weights over HTTP: evaluation's AP, and the boxes of `Detector`, for every kind of export."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ppdet.deploy.detections import to_rows
from ppdet.deploy.detector import Detector
from ppdet.metrics.coco import CocoMetric
from tests.deploy.conftest import export_published as export_published
from tests.server.conftest import Server
from tests.support.coco_tiny import AP, coco_tiny

pytestmark = pytest.mark.slow

KINDS = {
    "nms": ["export.nms=True"],
    "decoded": ["export.nms=False"],
    "raw": ["export.post_process=False"],
    "one": ["export.batch_size=1"],
    "three": ["export.batch_size=3"],
    "bytes": ["export.fuse_normalize=True", "export.input_dtype=uint8"],
    "end_to_end": ["PicoDet.head=PicoHeadE2E"],
}


@pytest.fixture(scope="module")
def exports(export_published: Callable[..., Path]) -> dict[str, Path]:
    return {kind: export_published("onnx", *options) for kind, options in KINDS.items()}


@pytest.fixture(scope="module")
def serving(needs_the_extra: None, exports: dict[str, Path]) -> Iterator[Server]:
    server = Server("--model", *(f"{kind}={folder}" for kind, folder in exports.items()))
    yield server
    assert server.stop() == 0


def detect(server: Server, query: str, files: list[str]) -> list[np.ndarray]:
    """For each file, which go in one request, rows (class, score, x1, y1, x2, y2)."""
    body = json.dumps({"images": [base64.b64encode(Path(file).read_bytes()).decode() for file in files]}).encode()
    answer = server.ask("POST", f"/v1/detect?{query}", body, Content_Type="application/json")
    assert answer.status == 200, answer.body
    found = [image["detections"] for image in answer.json["images"]]
    rows = [[(each["category_id"], each["score"], *each["bbox"]) for each in image] for image in found]
    tables = [np.array(image, float).reshape(-1, 6) for image in rows]
    for table in tables:
        table[:, 4:] += table[:, 2:4]
    return tables


def expected(detector: Detector, file: str, threshold: float) -> np.ndarray:
    return to_rows(detector.detect(file, threshold)).astype(float)


def test_average_precision_is_that_of_evaluation(serving: Server, exports: dict[str, Path], shared: Path) -> None:
    data, detector = coco_tiny(shared), Detector(exports["nms"], "onnxruntime", threads=1)
    metric = CocoMetric(data.categories, data.records, data.truth)
    for record in data.records:
        (rows,) = detect(serving, "model=nms&threshold=0.025", [record.im_file])
        wanted = expected(detector, record.im_file, 0.025)
        np.testing.assert_array_equal(rows[:, 0], wanted[:, 0])
        np.testing.assert_allclose(rows[:, 1], wanted[:, 1], atol=1e-3)
        np.testing.assert_allclose(rows[:, 2:], wanted[:, 2:], atol=0.5)
        metric.update(record.im_id, rows.astype(np.float32))
    assert metric.compute()["AP"] == pytest.approx(AP, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_export(kind: str, serving: Server, exports: dict[str, Path], shared: Path) -> None:
    detector = Detector(exports[kind], "onnxruntime", threads=1)
    files = [record.im_file for record in list(coco_tiny(shared).records)[:6]]
    for rows, file in zip(detect(serving, f"model={kind}&threshold=0.1", files), files, strict=True):
        np.testing.assert_allclose(rows, expected(detector, file, 0.1), atol=1e-3)
