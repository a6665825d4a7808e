"""A program of Paddle 2, written from an ONNX model, computes what the ONNX model computes."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.deploy.backends.runtimes import OnnxRuntime, PaddleInference
from ppdet.vendor.paddle_program import write_program

pytest.importorskip("onnxruntime")


def every_operator():
    """image [1, 4, 6, 6] -> out: all operators that a program can have, one after the other."""
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(0)
    arrays = {
        "wide": rng.standard_normal((8, 4, 3, 3)).astype("float32"),
        "wide_bias": rng.standard_normal(8).astype("float32"),
        "deep": rng.standard_normal((8, 1, 3, 5)).astype("float32"),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "flat": np.array([-1, 8, 36]),
        "start": np.array([1]),
        "end": np.array([2**40]),
        "axis": np.array([2]),
        "last": np.array([-1]),
        "three": np.array(3.0, np.float32),
    }
    make = helper.make_node
    nodes = [
        make("Conv", ["image", "wide", "wide_bias"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
        make("HardSwish", ["c"], ["h"]),
        make("Conv", ["h", "deep"], ["d"], group=8, pads=[1, 2, 1, 2]),
        make("LeakyRelu", ["d"], ["l"], alpha=0.3),
        make("GlobalAveragePool", ["l"], ["p"]),
        make("HardSigmoid", ["p"], ["g"], alpha=0.3, beta=0.4),
        make("Mul", ["l", "g"], ["m"]),
        make(
            "Resize",
            ["m", "", "scales"],
            ["r"],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
        make("Reshape", ["r", "flat"], ["f"]),
        make("Transpose", ["f"], ["t"], perm=[0, 2, 1]),
        make("Softmax", ["t"], ["s"], axis=-1),
        make("Slice", ["s", "start", "end", "axis"], ["cut"]),
        make("Sigmoid", ["s"], ["sig"]),
        make("Concat", ["cut", "sig"], ["cat"], axis=2),
        make("Relu", ["cat"], ["relu"]),
        make("Sqrt", ["relu"], ["root"]),
        make("Add", ["root", "three"], ["add"]),
        make("Sub", ["add", "root"], ["sub"]),
        make("Mul", ["sub", "root"], ["mul"]),
        make("ReduceSum", ["mul", "last"], ["out"], keepdims=0),
    ]
    image, out = (helper.make_tensor_value_info(*each) for each in (("image", 1, [1, 4, 6, 6]), ("out", 1, [1, 36])))
    weights = [numpy_helper.from_array(value, name) for name, value in arrays.items()]
    graph = helper.make_graph(nodes, "every", [image], [out], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=7)


def test_every_operator(tmp_path) -> None:
    model, image = every_operator(), np.random.default_rng(1).standard_normal((1, 4, 6, 6)).astype("float32")
    write_program(model, tmp_path / "model.pdmodel")
    (expected,) = OnnxRuntime(model.SerializeToString(), 1).run({"image": image})
    (found,) = PaddleInference(tmp_path / "model.pdmodel", 1).run({"image": image})
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_an_operator_that_is_not_known(tmp_path) -> None:
    model = every_operator()
    model.graph.node[-1].op_type = "ReduceMax"
    with pytest.raises(UserError, match="paddle_lite's writer has no ReduceMax; expected the operators of PicoDet"):
        write_program(model, tmp_path / "model.pdmodel")
    assert not list(tmp_path.iterdir())
