"""Hard swish between integers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ppdet.deploy.backends.runtimes import OnnxRuntime, onnx_session, session_options
from ppdet.quantization.integer_gates import integer_gates, with_shared_scales
from ppdet.quantization.min_max import min_max_plan
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Rules
from ppdet.quantization.qdq import qdq_model
from ppdet.quantization.ranges import channel_ranges, exposing

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

RULES = {"scales": Rules(integer_gates=True), "one scale": Rules(integer_gates=True, channel_quantizers=False)}
FEED = {"x": np.random.default_rng(0).standard_normal((1, 4, 6, 5)).astype(np.float32)}


def gated(readers: int = 1, second: str = "HardSwish"):
    """x -> conv -> z -> HardSwish -> y -> conv; the channels of z have standard deviations of 0.3 to 10."""
    rng, node = np.random.default_rng(1), onnx.helper.make_node
    first = rng.standard_normal((4, 4, 1, 1)) * np.array([0.3, 1, 4, 10]).reshape(4, 1, 1, 1) / 2
    arrays = {"first": first, "last": rng.standard_normal((3, 4, 1, 1))}
    nodes = [node("Conv", ["x", "first"], ["z"], "conv_a"), node(second, ["z"], ["y"], "act")]
    nodes += [node("Conv", ["y", "last"], ["out"], "conv_b"), node("Add", ["z", "z"], ["twice"], "add")][:readers]
    shapes = {"x": [1, 4, 6, 5], "out": [1, 3, 6, 5], "twice": [1, 4, 6, 5]}
    ports = {name: onnx.helper.make_tensor_value_info(name, 1, shape) for name, shape in shapes.items()}
    initializers = [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in arrays.items()]
    outputs = [ports["out"], ports["twice"]][:readers]
    graph = onnx.helper.make_graph(nodes, "gated", [ports["x"]], outputs, initializers)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8)


def plan_of(model, rules: Rules):
    network = Network.of(model)
    return min_max_plan(network, channel_ranges(network, [FEED], 1), rules)


def run(model, *names: str) -> list[np.ndarray]:
    return OnnxRuntime((exposing(model, names) if names else model).SerializeToString(), 1).run(FEED)


def hard_swish(z: np.ndarray) -> np.ndarray:
    return z * np.clip(z / 6 + 0.5, 0, 1)


@pytest.mark.parametrize(("name", "steps"), [("one scale", 0.501), ("scales", 1.05)])
def test_result_is_the_hard_swish_of_the_integers(name, steps):
    """One scale loses nothing but the rounding of the result; with scales the factor is rounded to 1/255 as well."""
    model = gated()
    plan = plan_of(model, RULES[name])
    z, y = run(qdq_model(model, plan), "z/dequantized", "y/dequantized")
    quantizer = plan.tensors["y"]
    scales = quantizer.channel_scales.reshape(1, -1, 1, 1)
    assert quantizer.is_even == (name == "one scale")
    low, high = ((limit - quantizer.zero_point) * quantizer.scale for limit in quantizer.limits)
    assert np.abs(np.clip(hard_swish(z * scales) / scales, low, high) - y).max() <= steps * quantizer.scale
    assert np.abs(hard_swish(run(model, "z")[0]) - y * scales).max() < 0.1


@pytest.mark.parametrize("name", RULES)
def test_onnx_runtime_leaves_no_float_operator_inside(name, tmp_path):
    options = session_options()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnx_session(qdq_model(gated(), plan_of(gated(), RULES[name])).SerializeToString(), options)
    found = Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)
    assert found["QLinearMul"] == 1
    assert found.keys().isdisjoint({"HardSigmoid", "HardSwish", "Conv"})
    assert found["QLinearConv"] + found["Clip"] == 3
    assert found["DequantizeLinear"] <= 1  # of the output


def test_shared_scales_hold_the_range():
    plan = replace(plan_of(gated(), Rules()), rules=RULES["scales"])
    shared = with_shared_scales(plan, gated().graph)
    before, after = plan.tensors["z"], shared.tensors["z"]
    assert after.channel_scales.tolist() == plan.tensors["y"].channel_scales.tolist()
    assert ((255 - after.zero_point) * after.steps >= (255 - before.zero_point) * before.steps - after.steps).all()
    wanted = np.maximum(-before.zero_point * before.steps, -3)
    assert (-after.zero_point * after.steps <= wanted + after.steps).all()
    assert plan.tensors["z"] is before


@pytest.mark.parametrize(("options", "expected"), [({}, {"y": "z"}), ({"readers": 2}, {}), ({"second": "Relu"}, {})])
def test_which_gates(options, expected):
    model = gated(**options)
    assert integer_gates(model.graph, plan_of(model, RULES["scales"])) == expected
    assert integer_gates(model.graph, plan_of(model, RULES["scales"]).only(["conv_a"])) == {}
