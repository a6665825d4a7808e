"""A float model of the tiny runs, and the start of its training in INT8."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.quantization.qat.start import write_int8_start
from tests.support.tiny import make_run
from tests.support.trained import write_trained_config

for name in ("onnx", "onnxruntime", "paddle2onnx"):
    pytest.importorskip(name, reason=f"{name} is an extra")


def write_start(folder: Path, base: str = "picodet_xs_320_coco_lcnet.yml", target: str = "onnxruntime") -> Path:
    """A config with QAT of a float model; beside it `int8_start.pdparams`."""
    tiny, file = write_trained_config(folder, base), folder / "qat.yml"
    options = f"pretrain_weights: {folder}/weights.pdparams\nQAT: {{calib_images: 4, target: {target}}}\n"
    file.write_text(f"_BASE_: [{tiny.name}]\n{options}")
    write_int8_start(make_run(file), folder / "int8_start.pdparams")
    return file


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of `write_start`, for all tests of a file."""
    return write_start(tmp_path_factory.mktemp("qat"))
