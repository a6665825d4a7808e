"""What MNN's quantizer leaves in float."""

from __future__ import annotations

import pytest

from ppdet.vendor.mnn import kept_float

onnx = pytest.importorskip("onnx")


def test_scores_and_hard_swishes() -> None:
    make = onnx.helper.make_node
    nodes = [
        make("Conv", ["image", "w"], ["a"]),
        make("Conv", ["a", "v"], ["linear"]),
        make("Clip", ["linear", "bottom", "top"], ["clipped"]),
        make("Mul", ["a", "clipped"], ["b"]),
        make("Conv", ["b", "w"], ["c"]),
        make("Sigmoid", ["c"], ["d"]),
        make("Mul", ["d", "b"], ["e"]),
    ]
    graph = onnx.helper.make_graph(nodes, "scores", [], [])
    assert sorted(kept_float(graph)) == ["b", "clipped", "d", "e", "linear"]
