"""What vendors' INT8 files are made of is found out once."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from ppdet.quantization import vendor_source
from ppdet.quantization.network import Network
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
