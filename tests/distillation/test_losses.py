"""Values against the loops of tests/references; gradients reach the student alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import paddle
import pytest

from ppdet.distillation.losses import (
    BoxDistillation,
    ClassDistillation,
    DistillationLoss,
    FeatureDistillation,
    Predictions,
)
from tests.references import distillation as reference

SHAPES = {"prob": (2, 5, 3), "reg": (2, 5, 4, 8), "features": (2, 5, 6)}


def predictions(seed: int) -> Predictions:
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    arrays["prob"] = rng.uniform(0.01, 0.99, SHAPES["prob"])
    return Predictions(**{name: paddle.to_tensor(array.astype(np.float32)) for name, array in arrays.items()})


def summed(field: str, difference: Callable[..., float], student: Predictions, teacher: Predictions) -> float:
    """The sum over the points of the reference `difference` of a field, times the certainty."""
    total = 0.0
    for image in range(2):
        for point in range(5):
            parts = [getattr(each, field)[image, point].numpy().tolist() for each in (student, teacher)]
            total += difference(*parts) * reference.certainty(teacher.prob[image, point].tolist())
    return total


@pytest.mark.parametrize("gamma", [0.0, 1.0, 1.5, 2.0])
def test_class_scores(gamma):
    student, teacher = predictions(0), predictions(1)
    found = float(ClassDistillation(weight=1.5, gamma=gamma)(student, teacher))
    expected = summed("prob", lambda s, t: reference.class_difference(s, t, gamma), student, teacher)
    assert found == pytest.approx(1.5 * expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 10.0])
def test_boxes(temperature):
    student, teacher = predictions(0), predictions(1)
    found = float(BoxDistillation(weight=0.5, temperature=temperature)(student, teacher))
    expected = summed("reg", lambda s, t: reference.box_difference(s, t, temperature), student, teacher)
    assert found == pytest.approx(0.5 * expected, rel=1e-4)


def test_features():
    student, teacher = predictions(0), predictions(1)
    found = float(FeatureDistillation(weight=2)(student, teacher))
    assert found == pytest.approx(2 * summed("features", reference.feature_difference, student, teacher), rel=1e-5)


@pytest.mark.parametrize(
    "loss", [ClassDistillation(gamma=1), BoxDistillation(), FeatureDistillation()], ids=lambda x: x.name
)
def test_equal_predictions_cost_nothing(loss: DistillationLoss):
    same = predictions(0)
    assert float(loss(same, same)) == pytest.approx(0, abs=1e-5)
    assert float(loss(predictions(1), same)) > 0.01


def test_a_class_score_is_pulled_towards_the_teacher():
    """The weight |difference| ** gamma is a constant of the gradient: (p - t) / (p (1 - p)) |p - t|."""
    prob = paddle.to_tensor([[[0.2, 0.9]]], stop_gradient=False)
    student = Predictions(prob, paddle.zeros([1, 1, 4, 8]))
    teacher = Predictions(paddle.to_tensor([[[0.6, 0.5]]]), student.reg)
    ClassDistillation(gamma=1.0)(student, teacher).backward()
    certainty = 0.36
    expected = [-0.4 / (0.2 * 0.8) * 0.4 * certainty, 0.4 / (0.9 * 0.1) * 0.4 * certainty]
    assert prob.grad.numpy().ravel() == pytest.approx(expected, rel=1e-4)


def test_a_nan_of_the_student_passes_the_class_loss():
    """It reaches the sum of all losses through the student's own, which is reported with its step and images."""
    teacher = predictions(1)
    student = predictions(0)._replace(prob=paddle.full(SHAPES["prob"], float("nan")))
    assert np.isnan(float(ClassDistillation(gamma=1.0)(student, teacher)))
    assert np.isfinite(float(ClassDistillation(gamma=0.0)(student, teacher)))
