"""INT8 in vendors' formats: what the converter gets, what is written and reported; copying stands for converting."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.quantization import quantize as quantize_module
from ppdet.quantization import vendor_int8
from ppdet.quantization.measure import Measured
from ppdet.quantization.quantize import QuantizeSettings, quantize
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.toolchain import TOOLCHAINS, Toolchain
from tests.support.tiny import make_run
from tests.support.trained import write_trained_config

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("paddle2onnx")


class Fake:
    """A toolchain that copies the ONNX file."""

    def __init__(self) -> None:
        self.jobs: list[Conversion] = []

    def convert(self, job: Conversion) -> None:
        self.jobs.append(job)
        shutil.copy(job.source, job.target)

    def load(self, job: Conversion, threads: int) -> Any:
        return OnnxRuntime(job.target, threads)


@pytest.fixture
def fake(monkeypatch) -> Fake:
    found = Fake()
    chain = Toolchain(".tflite", (), (), (), found.convert, found.load)
    monkeypatch.setitem(TOOLCHAINS, "tflite", chain)
    monkeypatch.setattr(quantize_module, "require", lambda *_: None)
    monkeypatch.setattr(vendor_int8, "TOOLCHAINS", {**TOOLCHAINS, "tflite": chain})
    return found


@pytest.mark.slow
def test_the_same_network_finds_the_same(fake, tmp_path, monkeypatch) -> None:
    given: list[Measured] = []
    make_report = quantize_module.make_report

    def make(session: Any, evaluator: Any, measured: Any, kept_float: Any) -> Any:
        given.extend(measured)
        return make_report(session, evaluator, measured, kept_float)

    monkeypatch.setattr(quantize_module, "make_report", make)
    session = make_run(write_trained_config(tmp_path), "filename=tiny")
    report = quantize(session, tmp_path / "out", QuantizeSettings(formats=["tflite", "onnx"], images=2))
    _, _, before, after = report.rows
    assert [(row.file, row.runtime) for row in (before, after)] == [
        ("model.tflite", "LiteRT"),
        ("model_int8.tflite", "LiteRT"),
    ]
    in_graph, _, plain_rows, even_rows = ([rows for _, rows in each.found] for each in given)
    for own, others in ((in_graph, plain_rows), (plain_rows, even_rows)):  # decoding and NMS outside change nothing
        for one, other in zip(own, others, strict=True):
            assert len(one)
            np.testing.assert_allclose(np.sort(one[:, 1])[-10:], np.sort(other[:, 1])[-10:], atol=1e-4)
    folder = tmp_path / "out" / "tiny"
    names = {"model_int8.onnx", "model_int8.tflite", "model_int8.tflite.json", "int8_report.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert json.loads((folder / "model_int8.tflite.json").read_text())["boxes"] == "input"
    plain, int8 = fake.jobs
    assert plain.images is None
    assert int8.images is not None
    assert int8.images.shape[:2] == (2, 3)
    assert int8.images.dtype == np.float32


def test_settings_that_do_not_fit(fake, tmp_path) -> None:
    with pytest.raises(UserError, match=r"^--tolerance: found with tflite; expected onnx or openvino; leave it out$"):
        QuantizeSettings(formats=["tflite"], tolerance=0.1)
    with pytest.raises(UserError, match=r"^export.tool_env: .* has no bin"):
        QuantizeSettings(formats=["tflite"], tool_env=str(Path(tmp_path) / "none"))
