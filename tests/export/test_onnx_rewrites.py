"""Rewritten ONNX graphs give what they gave before, with other operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppdet.export.onnx_rewrites import set_leaky_slopes, store_half, tidy
from ppdet.modeling.layers import activation

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def make_model(nodes: list[Any], constants: dict[str, np.ndarray], shape: list[int], opset: int = 14) -> Any:
    """x [shape] -> y."""
    helper = onnx.helper
    inputs, outputs = ([helper.make_tensor_value_info(name, 1, dims)] for name, dims in (("x", shape), ("y", None)))
    initializers = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "small", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run(model: Any, shape: list[int]) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal(shape).astype("float32") * 4
    (y,) = session.run(None, {"x": x})
    return y


def operators(model: Any) -> list[str]:
    return [node.op_type for node in model.graph.node]


def rewritten(model: Any, opset: int = 14) -> Any:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tidy(copy.graph, opset)
    return copy


def hard_swish(alpha: float = 1 / 6, beta: float = 0.5) -> Any:
    node = onnx.helper.make_node
    return make_model(
        [node("HardSigmoid", ["x"], ["g"], alpha=alpha, beta=beta), node("Mul", ["x", "g"], ["y"])], {}, [2, 3]
    )


def test_hard_swish_becomes_one_operator() -> None:
    model = hard_swish()
    assert operators(rewritten(model)) == ["HardSwish"]
    np.testing.assert_allclose(run(rewritten(model), [2, 3]), run(model, [2, 3]), rtol=1e-6)


@pytest.mark.parametrize(("model", "opset"), [(lambda: hard_swish(alpha=0.2), 14), (hard_swish, 13)])
def test_other_gates_and_older_opsets_stay(model, opset) -> None:
    assert operators(rewritten(model(), opset)) == ["HardSigmoid", "Mul"]


def test_upsampling_becomes_resize() -> None:
    node = onnx.helper.make_node
    constants = {
        "six": np.array([1, 2, 3, 1, 5, 1]),
        "twice": np.array([1, 2, 3, 2, 5, 2]),
        "four": np.array([1, 2, 6, 10]),
    }
    nodes = [
        node("Reshape", ["x", "six"], ["a"]),
        node("Expand", ["a", "twice"], ["b"]),
        node("Reshape", ["b", "four"], ["y"]),
    ]
    model = make_model(nodes, constants, [1, 2, 3, 5])
    assert operators(rewritten(model)) == ["Resize"]
    np.testing.assert_array_equal(run(rewritten(model), [1, 2, 3, 5]), run(model, [1, 2, 3, 5]))


def test_product_with_the_bins_becomes_a_sum() -> None:
    bins = np.arange(8, dtype="float32")
    model = make_model([onnx.helper.make_node("MatMul", ["x", "bins"], ["y"], "project")], {"bins": bins}, [4, 8])
    assert operators(rewritten(model)) == ["Mul", "ReduceSum"]
    np.testing.assert_allclose(run(rewritten(model), [4, 8]), run(model, [4, 8]), rtol=1e-5)


@pytest.mark.parametrize(
    ("perm", "moved"), [([0, 3, 1, 2], [0, 2, 1]), ([3, 1, 0, 2], [2, 1, 0]), ([0, 1, 3, 2], [0, 1, 2])]
)
def test_average_of_bins_channels_first(perm, moved) -> None:
    """8 bins on axis 2 of [B, 4, 8, L]."""
    node = onnx.helper.make_node
    nodes = [
        node("Transpose", ["x"], ["points"], "turn", perm=perm),
        node("Softmax", ["points"], ["shares"], "softmax", axis=-1),
        node("MatMul", ["shares", "bins"], ["y"], "project"),
    ]
    model = make_model(nodes, {"bins": np.arange(8, dtype="float32")}, [2, 4, 8, 5])
    found = rewritten(model)
    assert operators(found) == ["Softmax", "Mul", "ReduceSum", "Transpose"]
    assert onnx.helper.get_node_attr_value(found.graph.node[-1], "perm") == moved
    np.testing.assert_allclose(run(found, [2, 4, 8, 5]), run(model, [2, 4, 8, 5]), rtol=1e-5)


def test_nodes_and_constants_without_effect_go() -> None:
    node = onnx.helper.make_node
    constants = {"one": np.ones(1, "float32"), "unused": np.ones(1, "float32")}
    model = make_model([node("Add", ["x", "one"], ["y"]), node("Mul", ["y", "unused"], ["z"])], constants, [2])
    found = rewritten(model)
    assert operators(found) == ["Add"]
    assert "unused" not in [tensor.name for tensor in found.graph.initializer]


def test_weights_in_half_precision() -> None:
    weight = np.random.default_rng(1).standard_normal((3, 4)).astype("float32")
    node = onnx.helper.make_node
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "bias"], ["y"])]
    model = make_model(nodes, {"w": weight, "bias": np.full(4, 0.1, "float32")}, [2, 3])
    half = onnx.ModelProto()
    half.CopyFrom(model)
    store_half(half.graph)
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor).dtype for tensor in half.graph.initializer}
    assert stored == {"w/half": np.float16, "bias": np.float32}
    np.testing.assert_allclose(run(half, [2, 3]), run(model, [2, 3]), rtol=2e-2, atol=2e-2)


def test_slopes_of_leaky_relu() -> None:
    """paddle2onnx for Paddle 3 writes whatever its memory holds."""
    helper = onnx.helper
    node = helper.make_node("LeakyRelu", ["x"], ["y"], alpha=float("nan"))
    graph = helper.make_graph([node, helper.make_node("LeakyRelu", ["y"], ["z"])], "g", [], [])
    set_leaky_slopes(graph)
    assert [[(a.name, round(a.f, 6)) for a in each.attribute] for each in graph.node] == [[("alpha", 0.01)]] * 2
    x = paddle.to_tensor([-2.0, 3.0])
    assert activation("leaky_relu")(x).numpy() == pytest.approx([-2 * 0.01, 3])
