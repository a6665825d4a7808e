"""What an import brings with it; asserted on modules, never on seconds."""

from __future__ import annotations

import functools
import subprocess
import sys

import pytest

from tests.support.workspaces import ROOT

LATE = {
    "numba",
    "pycocotools",
    "ultrafast_pycocotools",
    "matplotlib",
    "jinja2",
    "visualdl",
    "paddle.inference",
    "onnx",
    "openvino",
}


@functools.cache
def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_imports_nothing():
    assert not modules_after("import ppdet") & {"paddle", "numpy", "cv2", "yaml"}


def test_the_api_is_light():
    code = "from ppdet import PicoDet; model = PicoDet('picodet_s_320_coco_lcnet'); model.train, model.predict"
    assert not modules_after(code) & {"paddle", "numpy", "cv2"}


@pytest.mark.parametrize(
    "module", ["evaluation.evaluator", "evaluation.infer", "export.export", "training.loop", "training.setup"]
)
def test_module_imports_only_what_every_run_needs(module):
    """Libraries that compile, score, draw curves or serve come with their first use, unless Paddle imports them."""
    found = modules_after(f"import ppdet.{module}")
    assert "paddle" in found
    assert not found & (LATE - modules_after("import paddle"))
