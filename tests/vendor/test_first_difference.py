"""The first layer that a converter gets wrong is found, in chains and behind branches."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.vendor.first_difference import find_first_difference, first_wrong, truncated
from tests.support.small_onnx import small_model

CHAIN = [[], [0], [1], [2], [3], [4]]
# 0 -> 1 -> 4 -> 5 and 0 -> 2 -> 3 -> 4
BRANCHES = [[], [0], [0], [2], [1, 3], [4]]


@pytest.mark.parametrize("parents", [CHAIN, BRANCHES])
@pytest.mark.parametrize("fault", range(6))
def test_the_fault_is_found_wherever_it_is(parents, fault) -> None:
    def wrong(index: int) -> bool:
        return index == fault or any(map(wrong, parents[index]))

    assert first_wrong(5, parents, wrong) == fault if wrong(5) else True


def test_few_conversions_are_needed() -> None:
    asked = set()

    def wrong(index: int) -> bool:
        asked.add(index)
        return index >= 300

    assert first_wrong(519, [[], *([i] for i in range(519))], wrong) == 300
    assert len(asked) <= 11


def test_a_truncated_model_gives_the_tensor() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = small_model(batch=1)
    image = np.random.default_rng(1).standard_normal((1, 3, 16, 16)).astype("float32")
    part = truncated(model, "b2")
    assert [node.output[0] for node in part.graph.node] == ["x", "b0", "b1", "b2"]
    assert {weight.name for weight in part.graph.initializer} == {"stem_w", "boxes_w", "boxes_shape"}
    (found,) = onnxruntime.InferenceSession(part.SerializeToString()).run(None, {"image": image})
    model.graph.output.extend(part.graph.output)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(["b2"], {"image": image})[0]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("operator", "layer"), [("Transpose", "Transpose b2"), ("Sigmoid", "Sigmoid scores")])
def test_the_layer_is_named(operator, layer) -> None:
    pytest.importorskip("onnx")
    model = small_model(batch=1)

    def is_wrong(part) -> bool:
        return any(node.op_type == operator for node in part.graph.node)

    assert find_first_difference(model, is_wrong) == layer
    assert find_first_difference(model, lambda part: False) is None
