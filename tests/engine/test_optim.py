"""The schedule and the optimizer that a config describes: the rate of every step, and what a step does to a weight.

Tolerances: 1e-12 for rates (float64 on both sides), 1e-6 for weights (float32).
"""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.engine.optim import CosineDecay, LearningRate, LinearWarmup, OptimizerBuilder, PiecewiseDecay
from tests.references.schedules import cosine_with_warmup, piecewise


@pytest.mark.parametrize("lowest", [0.0, 0.05])
@pytest.mark.parametrize("steps_per_epoch", [1, 7])
def test_cosine_with_warmup(steps_per_epoch, lowest):
    schedule = LearningRate(0.32, [CosineDecay(30, lowest), LinearWarmup(steps=11, start_factor=0.1)])
    total = 30 * steps_per_epoch
    for step in range(total + 5):  # a longer run stays at the lowest
        expected = cosine_with_warmup(0.32, step, 11, 0.1, total, lowest)
        assert schedule.at(step, steps_per_epoch) == pytest.approx(expected, rel=1e-12, abs=1e-15), step


def test_hand_computed_rates():
    schedule = LearningRate(0.4, [CosineDecay(12), LinearWarmup(steps=4, start_factor=0.1)])
    rates = [schedule.at(step, 1) for step in (0, 1, 2, 4, 8, 12, 99)]
    assert rates == pytest.approx([0.04, 0.13, 0.22, 0.4, 0.2, 0, 0])
    assert LearningRate(0.4).at(1000, 1) == 0.4


@pytest.mark.parametrize("warmup", [[], [LinearWarmup(epochs=2, start_factor=0.5)]])
def test_piecewise(warmup):
    """The decay stands on the epochs of the run, not on those after the warm-up."""
    schedule = LearningRate(0.1, [PiecewiseDecay([4, 6], 0.2), *warmup])
    for step in range(100):
        expected = piecewise(0.1, step, [40, 60], 0.2)
        if warmup and step < 20:
            expected = 0.1 * (0.5 + 0.5 * step / 20)
        assert schedule.at(step, 10) == pytest.approx(expected, rel=1e-12), step


def test_one_warmup_and_one_decay_at_most():
    for schedulers in ([CosineDecay(), PiecewiseDecay()], [LinearWarmup(), LinearWarmup()]):
        with pytest.raises(UserError, match=r"LearningRate\.schedulers: expected at most one"):
            LearningRate(0.1, schedulers)


def steps(builder: OptimizerBuilder, gradients: np.ndarray, rates: list[float]) -> np.ndarray:
    """The weight [3] of a linear layer after a step with each of the gradients; it starts from 1, 2, 3."""
    layer = paddle.nn.Linear(3, 1, bias_attr=False)
    layer.weight.set_value(paddle.to_tensor([[1.0], [2], [3]]))
    optimizer = builder(0.0, layer)
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.set_lr(rate)
        (layer(paddle.to_tensor(np.float32([gradient])))).sum().backward()
        optimizer.step()
        optimizer.clear_grad()
    return layer.weight.numpy().reshape(-1)


def test_momentum_with_decay():
    """Velocity = 0.9 * velocity + gradient + decay * weight; weight -= rate * velocity."""
    gradients, rates = np.random.default_rng(0).normal(size=(5, 3)), [0.1, 0.2, 0.2, 0.1, 0.05]
    builder = OptimizerBuilder({"type": "Momentum", "momentum": 0.9}, {"type": "L2", "factor": 0.01})
    weight, velocity = np.array([1.0, 2, 3]), np.zeros(3)
    for gradient, rate in zip(gradients, rates, strict=True):
        velocity = 0.9 * velocity + gradient + 0.01 * weight
        weight = weight - rate * velocity
    np.testing.assert_allclose(steps(builder, gradients, rates), weight, rtol=1e-6)


def test_clipping_by_the_norm_of_all_gradients():
    builder = OptimizerBuilder({"type": "SGD"}, clip_grad_by_norm=2.0)
    found = steps(builder, np.array([[3.0, 0, 4], [0.3, 0, 0.4]]), [1.0, 1.0])  # norms 5 and 0.5
    np.testing.assert_allclose(found, [1 - 3 * 2 / 5 - 0.3, 2, 3 - 4 * 2 / 5 - 0.4], rtol=1e-6)


def test_a_parameter_may_have_its_own_decay_and_frozen_ones_stay():
    attr = paddle.ParamAttr(regularizer=paddle.regularizer.L2Decay(0.0))
    layer = paddle.nn.Linear(1, 1, weight_attr=attr)
    frozen = paddle.nn.Linear(1, 1)
    for parameter in frozen.parameters():
        parameter.stop_gradient = True
    model = paddle.nn.LayerList([layer, frozen])
    for parameter in model.parameters():
        parameter.set_value(paddle.ones_like(parameter))
    builder = OptimizerBuilder({"type": "Momentum", "momentum": 0.9}, {"type": "L2", "factor": 0.5})
    optimizer = builder(0.1, model)
    (layer(paddle.zeros([1, 1])) * 0).sum().backward()  # gradients of 0: only the decay acts
    optimizer.step()
    assert layer.weight.numpy().tolist() == [[1]]
    assert layer.bias.numpy() == pytest.approx([1 - 0.1 * 0.5])
    assert frozen.weight.numpy().tolist() == [[1]]
