"""Checksums that exported files carry; tests/deploy/test_checksum.py compares them as a runner does."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from ppdet.export.checksum import save_onnx_model
from tests.support.small_onnx import images, small_model


def test_an_onnx_file_carries_its_config_and_still_runs(tmp_path) -> None:
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = small_model()
    bare = hashlib.sha256(model.SerializeToString()).hexdigest()
    onnx.helper.set_model_props(model, {"other": "text"})
    save_onnx_model(model, {"arch": "GFL"}, tmp_path / "model.onnx")
    (entry,) = onnx.load(str(tmp_path / "model.onnx")).metadata_props
    assert entry.key == "infer_cfg"
    assert json.loads(entry.value) == {"arch": "GFL", "checksum": bare}
    sessions = [
        onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
        for source in (small_model().SerializeToString(), str(tmp_path / "model.onnx"))
    ]
    for expected, found in zip(*(session.run(None, images(1)[0]) for session in sessions), strict=True):
        np.testing.assert_array_equal(found, expected)
