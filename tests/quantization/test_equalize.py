"""The float model with even channels computes the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.quantization.channels import Channels
from ppdet.quantization.equalize import equalized
from ppdet.quantization.min_max import min_max_plan
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Rules
from ppdet.quantization.ranges import channel_ranges

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def uneven_model() -> Any:
    """image [1, 3, 8, 8] -> maps with uneven channels, gated, shuffled, joined -> y [1, 4, 8, 8]."""
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(0)
    sizes = np.geomspace(0.05, 20, 8).astype(np.float32)[:, None, None, None]
    arrays = {
        "w0": rng.standard_normal((8, 3, 1, 1)) * sizes,
        "w1": rng.standard_normal((8, 1, 3, 3)),
        "w2": rng.standard_normal((8, 8, 1, 1)),
        "w3": rng.standard_normal((4, 16, 1, 1)),
        "five": np.array([1, 2, 4, 8, 8]),
        "four": np.array([1, 8, 8, 8]),
    }
    make = helper.make_node
    nodes = [
        make("Conv", ["image", "w0"], ["a"], "first"),
        make("HardSwish", ["a"], ["b"], "swish"),
        make("Conv", ["b", "w1"], ["c"], "depthwise", group=8, pads=[1, 1, 1, 1]),
        make("Relu", ["c"], ["d"], "relu"),
        make("GlobalAveragePool", ["d"], ["e"], "mean"),
        make("Conv", ["e", "w2"], ["f"], "excite"),
        make("HardSigmoid", ["f"], ["g"], "gate"),
        make("Mul", ["d", "g"], ["h"], "gated"),
        make("Reshape", ["h", "five"], ["i"], "groups"),
        make("Transpose", ["i"], ["j"], "shuffle", perm=[0, 2, 1, 3, 4]),
        make("Reshape", ["j", "four"], ["k"], "flat"),
        make("Concat", ["k", "b"], ["l"], "join", axis=1),
        make("Conv", ["l", "w3"], ["y"], "last"),
    ]
    kinds = {name: np.int64 if value.dtype == np.int64 else np.float32 for name, value in arrays.items()}
    weights = [numpy_helper.from_array(value.astype(kinds[name]), name) for name, value in arrays.items()]
    ends = [[helper.make_tensor_value_info(name, 1, [1, count, 8, 8])] for name, count in (("image", 3), ("y", 4))]
    graph = helper.make_graph(nodes, "uneven", *ends, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


@pytest.fixture(scope="module")
def feeds() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [{"image": rng.standard_normal((1, 3, 8, 8)).astype(np.float32)} for _ in range(4)]


@pytest.mark.parametrize("gate", ["mul", "clip", "relu6"])
def test_the_function_stays_and_channels_get_even(gate, feeds) -> None:
    network = Network.of(uneven_model())
    before = channel_ranges(network, feeds, 1)
    plan = min_max_plan(network, before, Rules(outputs=False))
    model = equalized(network, plan, gate)
    onnx.checker.check_model(model, full_check=True)
    runs = [OnnxRuntime(each.SerializeToString(), 1).run for each in (network.model, model)]
    for feed in feeds:
        (expected,), (found,) = (run(feed) for run in runs)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    after = channel_ranges(Network.of(model), feeds, 1)
    spreads = [float(np.ptp(np.log(each["b"].high - each["b"].low))) for each in (before, after)]
    assert spreads[1] < 0.7 * spreads[0]


@pytest.mark.parametrize("gate", ["mul", "clip", "relu6"])
@pytest.mark.parametrize("others", ["a", "pooled"])
def test_the_function_stays_if_more_than_a_hard_swish_reads_its_input(gate, others, feeds) -> None:
    """Here `a` is read twice, or pooled before it gets to the hard swish."""
    from onnx import helper

    model = uneven_model()
    nodes = list(model.graph.node)
    pooled = helper.make_node("MaxPool", ["a"], ["pooled"], "pool", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    nodes[1].input[0] = "a" if others == "a" else "pooled"
    del model.graph.node[:]
    model.graph.node.extend([nodes[0], pooled, *nodes[1:]])
    join = next(node for node in model.graph.node if node.name == "join")
    join.input[1] = "pooled" if others == "a" else "b"
    network = Network.of(model)
    plan = min_max_plan(network, channel_ranges(network, feeds, 1), Rules(outputs=False))
    runs = [OnnxRuntime(each.SerializeToString(), 1).run for each in (model, equalized(network, plan, gate))]
    (expected,), (found,) = (run(feeds[0]) for run in runs)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_channels_that_have_to_stay() -> None:
    """The image and the output are given; the gate's input is not in proportion to its output."""
    for follow, swish_input in ((True, True), (False, False)):
        channels = Channels(uneven_model(), follow_swish=follow)
        for name in ("image", "f", "g", "y"):
            assert (channels.scalable(name) == -1).all(), name
        assert (channels.scalable("a") >= 0).all() == swish_input
        assert channels.scalable("i") is None


def test_channels_are_followed_through_a_shuffle() -> None:
    channels = Channels(uneven_model(), follow_swish=False)
    order = np.arange(8).reshape(2, 4).T.ravel()
    np.testing.assert_array_equal(channels.scalable("k"), channels.scalable("d")[order])
    np.testing.assert_array_equal(channels.scalable("l")[8:], channels.scalable("b"))
    np.testing.assert_array_equal(channels.scalable("e"), channels.scalable("h"))
