"""A float model of the tiny runs, and the start of its training in INT8."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.quantization.qat.start import write_int8_start
from tests.support.tiny import make_run
from tests.support.trained import write_trained_config

for name in ("onnx", "onnxruntime", "paddle2onnx"):
    pytest.importorskip(name, reason=f"{name} is an extra")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config with QAT; beside it `int8_start.pdparams`."""
    folder = tmp_path_factory.mktemp("qat")
    base, file = write_trained_config(folder), folder / "qat.yml"
    options = f"pretrain_weights: {folder}/weights.pdparams\nQAT: {{calib_images: 4}}\n"
    file.write_text(f"_BASE_: [{base.name}]\n{options}")
    write_int8_start(make_run(file), folder / "int8_start.pdparams")
    return file
