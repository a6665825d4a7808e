"""ONNX files: their interface, their operators, and errors of the converter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ppdet.export.onnx_format import _name_interface, count_operators
from tests.support.small_onnx import small_model

onnx = pytest.importorskip("onnx")
ROOT = Path(__file__).resolve().parents[2]


def test_operators_are_counted(tmp_path) -> None:
    onnx.save(small_model(), str(tmp_path / "model.onnx"))
    expected = {
        "Conv": 4,
        "Exp": 1,
        "GlobalAveragePool": 1,
        "Mul": 1,
        "Reshape": 2,
        "Sigmoid": 1,
        "Slice": 2,
        "Transpose": 1,
    }
    assert count_operators(tmp_path / "model.onnx") == expected


def test_outputs_and_open_dimensions_get_names() -> None:
    graph = small_model(batch=-1).graph
    graph.node.append(onnx.helper.make_node("Identity", ["scores"], ["again"]))
    _name_interface(graph, ["corners_", "confidence"])
    assert [output.name for output in graph.output] == ["corners_", "confidence"]
    assert graph.node[-1].input[0] == "confidence"  # readers of an output follow
    assert {node.output[0] for node in graph.node} >= {"corners_", "confidence"}
    dims = [value.type.tensor_type.shape.dim[0].dim_param for value in (*graph.input, *graph.output)]
    assert dims == ["batch"] * 3


PRINTS = """
import os, sys
from pathlib import Path
from ppdet.export.onnx_format import _redirected_output
with _redirected_output(Path(sys.argv[1])) as log:
    print("from Python")
    os.write(1, b"from C\\n")
    os.write(2, b"an error\\n")
print("afterwards", flush=True)
"""


def test_what_the_converter_prints_goes_to_a_file(tmp_path) -> None:
    argv = [sys.executable, "-c", PRINTS, str(tmp_path / "log")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ})
    assert done.stdout == "afterwards\n"
    assert sorted((tmp_path / "log").read_text().split("\n")) == ["", "an error", "from C", "from Python"]
