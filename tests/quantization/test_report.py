"""The report of a quantization."""

from __future__ import annotations

import json
import logging

import pytest

from ppdet.metrics.analysis.bootstrap import Difference
from ppdet.quantization.report import Report, Row, warn_of_ruins

ROWS = [
    Row("model.onnx", "A", 0.30, 2, 3.25),
    Row("model_int8.onnx", "A", 0.29, 1, 2),
    Row("model.onnx", "B", 0.30, 2, 3),
    Row("model_int8.xml", "B", 0.27, 1, 2),
]
REPORT = Report("AP", ROWS, {"Conv.0": 0.5})


def test_the_largest_loss_of_any_runtime() -> None:
    assert REPORT.loss == pytest.approx(0.03)
    assert Report("AP", ROWS[:2], {}).loss == pytest.approx(0.01)


def test_content_of_the_json_file() -> None:
    content = json.loads(json.dumps(REPORT.as_dict()))
    assert content["metric"] == "AP"
    assert content["in_float"] == {"Conv.0": 0.5}
    assert content["rows"][3] == {"file": "model_int8.xml", "runtime": "B", "score": 0.27, "size_mb": 1, "ms": 2}


def test_text() -> None:
    head, first, *_, last = str(REPORT).splitlines()
    assert head.split() == ["file", "runtime", "score", "size_mb", "ms"]
    assert first.split() == ["model.onnx", "A", "0.3000", "2.00", "3.25"]
    assert last == "score: AP; ms: one run on one thread"


def test_the_change_with_its_interval() -> None:
    change = Difference(-0.012, -0.03, 0.006, 0.009, 0.1)
    report = Report("AP", ROWS[:2], {}, {"A": change}, {"A": {"cat": -0.5}})
    assert str(report).splitlines()[-2] == "A: -1.20 points, -3.00 to +0.60 (95 %, paired)"
    content = json.loads(json.dumps(report.as_dict()))
    assert content["changes"] == {"A": {"value": -0.012, "low": -0.03, "high": 0.006}}
    assert content["class_changes"] == {"A": {"cat": -0.5}}
    unknown = change._replace(low=float("nan"), high=float("nan"))
    assert Report("AP", ROWS[:2], {}, {"A": unknown}).as_dict()["changes"]["A"]["low"] is None


def test_a_file_that_lost_everything_is_told(caplog) -> None:
    lost = [Row("model.rknn", "C", 0.30, 2, None), Row("model_int8.rknn", "C", 0.149, 1, None)]
    report = Report("AP", [*ROWS, *lost], {})
    with caplog.at_level(logging.WARNING):
        warn_of_ruins(report)
    (message,) = (record.getMessage() for record in caplog.records)
    assert message.startswith("model_int8.rknn: INT8 keeps 0.1490 of 0.3000 AP in C; do not use this file")
    assert str(report).splitlines()[-2].split()[-1] == "-"  # a simulator's time says nothing


def test_the_classes_that_lose_most():
    changes = {"cat": 0.2, "dog": -0.5, "cow": -0.0004, "emu": -0.01}
    report = Report("AP", ROWS[:2], {}, {"A": Difference(0, -0.1, 0.1, 0.05, 1)}, {"A": changes})
    assert str(report).splitlines()[-1] == "A: of 4 classes, these lose most: dog -50.0, emu -1.0"
    assert report.worst_classes("B") == ""
    assert Report("AP", ROWS[:2], {}, {}, {"A": {"cat": 0.2}}).worst_classes("A") == ""


def test_a_slower_int8_file_is_named() -> None:
    rows = [
        Row("model.onnx", "ONNX Runtime", 0.3, 2, 3),
        Row("model_int8.onnx", "ONNX Runtime", 0.3, 1, 3.2),
        Row("model.onnx", "OpenVINO", 0.3, 2, 3),
        Row("model_int8.xml", "OpenVINO", 0.3, 1, 2),
    ]
    slow = "INT8 is slower than float in ONNX Runtime for this model; use OpenVINO or keep the float file"
    assert str(Report("AP", rows, {})).splitlines()[-1] == slow
    assert Report("AP", rows[2:], {}).warnings == []
    assert Report("AP", [rows[0], rows[1]._replace(ms=3.1)], {}).warnings == []  # noise
    in_openvino = Report("AP", [rows[2], rows[3]._replace(ms=4)], {})
    assert in_openvino.warnings == ["INT8 is slower than float in OpenVINO for this model; keep the float file"]
