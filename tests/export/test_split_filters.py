"""Convolutions of one output channel, written as two, give what they gave."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from ppdet.core.settings import ExportSettings
from ppdet.export.graph import ExportModel, fuse_conv_norm
from ppdet.export.split_filters import split_filters
from tests.support.tiny import make_run
from tests.support.trained import random_inputs, write_trained_config


def run(layer: nn.Layer, x: paddle.Tensor) -> np.ndarray:
    with paddle.no_grad():
        return layer(x).numpy()


@pytest.mark.parametrize(("side", "bias"), [(3, None), (5, False)])  # None: Paddle's default, a bias
def test_borders_are_exact(side, bias) -> None:
    """With ones everywhere, a value is the sum of the weights that lie inside the image."""
    paddle.seed(0)
    layer = nn.Sequential(nn.Conv2D(6, 1, side, padding=side // 2, bias_attr=bias))
    if bias is None:
        layer[0].bias.set_value(np.full(1, 0.25, "float32"))
    split = split_filters(layer)
    assert [conv.weight.shape for conv in split[0]] == [[side, 6, 1, side], [1, side, side, 1]]
    for x in (paddle.ones([1, 6, 4, 7]), paddle.randn([2, 6, 1, 3])):
        np.testing.assert_allclose(run(split, x), run(layer, x), atol=2e-6)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2D(4, 2, 5, padding=2),
        nn.Conv2D(4, 1, 1),
        nn.Conv2D(1, 1, 3, padding=1),
        nn.Conv2D(4, 1, 5, padding=2, stride=2),
        nn.Conv2D(4, 1, 5),
    ],
)
def test_other_convolutions_stay(conv) -> None:
    assert isinstance(split_filters(nn.Sequential(conv))[0], nn.Conv2D)


def test_export_splits_each_alignment_filter(tmp_path) -> None:
    """The trained model keeps its layers; scores and boxes of any size stay."""
    model = make_run(write_trained_config(tmp_path)).load_model()
    graph = ExportModel(model, ExportSettings(nms=False, boxes="input"))
    fused = graph.fused()
    assert [len(align.dw_conv.conv) for align in fused.model.head.cls_align] == [2] * 4
    assert all(isinstance(align.dw_conv.conv, nn.Conv2D) for align in model.head.cls_align)
    whole = ExportModel(fuse_conv_norm(model), graph.settings)
    image, _ = random_inputs(2, 64, 96)
    with paddle.no_grad():
        for found, expected in zip(fused(image), whole(image), strict=True):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
