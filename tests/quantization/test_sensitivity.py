"""The search for the layers that INT8 would spoil."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.quantization.min_max import min_max_plan
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Rules
from ppdet.quantization.ranges import channel_ranges
from ppdet.quantization.sensitivity import _change, select_int8_layers, sensitivities
from tests.support.small_onnx import CONVS, images, small_model

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def found(model) -> dict[str, float]:
    """With one scale for a tensor."""
    network, feeds = Network.of(model), images(3)
    plan = min_max_plan(network, channel_ranges(network, feeds, 1), Rules(channel_quantizers=False))
    return sensitivities(model, plan, feeds, threads=1)


def test_a_layer_with_one_huge_channel_is_found():
    """One scale per tensor leaves nothing of channels that are a thousand times smaller."""
    even, uneven = found(small_model()), found(small_model(stem_scale=1000))
    assert max(even.values()) < 0.05
    assert uneven["stem"] > 0.2
    assert set(select_int8_layers(even, 0.05)) == set(CONVS)
    assert "stem" not in select_int8_layers(uneven, 0.05)


def test_in_memory_nms_does_not_matter():
    """Outputs of another kind, made of `boxes` and `scores`, give the same figures."""
    from onnx import helper

    model = small_model()
    model.graph.node.append(helper.make_node("ReduceMax", ["scores"], ["best"], axes=[1]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("best", 1, None))
    assert found(model) == found(small_model())


def test_the_selection_includes_the_limit():
    assert select_int8_layers({"a": 0.01, "b": 0.02, "c": 0.03}, 0.02) == ["a", "b"]


def test_change_is_that_of_the_surest_points():
    """200 points, of which the first 100 are sure: only they count, boxes relative to their size."""
    scores = np.concatenate([np.full((1, 2, 100), 0.9), np.full((1, 2, 100), 0.1)], axis=2)
    boxes = np.tile(np.array([0, 0, 10, 10.0]), (1, 200, 1))
    new_scores, new_boxes = scores.copy(), boxes.copy()
    new_scores[:, 1, :50] += 0.02  # half of the sure points
    new_scores[:, :, 100:] += 0.5
    new_boxes[:, :100, 2] += 1
    assert _change([boxes, scores], [new_boxes, new_scores]) == pytest.approx((0.01, 0.1))
