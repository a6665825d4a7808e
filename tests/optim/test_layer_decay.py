"""AdamWDL: the rate of each stage and the parameters that decay, against AdamW by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from ppdet.core.builder import Builder
from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.modeling.backbones import LCNet
from ppdet.optim.optimizer import OptimizerBuilder


class ThreeStages(nn.Layer):
    """A backbone of three stages and a head, each a Linear(1, 1) whose weight is 2 and whose bias is 1."""

    class Backbone(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.LayerList([nn.Linear(1, 1) for _ in range(3)])

        def stages(self) -> list[list[nn.Layer]]:
            return [[part] for part in self.parts]

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = self.Backbone(), nn.Linear(1, 1)
        for parameter in self.parameters():
            parameter.set_value(paddle.full(parameter.shape, 2.0 if parameter.ndim == 2 else 1.0))

    @property
    def linears(self) -> list[nn.Linear]:
        return [*self.backbone.parts, self.head]


def build(more: dict[str, Any] | None = None, **options: Any) -> OptimizerBuilder:
    section = {"optimizer": {"type": "AdamWDL"} | options} | (more or {})
    return Builder(Config({"OptimizerBuilder": section})).build("OptimizerBuilder")


def stepped(builder: OptimizerBuilder, gradients: list[float], rate: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """The weights and the biases of the three stages and the head after steps with these gradients for all of them."""
    model = ThreeStages()
    optimizer = builder(rate, model)
    for gradient in gradients:
        (gradient * sum(parameter.sum() for parameter in model.parameters())).backward()
        optimizer.step()
        optimizer.clear_grad()
    weights, biases = ([float(getattr(each, kind).numpy().ravel()[0]) for each in model.linears] for kind in NAMES)
    return np.array(weights), np.array(biases)


NAMES = ("weight", "bias")


def adamw(value: float, gradients: list[float], rate: float, decay: float, beta1: float, beta2: float) -> float:
    """The value after these steps of AdamW (Loshchilov and Hutter, algorithm 2), with epsilon 1e-8."""
    mean = square = 0.0
    for step, gradient in enumerate(gradients, 1):
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        value -= rate * decay * value
        value -= rate * mean / (1 - beta1**step) / (np.sqrt(square / (1 - beta2**step)) + 1e-8)
    return value


def test_the_first_step_by_hand() -> None:
    """A first step of Adam goes by the rate: 0.1 times 0.5 ** 3, 0.5 ** 2, 0.5 and 1, after a decay of 0.2 of 2."""
    weights, biases = stepped(build(layer_decay=0.5, weight_decay=0.2), [1.0])
    rates = 0.1 * np.array([0.125, 0.25, 0.5, 1])
    np.testing.assert_allclose(weights, 2 * (1 - 0.2 * rates) - rates, rtol=1e-6)
    np.testing.assert_allclose(biases, 1 - rates, rtol=1e-6)


@pytest.mark.parametrize("filters", [True, False])
def test_several_steps(filters: bool) -> None:
    options = {"layer_decay": 0.8, "weight_decay": 0.3, "betas": [0.8, 0.95], "filter_bias_and_bn": filters}
    gradients = [1.0, -3.0, 0.5, 0.25]
    weights, biases = stepped(build(**options), gradients)
    for found, begin, decay in ((weights, 2.0, 0.3), (biases, 1.0, 0.0 if filters else 0.3)):
        expected = [adamw(begin, gradients, 0.1 * 0.8**power, decay, 0.8, 0.95) for power in (3, 2, 1, 0)]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_defaults() -> None:
    weights, _ = stepped(build(), [1.0, 1.0])
    expected = [adamw(2.0, [1.0, 1.0], 0.1 * 0.65**power, 0.05, 0.9, 0.999) for power in (3, 2, 1, 0)]
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


def test_names_that_do_not_decay() -> None:
    options = {"layer_decay": 1, "weight_decay": 0.5, "skip_decay_names": ["parts.1", "head"]}
    weights, _ = stepped(build(**options), [0.0])
    np.testing.assert_allclose(weights, [1.9, 2, 1.9, 2], rtol=1e-6)


def test_gradients_are_clipped() -> None:
    """By their norm, sqrt(8 * 9), to 1e-8: epsilon is as large, and halves a step."""
    builder = build({"clip_grad_by_norm": 1e-8 * np.sqrt(8)}, layer_decay=1, weight_decay=0)
    weights, _ = stepped(builder, [3.0])
    np.testing.assert_allclose(weights, 2 - 0.1 / 2, rtol=1e-5)


def test_the_rates_of_a_published_backbone() -> None:
    """Its own shares of the rate count as well."""
    model = nn.Layer()
    model.backbone = LCNet(scale=0.35, lr_mult_list=[0.1, 1])
    build(layer_decay=0.5, num_layers=5)(0.1, model)
    rates = {
        layer: float(model.backbone.__getattr__(layer).parameters()[0].optimize_attr["learning_rate"])
        for layer in ("conv1", "blocks2", "blocks3", "blocks5", "blocks6")
    }
    expected = {"conv1": 0.1 / 32, "blocks2": 0.1 / 32, "blocks3": 1 / 16, "blocks5": 1 / 4, "blocks6": 1 / 2}
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 12}, "num_layers: found 12; expected 3, the stages of this backbone; set it so, or leave it"),
        ({"layer_decay": 0}, "layer_decay: expected above 0, found 0"),
        ({"betas": [0.9]}, "betas: expected 2 values, found"),
        ({"betas": [0.9, 1]}, "betas.1: expected below 1, found 1"),
        ({"beta1": 0.9}, "beta1: no option of AdamWDL; did you mean 'betas'?"),
        ({"set_param_lr_func": "mine"}, "set_param_lr_func: expected 'layerwise_lr_decay', found 'mine'"),
        ({"filter_bias_and_bn": False, "skip_decay_names": ["head"]}, "skip_decay_names: only means something with"),
        ({"param_groups": []}, "param_groups: no option of AdamWDL"),
    ],
    ids=str,
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        stepped(build(**options), [1.0])
    assert str(error.value).startswith(f"OptimizerBuilder.optimizer.{message}")


@pytest.mark.parametrize("filtered", [True, False])
def test_parameters_outside_the_model_decay_like_those_inside(filtered: bool) -> None:
    """Without a gradient AdamW changes a parameter by rate * decay * value alone."""
    model, other = ThreeStages(), nn.Linear(1, 1)
    other.weight.set_value(paddle.full([1, 1], 2.0))
    other.bias.set_value(paddle.full([1], 1.0))
    optimizer = build(weight_decay=0.5, filter_bias_and_bn=filtered)(0.1, model, others=other.parameters())
    (0 * (model.head(paddle.ones([1, 1])) + other(paddle.ones([1, 1]))).sum()).backward()
    optimizer.step()
    for layer in (model.head, other):
        assert layer.weight.item() == pytest.approx(2 * (1 - 0.1 * 0.5))
        assert layer.bias.item() == pytest.approx(1 if filtered else 1 - 0.1 * 0.5)
