"""The table of formats: their files, and packages that are missing."""

from __future__ import annotations

import sys

import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.core.settings import FORMATS
from ppdet.export.formats import EXPORT_FORMATS, require


def test_every_format_of_the_settings_is_there() -> None:
    assert tuple(EXPORT_FORMATS) == FORMATS


def test_files_of_each_format(tmp_path) -> None:
    general = ("model.json", "model.pdmodel", "model.pdiparams", "model.onnx", "model.xml", "model.bin", "notes.txt")
    ncnn = ("model.ncnn.bin", "model.ncnn.param", "model.ncnn.param.json")
    for name in (*general, *ncnn, "model.mnn", "model.tflite.json", "model.rknn", "model.nb"):
        (tmp_path / name).write_text("")
    found = {name: sorted(path.name for path in each.files(tmp_path)) for name, each in EXPORT_FORMATS.items()}
    assert found == {
        "paddle": ["model.json", "model.pdiparams", "model.pdmodel"],
        "onnx": ["model.onnx"],
        "openvino": ["model.bin", "model.xml"],
        "ncnn": list(ncnn),
        "mnn": ["model.mnn"],
        "tflite": ["model.tflite.json"],
        "rknn": ["model.rknn"],
        "paddle_lite": ["model.nb"],
    }


@pytest.mark.parametrize("module", ["onnx", "paddle2onnx"])
def test_packages_that_are_missing(monkeypatch, module) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=rf"^export.format: onnx needs {module} .*; pip install ") as error:
        require("export.format", "onnx", [module])
    line = paddle.__version__.split(".")[0]
    assert {"onnx": ".[deploy]", "paddle2onnx": {"2": "==1.3.1", "3": "==2.1.0"}[line]}[module] in str(error.value)


def test_a_package_that_does_not_fit_this_paddle(tmp_path, monkeypatch) -> None:
    (tmp_path / "refuses.py").write_text("raise ValueError('made for another Paddle')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"--format: onnx needs refuses \(made for another Paddle\); pip install"):
        require("--format", "onnx", ["refuses"])
