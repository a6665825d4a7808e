"""Which convolutions go to INT8, and what the graph holds afterwards."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ppdet.deploy.backends.runtimes import OnnxRuntime, OpenVino
from ppdet.quantization.qdq import convolutions, measure_ranges, quantized, with_shapes
from tests.support.small_onnx import images, small_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def operators(model) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.fixture(scope="module")
def model():
    return with_shapes(small_model())


@pytest.fixture(scope="module")
def ranges(model):
    return measure_ranges(model, images(4))


def test_convolutions_on_single_pixels_are_left_alone(model):
    assert convolutions(model) == ["stem", "boxes_conv", "scores_conv"]


def test_ranges_hold_the_values_of_all_images(model, ranges):
    lowest, highest = ranges["image"]
    values = np.concatenate([feed["image"] for feed in images(4)])
    assert (lowest, highest) == (values.min(), values.max())


def test_quantised_outputs_are_near_the_float_ones(model, ranges):
    int8 = quantized(model, ranges, convolutions(model))
    assert {tensor.data_type for tensor in int8.graph.initializer if tensor.name.endswith("_w_quantized")} == {
        onnx.TensorProto.INT8
    }
    runs = [OnnxRuntime(each.SerializeToString(), 1).run for each in (model, int8)]
    for feed in images(2):
        for before, after in zip(*(run(feed) for run in runs), strict=True):
            assert 0 < np.abs(before - after).max() < 0.1 * np.abs(before).max()


def test_only_the_named_convolutions_and_the_model_itself_stays(model, ranges):
    before = model.SerializeToString()
    int8 = quantized(model, ranges, ["stem"])
    weights = {node.input[0] for node in int8.graph.node if node.op_type == "DequantizeLinear"}
    assert "stem_w_quantized" in weights
    assert not {"boxes_w_quantized", "scores_w_quantized", "squeeze_w_quantized"} & weights
    assert model.SerializeToString() == before


def test_no_names_mean_no_change(model, ranges):
    assert operators(quantized(model, ranges, [])) == operators(model)


def test_outputs_are_quantised_only_on_request(model, ranges):
    names = ["boxes_conv"]
    assert operators(quantized(model, ranges, names))["QuantizeLinear"] == 2
    assert operators(quantized(model, ranges, names, outputs=False))["QuantizeLinear"] == 1


def test_metadata_travels_along(model, ranges):
    with_metadata = onnx.ModelProto()
    with_metadata.CopyFrom(model)
    onnx.helper.set_model_props(with_metadata, {"infer_cfg": "{}"})
    found = {prop.key: prop.value for prop in quantized(with_metadata, ranges, ["stem"]).metadata_props}
    assert found["infer_cfg"] == "{}"


@pytest.mark.parametrize("outputs", [True, False])
def test_openvino_gives_what_onnx_runtime_gives(model, ranges, tmp_path, outputs):
    pytest.importorskip("openvino")
    int8 = quantized(model, ranges, convolutions(model), outputs=outputs)
    onnx.save(int8, str(tmp_path / "int8.onnx"))
    feed = images(1)[0]
    runs = [backend(tmp_path / "int8.onnx", 1).run for backend in (OnnxRuntime, OpenVino)]
    for a, b in zip(*(run(feed) for run in runs), strict=True):
        assert np.abs(a - b).max() < 0.05 * np.abs(a).max()


def gated_model(form: str):
    """image [1, 1, 4, 4] times -100 ("conv"), then what `form` says, then a second convolution."""
    from onnx import helper, numpy_helper

    forms = {
        "hard swish": [helper.make_node("HardSwish", ["x"], ["y"])],
        "read elsewhere": [helper.make_node("HardSwish", ["x"], ["h"]), helper.make_node("Add", ["x", "h"], ["y"])],
        "none": [helper.make_node("Identity", ["x"], ["y"])],
    }
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["x"], "conv"),
        *forms[form],
        helper.make_node("Conv", ["y", "w"], ["z"], "last"),
    ]
    ends = [[helper.make_tensor_value_info(name, 1, [1, 1, 4, 4])] for name in ("image", "z")]
    weight = numpy_helper.from_array(np.full((1, 1, 1, 1), -100, np.float32), "w")
    graph = helper.make_graph(nodes, "gated", *ends, [weight])
    return with_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8))


@pytest.mark.parametrize(("form", "lowest"), [("hard swish", -3), ("read elsewhere", -100), ("none", -100)])
def test_no_numbers_are_spent_on_what_a_hard_swish_makes_zero(form, lowest):
    feed = {"image": np.linspace(-1, 1, 16, dtype=np.float32).reshape(1, 1, 4, 4)}
    found = measure_ranges(gated_model(form), [feed])
    assert np.ravel(found["x"]) == pytest.approx([lowest, 100])
    assert np.ravel(found["image"]).tolist() == [-1, 1]
