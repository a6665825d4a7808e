"""The average of the weights against the loop of tests/references/schedules.py; 1e-5 relative, since it is float32."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.optim.ema import ModelEMA
from tests.references.schedules import averages


def run(ema: ModelEMA, layer: paddle.nn.Layer, weights: np.ndarray) -> list[np.ndarray]:
    """The average of the weight after each update."""
    found = []
    for value in weights:
        layer.weight.set_value(paddle.to_tensor(value))
        ema.update()
        found.append(ema.averaged()["weight"])
    return found


@pytest.mark.parametrize("decay", [0.9998, 0.3])
@pytest.mark.parametrize("kind", ["threshold", "normal", "exponential"])
def test_equals_the_reference(kind, decay):
    weights = np.random.default_rng(0).normal(2, 1, (40, 3, 2)).astype(np.float32)
    layer = paddle.nn.Linear(3, 2)
    found = run(ModelEMA(layer, decay, kind), layer, weights)
    # dividing by 1 - 0.9998 = 2e-4 magnifies the rounding of 1 - decay to float32, and with it the first averages
    tolerance = 1e-3 if kind == "normal" and decay > 0.9 else 1e-5
    np.testing.assert_allclose(found, averages(weights, decay, kind), rtol=tolerance)


def test_hand_computed():
    layer = paddle.nn.Linear(1, 1)
    found = run(ModelEMA(layer), layer, np.float32([[[1]], [[2]], [[4]]]))
    # d = 1/10, 2/11, 3/12: sums 0.9, 0.1636 + 1.6364 = 1.8, 0.45 + 3 = 3.45
    expected = [0.9 / (1 - 0.1), 1.8 / (1 - (2 / 11) ** 2), 3.45 / (1 - 0.25**3)]
    assert np.reshape(found, -1) == pytest.approx(expected, rel=1e-6)


def test_what_is_left_out_is_the_weight_itself():
    layer = paddle.nn.Linear(1, 1)
    ema = ModelEMA(layer, left_out=["weight"])
    assert np.reshape(run(ema, layer, np.float32([[[1]], [[2]]])), -1).tolist() == [1, 2]
    ema.update()
    assert ema.averaged().keys() == {"weight", "bias"}


def test_cycles_count_epochs():
    layer = paddle.nn.Linear(2, 1)
    weights = np.random.default_rng(1).normal(size=(9, 2, 1)).astype(np.float32)
    ema, found = ModelEMA(layer, cycle_epoch=2), []
    for epoch in range(9):
        ema.start_epoch(epoch)
        found += run(ema, layer, weights[epoch : epoch + 1])
    expected = [averages(weights[epoch - epoch % 2 : epoch + 1], 0.9998, "threshold")[-1] for epoch in range(9)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    never = ModelEMA(layer)
    run(never, layer, weights)
    never.start_epoch(300)
    assert never.step == 9


def test_what_is_loaded_goes_on():
    layer = paddle.nn.Linear(2, 1)
    weights = np.random.default_rng(2).normal(size=(8, 2, 1)).astype(np.float32)
    whole, first, second = ModelEMA(layer), ModelEMA(layer), ModelEMA(layer)
    expected = run(whole, layer, weights)
    run(first, layer, weights[:5])
    second.load(first.state(), first.step)
    np.testing.assert_array_equal(run(second, layer, weights[5:]), expected[5:])


def test_the_norms_statistics_are_averaged_as_well():
    norm = paddle.nn.BatchNorm1D(2)
    ema = ModelEMA(norm)
    norm._mean.set_value(paddle.to_tensor([3.0, 5]))
    ema.update()
    norm._mean.set_value(paddle.to_tensor([1.0, 1]))
    ema.update()
    expected = averages(np.array([[3.0, 5], [1, 1]]), 0.9998, "threshold")[-1]
    np.testing.assert_allclose(ema.averaged()["_mean"], expected, rtol=1e-6)
