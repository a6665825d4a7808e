"""MNN files hold the integers of a plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.quantization.mnn_int8 import (
    int8_convs,
    with_common_steps,
    with_rounded_weights,
    without_pools,
    write_mnn_int8,
)
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Plan, Rules
from ppdet.quantization.post_training import calibrated, model_to_write
from ppdet.quantization.qdq import qdq_model
from ppdet.vendor.conversion import Conversion

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
RULES = Rules(channel_quantizers=False, gate="relu6")


def model_of_all_kinds() -> Any:
    """image [1, 3, 32, 32] -> ReLU, depthwise, hard swish, squeeze and excite, concatenation -> y [1, 6, 16, 16]."""
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(0)
    shapes = {"w0": (16, 3, 3, 3), "w1": (16, 1, 3, 3), "w2": (16, 16, 1, 1), "w3": (8, 16, 1, 1), "w4": (6, 24, 1, 1)}
    arrays = {name: rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:])) for name, shape in shapes.items()}
    arrays |= {f"b{name[1]}": 0.3 * rng.standard_normal(shape[0]) for name, shape in shapes.items()}
    make = helper.make_node
    nodes = [
        make("Conv", ["image", "w0", "b0"], ["a"], "first", strides=[2, 2], pads=[1, 1, 1, 1]),
        make("Relu", ["a"], ["b"], "relu"),
        make("Conv", ["b", "w1", "b1"], ["c"], "depthwise", group=16, pads=[1, 1, 1, 1]),
        make("HardSwish", ["c"], ["d"], "swish"),
        make("GlobalAveragePool", ["d"], ["e"], "mean"),
        make("Conv", ["e", "w2", "b2"], ["f"], "excite"),
        make("HardSigmoid", ["f"], ["g"], "gate"),
        make("Mul", ["d", "g"], ["h"], "gated"),
        make("Conv", ["h", "w3", "b3"], ["i"], "narrow"),
        make("Concat", ["i", "d"], ["j"], "join", axis=1),
        make("Conv", ["j", "w4", "b4"], ["y"], "last"),
    ]
    weights = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in arrays.items()]
    sides = {"image": [1, 3, 32, 32], "y": [1, 6, 16, 16]}
    ends = [[helper.make_tensor_value_info(name, 1, shape)] for name, shape in sides.items()]
    graph = helper.make_graph(nodes, "kinds", *ends, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


@pytest.fixture(scope="module")
def feeds() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [{"image": rng.standard_normal((1, 3, 32, 32)).astype(np.float32)} for _ in range(3)]


@pytest.fixture(scope="module")
def planned(feeds) -> tuple[Any, Plan]:
    network = Network.of(model_of_all_kinds())
    return model_to_write(network, calibrated(network, feeds, RULES, 1))


def test_weights_are_whole_multiples_of_their_scales(planned, feeds) -> None:
    model, plan = planned
    rounded = with_rounded_weights(model, plan)
    for name, conv in Network.of(rounded).convs.items():
        if name in plan.convs:
            steps = conv.weight / plan.convs[name].weight_scales.reshape(-1, 1, 1, 1)
            np.testing.assert_allclose(steps, plan.convs[name].weight, atol=1e-4)
            np.testing.assert_array_equal(conv.bias, plan.convs[name].bias)
    runs = [OnnxRuntime(each.SerializeToString(), 1).run(feeds[0])[0] for each in (model, rounded)]
    assert 0 < np.abs(runs[0] - runs[1]).max() < 0.05 * np.ptp(runs[0])


def test_names_and_integers(planned) -> None:
    convs = dict(zip(planned[1].convs, int8_convs(*planned), strict=True))
    assert set(convs) == {"first", "depthwise", "excite", "narrow", "last"}
    assert convs["first"].outputs == ("a", "a__before_tr", "b", "b__before_tr")
    assert convs["last"].outputs == ("y", "y__before_tr")
    assert convs["first"].target.zero_point == -128  # nothing is below 0 behind ReLU
    assert convs["depthwise"].source == convs["first"].target


def test_what_is_beside_a_pooling_stays_in_float(planned, caplog) -> None:
    model, plan = onnx.ModelProto(), planned[1]
    model.CopyFrom(planned[0])
    (mean,) = (node for node in model.graph.node if node.op_type == "GlobalAveragePool")
    mean.op_type = "MaxPool"
    with caplog.at_level("INFO"):
        left = without_pools(model, plan)
    assert left.convs.keys() == plan.convs.keys() - {"excite"}
    assert "e" not in left.tensors
    assert "mnn: convolutions in float, because they are beside a pooling: excite" in caplog.text
    mean.input[0] = "b"  # what the first convolution writes with its ReLU
    assert without_pools(model, plan).convs.keys() == {"narrow", "last"}  # and what reads it


def test_tensors_that_exchange_values_have_common_steps(planned) -> None:
    """A concatenation of `i` and `d` is `j`; `d` has no quantizer of its own."""
    model, plan = planned
    found = with_common_steps(model, plan)
    assert found["i"] is not found["a"]
    assert (found["i"].scale, found["i"].zero_point) == (found["j"].scale, found["j"].zero_point)
    for name in ("i", "j"):
        own, common = (each[name] for each in (plan.tensors, found))
        for limit, wider in zip(own.limits, common.limits, strict=True):
            value, end = (limit - own.zero_point) * own.scale, (wider - common.zero_point) * common.scale
            assert abs(end) >= abs(value) - common.scale
    assert {name: found[name] for name in "abch"} == {name: plan.tensors[name] for name in "abch"}


def test_mnn_computes_with_these_integers(planned, feeds, tmp_path) -> None:
    pytest.importorskip("MNN")
    from ppdet.deploy.backends.small_runtimes import Mnn

    model, plan = planned
    job = Conversion(tmp_path / "model.onnx", tmp_path / "model.mnn")
    write_mnn_int8(model, plan, job)
    expected = OnnxRuntime(qdq_model(model, plan).SerializeToString(), 1).run(feeds[0])[0]
    plain = OnnxRuntime(model.SerializeToString(), 1).run(feeds[0])[0]
    found = Mnn(job.target, 1).run(feeds[0])[0].reshape(expected.shape)
    step = plan.tensors["y"].scale
    np.testing.assert_allclose(found / step, np.rint(found / step), atol=1e-3)
    assert np.abs(found - expected).mean() < step
    assert np.abs(found - plain).mean() < 1.2 * np.abs(expected - plain).mean()
