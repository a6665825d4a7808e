"""Losses and their gradients against hand-computed values and the loops of tests/references.

Tolerances: values 1e-5 relative (float32); gradients 1e-4, since the references differentiate by differences, whose
own error is about 1e-8.
"""

from __future__ import annotations

import math

import numpy as np
import paddle
import pytest

from ppdet.modeling.losses import (
    DistributionFocalLoss,
    GIoULoss,
    VarifocalLoss,
    power,
    varifocal_loss,
)
from tests.references import boxes, losses
from tests.support.models import random_boxes


def value_and_gradient(loss, pred: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    variable = paddle.to_tensor(pred.astype(np.float32), stop_gradient=False)
    value = loss(variable, paddle.to_tensor(target.astype(np.float32)))
    value.sum().backward()
    return value.numpy(), variable.grad.numpy()


def scores_and_targets() -> tuple[np.ndarray, np.ndarray]:
    """[6, 7] probabilities and targets; two of three targets are 0, and one is 1."""
    rng = np.random.default_rng(0)
    prob = rng.uniform(0.01, 0.99, (6, 7))
    target = np.where(rng.random((6, 7)) < 0.3, rng.uniform(0.05, 1, (6, 7)), 0.0)
    target[0, 0] = 1.0
    return prob, target


@pytest.mark.parametrize(
    "options", [{}, {"alpha": 0.25}, {"gamma": 1.0}, {"gamma": 1.5}, {"iou_weighted": False}], ids=str
)
@pytest.mark.parametrize("use_sigmoid", [False, True])
def test_varifocal(use_sigmoid, options):
    prob, target = scores_and_targets()
    pred = np.log(prob / (1 - prob)) if use_sigmoid else prob
    found, gradient = value_and_gradient(VarifocalLoss(use_sigmoid, loss_weight=1.5, **options), pred, target)

    def total(pred: np.ndarray) -> float:
        return sum(map(one, pred.flat, target.flat))

    def one(p: float, t: float) -> float:
        return 1.5 * losses.varifocal(losses.sigmoid(p) if use_sigmoid else p, t, **options)

    np.testing.assert_allclose(found, np.vectorize(one)(pred, target), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, losses.gradient(total, pred), rtol=1e-4, atol=1e-5)


def test_hand_computed_varifocal():
    loss = VarifocalLoss(use_sigmoid=False)
    found = loss(paddle.to_tensor([0.5, 0.5, 0.9]), paddle.to_tensor([0.0, 0.8, 1.0])).numpy()
    # negative: 0.75 * 0.5^2 * ln 2; positive: 0.8 * (0.8 * ln 2 + 0.2 * ln 2)
    assert found == pytest.approx([0.1875 * math.log(2), 0.8 * math.log(2), -math.log(0.9)], rel=1e-5)


def test_the_assigners_varifocal_cost():
    prob, target = scores_and_targets()
    prob[0] = [0, 1, 1e-12, 1e-3, 0.5, 0, 1]  # certain, right or wrong: the logarithm ends at -100
    target[0] = [0, 0, 0.5, 1, 0.5, 1, 1]
    found = varifocal_loss(*(paddle.to_tensor(x.astype(np.float32)) for x in (prob, target))).numpy()
    np.testing.assert_allclose(found, np.vectorize(losses.varifocal)(prob, target), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bins", [8, 17])
def test_distribution_focal(bins):
    rng = np.random.default_rng(bins)
    logits = rng.normal(0, 3, (9, bins))
    target = rng.uniform(0, bins - 1.1, 9)
    target[:3] = 0.0, 3.0, bins - 1.1  # on a bin: all weight is on it
    loss = DistributionFocalLoss(loss_weight=0.25)
    found, gradient = value_and_gradient(loss, logits, target)
    expected = [0.25 * losses.distribution_focal(row, t) for row, t in zip(logits, target, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

    def total(logits: np.ndarray) -> float:
        return sum(0.25 * losses.distribution_focal(row, t) for row, t in zip(logits, target, strict=True))

    np.testing.assert_allclose(gradient, losses.gradient(total, logits), rtol=1e-4, atol=1e-5)


def test_hand_computed_distribution_focal():
    logits = np.log([[0.5, 0.25, 0.125, 0.125]])
    found = DistributionFocalLoss()(paddle.to_tensor(logits.astype(np.float32)), paddle.to_tensor([1.25])).numpy()
    assert found == pytest.approx([0.75 * math.log(4) + 0.25 * math.log(8)], rel=1e-5)


@pytest.mark.parametrize("sides", [(1.0, 20.0), (0.05, 0.5)])
def test_giou_loss(sides):
    pred, target = (random_boxes(12, sides, seed).astype(np.float64) for seed in (2, 3))
    found, gradient = value_and_gradient(GIoULoss(loss_weight=2.5), pred, target)

    def each(pred: np.ndarray) -> list[float]:
        return [2.5 * (1 - boxes.giou(a, b)) for a, b in zip(pred, target, strict=True)]

    np.testing.assert_allclose(found, each(pred), rtol=1e-5, atol=1e-5)
    expected = losses.gradient(lambda pred: sum(each(pred)), pred, step=1e-6)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert (GIoULoss().eps, GIoULoss().loss_weight) == (1e-10, 1)


@pytest.mark.parametrize("exponent", [0.5, 1, 2, 3, 6])
def test_power(exponent):
    x = np.float32([0, 0.1, 0.5, 1, 2])
    np.testing.assert_allclose(
        power(paddle.to_tensor(x), exponent).numpy(), x.astype(np.float64) ** exponent, rtol=1e-6
    )


def test_a_confident_mistake_keeps_its_gradient():
    logits = paddle.to_tensor([[20.0, -105.0]], stop_gradient=False)
    loss = VarifocalLoss(use_sigmoid=True)(logits, paddle.to_tensor([[0.0, 0.8]]))
    loss.sum().backward()
    np.testing.assert_allclose(loss.numpy(), [[15.0, 67.2]], rtol=1e-4)  # by hand: 0.75 * 20 and 0.8 * 0.8 * 105
    np.testing.assert_allclose(logits.grad.numpy(), [[0.75, -0.64]], rtol=1e-4)
