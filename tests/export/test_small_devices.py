"""The operators of graphs for small devices."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.export.small_devices import missing_operators, require_small_device_operators

onnx = pytest.importorskip("onnx")


def graph_of(*operators: str):
    nodes = [onnx.helper.make_node(name, [f"x{i}"], [f"x{i + 1}"]) for i, name in enumerate(operators)]
    weight = onnx.numpy_helper.from_array(np.zeros(2, np.float16), "weight")
    return onnx.helper.make_graph(nodes, "g", [], [], [weight])


def test_missing_operators():
    assert missing_operators(graph_of("Conv", "MaxPool", "Relu", "QuantizeLinear", "DequantizeLinear")) == []
    assert missing_operators(graph_of("Conv", "TopK", "Gather", "Relu", "TopK")) == ["Gather", "TopK"]


def test_only_the_cast_of_a_weight_is_free():
    graph = graph_of("Conv", "Cast")
    assert missing_operators(graph) == ["Cast"]
    graph.node[1].input[0] = "weight"
    assert missing_operators(graph) == []


def test_the_error_names_the_operators():
    with pytest.raises(UserError, match=r"^export.nms: found none, but the graph has NonZero, Where, which small "):
        require_small_device_operators(graph_of("Where", "Conv", "NonZero"))
