"""The ONNX model that a plan is written as."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ppdet.deploy.backends.runtimes import OnnxRuntime, OpenVino
from ppdet.quantization.min_max import min_max_plan
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Plan, Rules
from ppdet.quantization.qdq import qdq_model
from ppdet.quantization.ranges import channel_ranges
from tests.support.small_onnx import CONVS, images, small_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

RULES = [
    Rules(),
    Rules(outputs=False),
    Rules(symmetric=True),
    Rules(channel_quantizers=False),
    Rules(integer_gates=True),
]


def operators(model) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def plan_of(model, rules: Rules = RULES[0]) -> Plan:
    network = Network.of(model)
    return min_max_plan(network, channel_ranges(network, images(4), 1), rules)


def outputs(*models) -> list[tuple[np.ndarray, ...]]:
    """The outputs of all models, side by side."""
    runs = [OnnxRuntime(model.SerializeToString(), 1).run for model in models]
    return [pair for feed in images(2) for pair in zip(*(run(feed) for run in runs), strict=True)]


@pytest.mark.parametrize("rules", RULES)
def test_outputs_are_near_the_float_ones(rules):
    model = small_model()
    for before, after in outputs(model, qdq_model(model, plan_of(model, rules))):
        assert 0 < np.abs(before - after).max() < 0.1 * np.abs(before).max()


def test_channels_that_differ_by_orders_of_magnitude():
    """One scale leaves nothing of the small channels; with scales of their own they are as good as even ones."""
    errors = {}
    for name, scale, rules in (("even", 1, RULES[0]), ("scales", 1e3, RULES[0]), ("one scale", 1e3, RULES[3])):
        model = small_model(stem_scale=scale)
        errors[name] = max(np.abs(a - b).max() for a, b in outputs(model, qdq_model(model, plan_of(model, rules))))
    assert errors["scales"] < 2 * errors["even"] < 0.2 * errors["one scale"]


def test_a_convolution_gets_the_integers_of_the_plan():
    """The stem by hand: integers times integers, the channel scales of its output, then its quantizer."""
    model = small_model()
    plan = plan_of(model).only(["stem"])
    written = qdq_model(model, plan)
    del written.graph.output[:]
    written.graph.output.append(onnx.helper.make_tensor_value_info("x", 1, None))
    (feed,) = images(1)
    (found,) = OnnxRuntime(written.SerializeToString(), 1).run(feed)
    stem, image = plan.convs["stem"], plan.tensors["image"]
    integers = np.pad(image.quantize(feed["image"]) - image.zero_point, ((0, 0), (0, 0), (1, 1), (1, 1)))[0]
    patch = integers[:, 6:9, 8:11]  # of the pixel (3, 4)
    sums = (patch * stem.weight).sum(axis=(1, 2, 3)) * stem.weight_scales * np.float32(image.scale) + stem.bias
    np.testing.assert_allclose(found[0, :, 3, 4], plan.tensors["x"].fake(sums[None])[0], atol=1e-6)


def test_only_the_named_convolutions_and_the_model_itself_stays():
    model = small_model()
    before = model.SerializeToString()
    written = qdq_model(model, plan_of(model).only(["stem"]))
    stored = {tensor.data_type for tensor in written.graph.initializer}
    assert {onnx.TensorProto.INT8, onnx.TensorProto.INT32} <= stored
    assert operators(written)["QuantizeLinear"] == 2
    assert {"boxes_w", "scores_w", "squeeze_w"} < {tensor.name for tensor in written.graph.initializer}
    assert "stem_w" not in {tensor.name for tensor in written.graph.initializer}
    assert model.SerializeToString() == before


def test_no_names_mean_no_change():
    model = small_model()
    assert operators(qdq_model(model, plan_of(model).only([]))) == operators(model)


def test_onnx_runtime_computes_all_convolutions_in_integers(tmp_path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    model = small_model()
    onnxruntime.InferenceSession(
        qdq_model(model, plan_of(model)).SerializeToString(), options, ["CPUExecutionProvider"]
    )
    found = operators(onnx.load(options.optimized_model_filepath))
    assert (found["QLinearConv"], found["Conv"]) == (len(CONVS), 0)


def test_metadata_travels_along():
    model = small_model()
    onnx.helper.set_model_props(model, {"infer_cfg": "{}"})
    found = {prop.key: prop.value for prop in qdq_model(model, plan_of(model)).metadata_props}
    assert found["infer_cfg"] == "{}"


@pytest.mark.parametrize("rules", [*RULES[:2], RULES[4]])
def test_openvino_gives_what_onnx_runtime_gives(rules, tmp_path):
    pytest.importorskip("openvino")
    model = small_model()
    onnx.save(qdq_model(model, plan_of(model, rules)), str(tmp_path / "int8.onnx"))
    feed = images(1)[0]
    runs = [backend(tmp_path / "int8.onnx", 1).run for backend in (OnnxRuntime, OpenVino)]
    for a, b in zip(*(run(feed) for run in runs), strict=True):
        assert np.abs(a - b).max() < 0.05 * np.abs(a).max()
