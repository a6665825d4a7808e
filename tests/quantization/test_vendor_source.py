"""What vendors' INT8 files are made of is found out once."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from ppdet.quantization import vendor_source
from ppdet.quantization.network import Network
from ppdet.quantization.post_training import calibrated
from ppdet.quantization.targets import TARGETS
from ppdet.quantization.vendor_source import Source
from ppdet.session import Session
from tests.support.small_onnx import images, small_model

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_formats_share_what_they_have_in_common(monkeypatch) -> None:
    collected: list[Network] = []
    collect = vendor_source.collect

    def counted(network: Network, feeds: Any, threads: int) -> Any:
        collected.append(network)
        return collect(network, feeds, threads)

    monkeypatch.setattr(vendor_source, "collect", counted)
    monkeypatch.setattr(vendor_source, "plan_of_weights", lambda *_: None)
    source = Source(cast(Session, None), Network.of(small_model()), {}, images(3))
    assert source.images.shape[0] == 3
    for name in ("rknn", "tflite", "mnn"):
        source.even(TARGETS[name].gate)
    source.plan(TARGETS["ncnn"])
    assert source.even("relu6") is source.even("relu6")
    assert collected == [source.network]
    plan = source.even_plan(TARGETS["mnn"])
    assert collected == [source.network, source.even("relu6")]
    assert plan.convs.keys() == source.network.convs.keys()
    assert all(np.all(each.channel_scales == 1) for each in plan.tensors.values())


@pytest.mark.parametrize("target", ["mnn", "ncnn"])
def test_weights_that_were_trained_by_the_same_rules_bring_their_plan(monkeypatch, target) -> None:
    network = Network.of(small_model(stem_scale=30))
    trained = calibrated(network, images(3), TARGETS[target], 1)
    monkeypatch.setattr(vendor_source, "plan_of_weights", lambda *_: trained)
    monkeypatch.setattr(vendor_source, "collect", None)  # nothing is calibrated
    source = Source(cast(Session, None), network, {}, images(3))
    if target == "ncnn":
        assert source.plan(TARGETS["ncnn"]).convs == trained.convs
        return
    plan = source.even_plan(TARGETS["mnn"])
    for name, conv in plan.convs.items():
        np.testing.assert_array_equal(conv.weight, trained.convs[name].weight)
    assert [each.scale for each in plan.tensors.values()] == [each.scale for each in trained.tensors.values()]
    assert all(np.all(each.channel_scales == 1) for each in plan.tensors.values())
