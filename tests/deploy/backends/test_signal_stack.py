"""Signals are handled after OpenVINO has run, in whatever order its models end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.small_onnx import small_model
from tests.support.workspaces import ROOT

_MODELS = """
import gc, signal, sys
from pathlib import Path
from ppdet.deploy.backends.runtimes import OpenVino

def stop(number, frame):
    print("handled", flush=True)

signal.signal(signal.SIGTERM, stop)
models = [OpenVino(Path(sys.argv[1]), 1) for _ in range(3)]
signal.raise_signal(signal.SIGTERM)
while models:
    models.pop(0)
    gc.collect()
    signal.raise_signal(signal.SIGTERM)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="stacks of signal handlers are kept on Linux only")
def test_models_that_end_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    onnx = pytest.importorskip("onnx")
    file = tmp_path / "model.onnx"
    onnx.save(small_model(), str(file))
    command = [sys.executable, "-c", _MODELS, str(file)]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["handled"] * 4
