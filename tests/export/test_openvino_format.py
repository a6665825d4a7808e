"""OpenVINO files that are converted from ONNX."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ppdet.deploy.backends.runtimes import OnnxRuntime, OpenVino
from ppdet.export.openvino_format import convert_onnx
from tests.support.small_onnx import images, small_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
openvino = pytest.importorskip("openvino")


@pytest.mark.parametrize(("fp16", "tolerance"), [(False, 1e-4), (True, 2e-2)])
def test_the_same_outputs_and_the_config(tmp_path, fp16, tolerance) -> None:
    model = small_model()
    onnx.save(model, str(tmp_path / "model.onnx"))
    convert_onnx(tmp_path / "model.onnx", {"label_list": ["a"]}, tmp_path / "model.xml", fp16)
    feed = images(1)[0]
    runtimes = OnnxRuntime(model.SerializeToString(), 1), OpenVino(tmp_path / "model.xml", 1)
    for expected, found in zip(*(runtime.run(feed) for runtime in runtimes), strict=True):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
    text = openvino.Core().read_model(str(tmp_path / "model.xml")).get_rt_info(["infer_cfg"]).astype(str)
    assert json.loads(text)["label_list"] == ["a"]


def test_half_precision_takes_half_the_space(tmp_path) -> None:
    onnx.save(small_model(), str(tmp_path / "model.onnx"))
    sizes = []
    for fp16 in (False, True):
        convert_onnx(tmp_path / "model.onnx", {}, tmp_path / f"{fp16}.xml", fp16)
        sizes.append((tmp_path / f"{fp16}.bin").stat().st_size)
    assert sizes[1] < 0.7 * sizes[0]
