"""Quantization from a config and weights to INT8 files."""

from __future__ import annotations

import json
import sys

import pytest
import yaml

from ppdet.core.errors import UserError
from ppdet.deploy import Detector
from ppdet.export.thresholds import weights_checksum
from ppdet.quantization.quantize import QuantizeSettings, quantize
from tests.support.tiny import CLASSES, make_run
from tests.support.trained import write_trained_config

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"formats": ["paddle_lite"]},
            "--format: found 'paddle_lite'; expected some of onnx, openvino, rknn, tflite, mnn, ncnn",
        ),
        (
            {"target": "tensorrt"},
            "--target: found 'tensorrt'; expected one of onnxruntime, openvino, tflite, rknn, ncnn, mnn, generic",
        ),
        (
            {"formats": ["onnx", "openvino"], "target": "generic"},
            "--target: found generic with --format openvino; expected openvino, or --format onnx",
        ),
        (
            {"formats": ["onnx", "openvino"], "float_depthwise": True},
            "--float_depthwise: found with --format onnx; expected ncnn alone; leave it out",
        ),
        (
            {"tool_env": "tools"},
            "--tool_env: found tools with --format onnx, which needs no converter; expected one of rknn, tflite, mnn, "
            "ncnn; leave it out",
        ),
        ({"images": 0}, "--calib_images: found 0; expected 1 or more"),
        ({"tolerance": -0.1}, "--tolerance: found -0.1; expected 0 or more"),
        ({"tolerance": float("nan")}, "--tolerance: found nan; expected 0 or more"),
    ],
)
def test_options_that_are_out_of_range(options, message) -> None:
    with pytest.raises(UserError) as error:
        QuantizeSettings(**options)
    assert str(error.value) == message


def test_a_package_that_is_missing(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match=r"^--format: openvino needs openvino .*; pip install"):
        QuantizeSettings(formats=["openvino"])


def test_outputs_that_are_not_decoded(tiny, tmp_path) -> None:
    with pytest.raises(UserError, match=r"^export.post_process: found false; INT8 is judged by its boxes"):
        quantize(make_run(tiny, "export.post_process=false"), tmp_path / "out", QuantizeSettings())
    assert not (tmp_path / "out").exists()


def test_pages_that_compare_float_and_int8(tmp_path) -> None:
    for name in ("paddle2onnx", "jinja2", "matplotlib"):
        pytest.importorskip(name, reason=f"{name} is an extra")
    session, pages = make_run(write_trained_config(tmp_path), "filename=tiny"), tmp_path / "pages"
    report = quantize(session, tmp_path / "out", QuantizeSettings(images=2, tolerance=0, report=pages))
    assert {path.name for path in pages.iterdir()} == {"compare_onnxruntime.html", "compare_onnxruntime.json"}
    found = json.loads((pages / "compare_onnxruntime.json").read_text())
    assert (found["a"], found["b"]) == ("model.onnx", "model_int8.onnx")
    values = [found["scores"][0][side] for side in ("a", "b")]
    assert values == [pytest.approx(row.score, abs=1e-5) for row in report.rows]
    assert {path.name for path in (tmp_path / "out" / "tiny").iterdir()} == {"model_int8.onnx", "int8_report.json"}


def test_layers_above_the_tolerance_stay_in_float(tmp_path) -> None:
    """Every convolution changes the outputs by more than 0, so the INT8 file computes what the float one does."""
    pytest.importorskip("paddle2onnx")
    session = make_run(write_trained_config(tmp_path), "filename=tiny")
    folder = tmp_path / "out" / "tiny"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_text("an earlier export")
    earlier = {"label_list": list(CLASSES), "thresholds": [0.1, 0.2, 0.3], "weights_sha256": weights_checksum(session)}
    (folder / "infer_cfg.yml").write_text(yaml.safe_dump(earlier))
    report = quantize(session, tmp_path / "out", QuantizeSettings(images=2, tolerance=0))
    written = {"model_int8.onnx", "int8_report.json"}
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "infer_cfg.yml"} | written
    assert Detector(folder / "model_int8.onnx").config.thresholds == (0.1, 0.2, 0.3)  # as the float export
    assert (folder / "model.onnx").read_text() == "an earlier export"
    assert json.loads((folder / "int8_report.json").read_text()) == report.as_dict()
    operators = [node.op_type for node in onnx.load(str(folder / "model_int8.onnx")).graph.node]
    assert report.kept_float
    assert min(report.kept_float.values()) > 0
    assert "QuantizeLinear" not in operators
    assert report.loss == 0
