"""Which parts of a backbone are trained, with which share of the learning rate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import paddle
import pytest

from ppdet.modeling.backbones import ESNet, LCNet, MobileNetV3, ResNet, ShuffleNetV2
from ppdet.modeling.backbones.base import Backbone
from ppdet.modeling.cpu_training.layers import use_cpu_kernels

TRAINED = {"freeze_at": -1, "freeze_norm": False}  # ResNet's defaults are others, as in PaddleDetection
BACKBONES = {
    "LCNet": lambda **options: LCNet(0.25, **options),
    "ESNet": lambda **options: ESNet(0.25, **options),
    "MobileNetV3": lambda **options: MobileNetV3(0.25, feature_maps=[7, 13, 16], **options),
    "ResNet": lambda **options: ResNet(18, "d", **TRAINED | options),
    "ShuffleNetV2": lambda **options: ShuffleNetV2(0.25, **options),
}
STAGES = {"LCNet": 5, "ESNet": 3, "MobileNetV3": 5, "ResNet": 4, "ShuffleNetV2": 3}
every_backbone = pytest.mark.parametrize("name", BACKBONES)


def gradients(backbone: Backbone) -> dict[str, bool]:
    """Whether each trainable or frozen parameter gets a gradient; running statistics are not among them."""
    backbone.train()
    sum(feature.square().mean() for feature in backbone(paddle.randn([2, 3, 64, 64]))).backward()
    names = [name for name, _ in backbone.named_parameters() if not name.endswith(("_mean", "_variance"))]
    parameters = dict(backbone.named_parameters())
    return {name: parameters[name].grad is not None for name in names}


def names_in(backbone: Backbone, stages: range) -> set[str]:
    layers = [layer for i in stages for layer in backbone.stages()[i]]
    inside = {id(p) for layer in layers for p in layer.parameters()}
    return {name for name, p in backbone.named_parameters() if id(p) in inside and "norm._" not in name}


@every_backbone
def test_every_parameter_gets_a_gradient(name: str) -> None:
    assert all(gradients(BACKBONES[name]()).values())


@every_backbone
def test_stages_have_all_layers(name: str) -> None:
    backbone = BACKBONES[name]()
    assert len(backbone.stages()) == STAGES[name]
    assert names_in(backbone, range(STAGES[name])) == gradients(backbone).keys()


@pytest.mark.parametrize("kernels", [lambda model: None, use_cpu_kernels], ids=["operators", "loops"])
@every_backbone
def test_frozen_stages_get_no_gradient(name: str, kernels: Callable[[Backbone], None]) -> None:
    for last in range(STAGES[name]):
        backbone = BACKBONES[name](freeze_at=last)
        kernels(backbone)
        frozen = names_in(backbone, range(last + 1))
        features = backbone(paddle.randn([2, 3, 64, 64]))
        if last == STAGES[name] - 1:
            assert all(feature.stop_gradient for feature in features)  # nothing for the backward pass
            continue
        found = gradients(backbone)
        assert {name for name, has_one in found.items() if not has_one} == frozen


@pytest.mark.parametrize("kernels", [lambda model: None, use_cpu_kernels], ids=["operators", "loops"])
@every_backbone
def test_frozen_norms(name: str, kernels: Callable[[Backbone], None]) -> None:
    """They normalize as in evaluation, their parts stay, and gradients go through them."""
    backbone = BACKBONES[name](freeze_norm=True)
    kernels(backbone)
    assert all(norm._use_global_stats for norm in backbone.sublayers() if isinstance(norm, paddle.nn.BatchNorm2D))
    before = {name: value.numpy().copy() for name, value in backbone.state_dict().items() if "norm." in name}
    image = paddle.randn([2, 3, 64, 64])
    backbone.eval()
    expected = backbone(image)
    backbone.train()
    for feature, as_expected in zip(backbone(image), expected, strict=True):
        np.testing.assert_allclose(feature.numpy(), as_expected.numpy(), atol=1e-4 * float(as_expected.abs().max()))
    assert all(has_one != ("norm." in name) for name, has_one in gradients(backbone).items())
    for name, value in before.items():
        np.testing.assert_array_equal(backbone.state_dict()[name].numpy(), value)


def test_frozen_stages_still_follow_the_batch_as_in_paddledetection() -> None:
    backbone = LCNet(0.25, freeze_at=4)
    backbone.train()
    mean = backbone.conv1.norm._mean.numpy().copy()
    backbone(paddle.randn([2, 3, 64, 64]))
    assert (backbone.conv1.norm._mean.numpy() != mean).any()


def rates(backbone: Backbone) -> list[set[float]]:
    return [
        {p.optimize_attr["learning_rate"] for layer in stage for p in layer.parameters()} for stage in backbone.stages()
    ]


def test_shares_of_the_learning_rate() -> None:
    assert rates(LCNet()) == [{1.0}] * 5
    assert rates(LCNet(lr_mult_list=[0.1, 0.2, 0.5])) == [{0.1}, {0.2}, {0.5}, {0.5}, {0.5}]
    assert rates(ShuffleNetV2(lr_mult_list=[0.1, 0.2, 0.5, 1.0])) == [{0.1}, {0.2}, {0.5}]
    large, small = (MobileNetV3(0.25, kind, [4], lr_mult_list=[0.1, 0.2, 0.3, 0.4, 0.5]) for kind in ("large", "small"))
    assert rates(large) == [{0.1}, {0.2}, {0.3}, {0.4}, {0.5}]
    assert rates(small) == [{0.1}, {0.2}, {0.3}, {0.4}]


def test_the_stem_of_resnet() -> None:
    """It keeps the whole rate, and freeze_at: 0 freezes it together with the first stage."""
    assert rates(ResNet(18, lr_mult_list=[0.1, 0.2, 0.3, 0.4])) == [{1.0, 0.1}, {0.2}, {0.3}, {0.4}]
    stem_only = ResNet(18, "d", freeze_at=0, freeze_norm=False, freeze_stem_only=True)
    assert all(p.stop_gradient for p in stem_only.conv1.parameters())
    assert not stem_only.res2.res2a.branch2a.conv.weight.stop_gradient
    default = ResNet(18)
    assert all(norm._use_global_stats for norm in default.sublayers() if isinstance(norm, paddle.nn.BatchNorm2D))
    assert default.res2.res2b.branch2b.conv.weight.stop_gradient
    assert not default.res3.res3a.branch2a.conv.weight.stop_gradient


def test_decays() -> None:
    """Of MobileNetV3, convolutions have a decay of their own, 0 if nothing is said; of ResNet, norms have."""

    def coefficients(backbone: Backbone, part: str) -> set[float | None]:
        found = [p.regularizer for name, p in backbone.named_parameters() if part in name]
        return {None if regularizer is None else regularizer._coeff for regularizer in found}

    assert coefficients(MobileNetV3(0.25), "conv.weight") == coefficients(MobileNetV3(0.25), "norm.weight") == {0.0}
    decayed = MobileNetV3(0.25, conv_decay=0.1, norm_decay=0.2)
    assert coefficients(decayed, "conv.weight") == coefficients(decayed, "mid_se.conv2.bias") == {0.1}
    assert coefficients(decayed, "norm.bias") == {0.2}
    assert coefficients(ResNet(18, norm_decay=0.3), "norm.weight") == {0.3}
    assert coefficients(ResNet(18), "conv.weight") == {None}
    assert coefficients(ShuffleNetV2(0.25), "norm.weight") == {0.0}
