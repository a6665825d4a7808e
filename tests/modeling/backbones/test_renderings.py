"""The networks against plain NumPy that reads their weights by the published names; names and shapes as published."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.modeling.backbones import MobileNetV3, ResNet, ShuffleNetV2
from ppdet.modeling.backbones.base import Backbone
from ppdet.weights.published_names import published_name
from tests.references import backbones as reference
from tests.references.backbones import Weights

BASIC = {f"res{i}": f"res{i}a res{i}b" for i in (2, 3, 4, 5)}
RESNET_50 = {
    "res2": "res2a res2b res2c",
    "res3": "res3a res3b res3c res3d",
    "res4": "res4a res4b res4c res4d res4e res4f",
    "res5": "res5a res5b res5c",
}


def published_state(backbone: Backbone) -> dict[str, np.ndarray]:
    """The state dict under the names of published files, without `backbone.`; the norms get values of a trained one."""
    rng = np.random.default_rng(0)
    state = {}
    for name, tensor in backbone.state_dict().items():
        if name.endswith(("norm.weight", "_variance")):
            tensor.set_value(rng.uniform(0.6, 1.4, tensor.shape).astype("float32"))
        elif name.endswith(("bias", "_mean")):
            tensor.set_value(rng.normal(0, 0.3, tensor.shape).astype("float32"))
        state[published_name(f"backbone.{name}").removeprefix("backbone.")] = tensor.numpy()
    return state


def compare(backbone: Backbone, render, picked: list[int]) -> None:
    """All features, and every entry of the state dict is read under its published name."""
    backbone.eval()
    state = published_state(backbone)
    image = np.random.default_rng(1).normal(size=(2, 3, 64, 96)).astype("float32")
    weights = Weights({name: value.astype("float64") for name, value in state.items()})
    expected = render(image.astype("float64"), weights)
    assert weights.read == state.keys()
    with paddle.no_grad():
        features = backbone(paddle.to_tensor(image))
    assert len(features) == len(picked) == len(backbone.out_channels)
    for i, feature in enumerate(features):
        wanted = expected[picked[i]]
        assert feature.shape[1] == backbone.out_channels[i]
        assert 64 // feature.shape[2] == 96 // feature.shape[3] == backbone.out_strides[i]
        np.testing.assert_allclose(feature.numpy(), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize(("variant", "depth", "blocks"), [("d", 18, BASIC), ("d", 50, RESNET_50), ("a", 50, RESNET_50)])
def test_resnet(variant: str, depth: int, blocks: dict[str, str]) -> None:
    compare(
        ResNet(depth, variant, return_idx=[1, 2, 3]),
        lambda image, weights: reference.resnet(image, weights, blocks, variant),
        [1, 2, 3],
    )


def test_mobilenet_v3_large() -> None:
    strides, acts = "121" + "211" + "211111" + "211", "rrrrrrhhhhhhhhh"
    compare(
        MobileNetV3(scale=0.35, feature_maps=[7, 13, 16]),
        lambda image, weights: reference.mobilenet_v3(image, weights, strides, acts),
        [5, 11, 14],
    )


def test_mobilenet_v3_small() -> None:
    compare(
        MobileNetV3(model_name="small", feature_maps=[4, 9, 12]),
        lambda image, weights: reference.mobilenet_v3(image, weights, "22121111211", "rrrhhhhhhhh"),
        [2, 7, 10],
    )


@pytest.mark.parametrize("scale", [0.25, 1.0])
def test_shufflenet_v2(scale: float) -> None:
    compare(
        ShuffleNetV2(scale, act="leaky_relu", feature_maps=[5, 13, 17]),
        lambda image, weights: reference.shufflenet_v2(image, weights, reference.leaky_relu),
        [3, 11, 15],
    )


@pytest.mark.parametrize(
    ("backbone", "shapes", "parameters"),
    [
        (
            ResNet(18, "d", return_idx=[1, 2, 3], freeze_at=-1, freeze_norm=False),
            {
                "conv1.conv1_1.conv.weight": [32, 3, 3, 3],
                "conv1.conv1_3.norm._variance": [64],
                "res2.res2a.short.conv.weight": [64, 64, 1, 1],
                "res3.res3a.short.conv.conv.weight": [128, 64, 1, 1],
                "res3.res3a.short.conv.norm.bias": [128],
                "res5.res5b.branch2b.conv.weight": [512, 512, 3, 3],
            },
            # 18 layers without the classifier, with the stem of three convolutions
            11_176_512 - 9408 - 128 + (864 + 64) + (9216 + 64) + (18432 + 128) + 4096 + 128,
        ),
        (
            ResNet(101, return_idx=[3], freeze_at=-1, freeze_norm=False),
            {"conv1.conv1.conv.weight": [64, 3, 7, 7], "res4.res4b22.branch2c.conv.weight": [1024, 256, 1, 1]},
            42_500_160,
        ),
        (
            MobileNetV3(feature_maps=[7, 13, 16]),
            {
                "conv1.bn._mean": [16],
                "conv2.expand_conv.conv.weight": [16, 16, 1, 1],
                "conv5.bottleneck_conv.conv.weight": [72, 1, 5, 5],
                "conv5.mid_se.conv1.weight": [18, 72, 1, 1],
                "conv16.linear_conv.conv.weight": [160, 960, 1, 1],
                "conv16.mid_se.conv2.bias": [960],
            },
            None,
        ),
        (
            ShuffleNetV2(),
            {
                "_conv1._conv.weight": [24, 3, 3, 3],
                "_conv1._batch_norm._variance": [24],
                "2_1._conv_dw_1._conv.weight": [24, 1, 3, 3],
                "2_1._conv_linear_2._conv.weight": [58, 58, 1, 1],
                "3_8._conv_pw._conv.weight": [116, 116, 1, 1],
                "4_4._conv_linear._batch_norm.bias": [232],
            },
            1_253_604 - 464 * 1024 - 2 * 1024,  # without the last convolution
        ),
    ],
    ids=["r18", "r101", "mobilenet", "shufflenet"],
)
def test_shapes(backbone: Backbone, shapes: dict[str, list[int]], parameters: int | None) -> None:
    state = {name: list(value.shape) for name, value in published_state(backbone).items()}
    assert {name: state.get(name) for name in shapes} == shapes
    if parameters:
        assert sum(p.size for p in backbone.parameters() if p.trainable) == parameters


def test_options_that_no_network_has() -> None:
    with pytest.raises(
        UserError, match=r"^MobileNetV3\.feature_maps: found 16; model_name small has the blocks 2 to 12"
    ):
        MobileNetV3(model_name="small", feature_maps=[4, 16])
    with pytest.raises(UserError, match=r"^ShuffleNetV2\.scale: found 0\.75; expected one of 0\.25, 0\.33, 0\.5, 1\.0"):
        ShuffleNetV2(0.75)


def test_the_last_blocks_can_be_wider() -> None:
    """In PaddleDetection's single-shot detectors; the width inside the first of the three stays."""
    shapes = {name: list(value.shape) for name, value in MobileNetV3(multiplier=0.5).state_dict().items()}
    assert shapes["conv14.expand_conv.conv.weight"] == [672, 112, 1, 1]
    assert shapes["conv14.linear_conv.conv.weight"] == [80, 672, 1, 1]
    assert shapes["conv15.expand_conv.conv.weight"] == [480, 80, 1, 1]


def test_initial_weights_of_depthwise_convolutions() -> None:
    """The deviation of MobileNetV3's counts all channels, as Paddle's default for convolutions does."""
    paddle.seed(0)
    weight = MobileNetV3().conv16.bottleneck_conv.conv.weight.numpy()
    assert weight.std() == pytest.approx(np.sqrt(2 / (5 * 5 * 960)), rel=0.02)
