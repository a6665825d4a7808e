"""The plan of a model from images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.quantization.min_max import min_max_plan
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Plan
from ppdet.quantization.post_training import calibrated, model_to_write, post_training_plan
from ppdet.quantization.qdq import qdq_model
from ppdet.quantization.statistics import collect
from ppdet.quantization.targets import TARGETS
from tests.support.small_onnx import CONVS, images, small_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def error(plan: Plan, model: Any = None) -> float:
    """Returns the error of the plan of `model` (None: of the small model), relative to the small model."""
    expected = small_model(stem_scale=30)
    int8 = qdq_model(model or expected, plan)
    runs = [OnnxRuntime(each.SerializeToString(), 1).run for each in (expected, int8)]
    pairs = [pair for feed in images(6) for pair in zip(*(run(feed) for run in runs), strict=True)]
    return float(np.mean([np.square(a - b).mean() / np.square(a).mean() for a, b in pairs]))


def test_uneven_channels_cost_little():
    network = Network.of(small_model(stem_scale=30))
    found = collect(network, images(6), threads=1)
    plan = post_training_plan(network, found, TARGETS["openvino"])
    assert tuple(plan.convs) == CONVS
    one_scale = replace(TARGETS["openvino"], channel_quantizers=False)
    assert error(plan) < 0.1 * error(min_max_plan(network, found.ranges, one_scale))


@pytest.mark.parametrize("target", list(TARGETS))
def test_maps_of_one_pixel_have_one_scale(target):
    network = Network.of(small_model(stem_scale=30))
    plan = post_training_plan(network, collect(network, images(6), threads=1), TARGETS[target])
    assert plan.tensors["mean"].is_even
    assert plan.tensors["x"].is_even == (not TARGETS[target].channel_quantizers)


def test_one_scale_for_an_activation_of_even_channels():
    network = Network.of(small_model(stem_scale=30))
    model, plan = model_to_write(network, calibrated(network, images(6), TARGETS["generic"], threads=1))
    assert tuple(plan.convs) == CONVS
    assert {each.zero_point for each in plan.tensors.values()} == {0}
    values = {each.name: onnx.numpy_helper.to_array(each) for each in qdq_model(model, plan).graph.initializer}
    activations = [node for node in qdq_model(model, plan).graph.node if node.op_type == "QuantizeLinear"]
    assert {values[node.input[1]].shape for node in activations} == {()}
    assert {values[node.input[2]].dtype for node in activations} == {np.dtype(np.int8)}
    of_the_same_model = min_max_plan(network, collect(network, images(6), 1).ranges, TARGETS["generic"])
    assert error(plan, model) < 0.3 * error(of_the_same_model)


@pytest.mark.parametrize("target", ["generic", "rknn", "mnn"])
def test_a_plan_has_the_integers_of_the_model_with_even_channels(target):
    """With channel scales it fits the original model, and computes the same."""
    network = Network.of(small_model(stem_scale=30))
    plan = calibrated(network, images(6), TARGETS[target], threads=1)
    model, of_even = model_to_write(network, plan)
    assert all((each.channel_scales == 1).all() for each in of_even.tensors.values())
    assert not all(each.is_even for each in plan.tensors.values())
    for name, conv in plan.convs.items():
        np.testing.assert_array_equal(conv.weight, of_even.convs[name].weight)
    original = qdq_model(network.model, replace(plan, rules=replace(plan.rules, channel_quantizers=True)))
    runs = [OnnxRuntime(each.SerializeToString(), 1).run for each in (original, qdq_model(model, of_even))]
    for feed in images(6):
        for expected, found in zip(*(run(feed) for run in runs), strict=True):
            # few values lie so near to the middle between two integers that the order of operations decides
            assert (np.abs(found - expected) > 1e-4 * np.abs(expected).max()).mean() < 0.01


def test_other_channel_scales_than_those_of_the_model_with_even_channels():
    network = Network.of(small_model(stem_scale=30))
    plan = calibrated(network, images(6), TARGETS["generic"], threads=1)
    pixels = replace(plan.tensors["image"], channel_scales=np.float32([50, 60, 70]))
    with pytest.raises(
        UserError, match=r"^export.fuse_normalize: found true, but with one scale for image its channels"
    ):
        model_to_write(network, replace(plan, tensors={**plan.tensors, "image": pixels}))
