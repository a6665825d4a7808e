"""What RKNN-Toolkit2 is given; a package of the same name stands for it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ppdet.vendor.conversion import Conversion
from ppdet.vendor.rknn import convert_rknn

# Reads the images as the toolkit does, which takes what is between spaces for files of several inputs.
TOOLKIT = """import numpy as np
class RKNN:
    def __init__(self, verbose): pass
    def config(self, target_platform): pass
    def load_onnx(self, model): return 0 if open(model).read() == "graph" else 1
    def build(self, do_quantization, dataset):
        lines = open(dataset).read().splitlines() if do_quantization else []
        self.found = [np.load(file).tolist() for line in lines for file in line.split()]
        return 0
    def export_rknn(self, target):
        open(target, "w").write(repr(self.found))
        return 0
"""


def test_folders_with_spaces(tmp_path, monkeypatch) -> None:
    package = tmp_path / "packages" / "rknn"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "api.py").write_text(TOOLKIT)
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=os.pathsep)
    place = tmp_path / "a b"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.chdir(place)
    Path("model.onnx").write_text("graph")
    images = np.arange(2, dtype=np.float32).reshape(2, 1, 1, 1)
    for given, expected in ((images, [[[[[0.0]]]], [[[[1.0]]]]]), (None, [])):
        convert_rknn(Conversion(Path("model.onnx"), Path("model.rknn"), images=given))
        assert Path("model.rknn").read_text() == repr(expected)
