"""What the graph and the files of ncnn need besides pnnx."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.vendor.ncnn import reductions_as_products, with_names

PARAM = """7767517
3 4
Input                    in0                      0 1 in0
Convolution              in0                      1 1 in0 1 0=8 1=3 -23303=1,2
Split                    split                    1 2 1 out0 out1
"""


def test_names_of_inputs_and_outputs() -> None:
    lines = with_names(PARAM, ["image"], ["boxes", "scores"]).splitlines()
    assert lines == [
        "7767517",
        "3 4",
        "Input in0 0 1 image",
        "Convolution in0 1 1 image 1 0=8 1=3 -23303=1,2",
        "Split split 1 2 1 boxes scores",
    ]


def test_outputs_are_in_order() -> None:
    """Layers that do nothing write them in order; they are counted."""
    turned = PARAM.replace("out0 out1", "out1 out0")
    lines = with_names(turned, ["image"], ["boxes", "scores"]).splitlines()
    assert lines[1] == "5 6"
    assert lines[-3:] == ["Split split 1 2 1 out1 out0", "Noop boxes 1 1 out0 boxes", "Noop scores 1 1 out1 scores"]


@pytest.mark.parametrize("operator", ["ReduceSum", "ReduceMean"])
@pytest.mark.parametrize(("axes", "replaced"), [([-1], True), ([3], True), ([2], True), ([1], True), ([2, 3], False)])
def test_sums_and_means_over_one_axis_become_products(axes, replaced, operator) -> None:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    from onnx import helper, numpy_helper

    x = np.random.default_rng(0).standard_normal((1, 5, 4, 8)).astype("float32")
    expected = x.sum(axis=tuple(axes)) if operator == "ReduceSum" else x.mean(axis=tuple(axes))
    inputs, options = (["axes"], {}) if operator == "ReduceSum" else ([], {"axes": axes})
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *inputs], ["y"], keepdims=0, **options)],
        "reduction",
        [helper.make_tensor_value_info("x", 1, x.shape)],
        [helper.make_tensor_value_info("y", 1, expected.shape)],
        [numpy_helper.from_array(np.array(axes), name) for name in inputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=7)
    reductions_as_products(model)
    onnx.checker.check_model(model, full_check=True)
    turned = ["Transpose"] if axes in ([1], [2]) else []
    assert [n.op_type for n in model.graph.node] == ([*turned, "MatMul", "Reshape"] if replaced else [operator])
    (found,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
