"""Detections are collected, checked, and scored again after a change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.metrics import Metric


class CountMetric(Metric):
    """The number of boxes, which is counted once."""

    primary = "boxes"

    def has_truth(self) -> bool:
        return True

    def compute(self) -> dict[str, float]:
        if self._evaluation is None:
            self._evaluation = float(sum(len(rows) for _, rows in self._found))
        return {"boxes": self._evaluation}

    def classwise(self) -> list[tuple[Any, ...]]:
        return []


@pytest.fixture
def metric() -> CountMetric:
    return CountMetric([SimpleNamespace(id=3, name="cat"), SimpleNamespace(id=5, name="dog")], [0, 2])


def test_detections_are_collected_as_float64(metric: CountMetric) -> None:
    metric.update(2, np.array([[1, 0.5, 1, 2, 3, 4]], np.float32))
    ((im_id, rows),) = metric._found
    assert (im_id, rows.dtype, rows.tolist()) == (2, np.float64, [[1, 0.5, 1, 2, 3, 4]])


def test_an_image_without_detections_may_have_any_empty_shape(metric: CountMetric) -> None:
    metric.update(0, np.zeros((0, 6), np.float32))
    metric.update(2, np.array([]))
    assert [rows.shape for _, rows in metric._found] == [(0, 6), (0, 6)]


def test_an_update_and_a_reset_end_the_last_evaluation(metric: CountMetric) -> None:
    row = np.array([[0, 0.5, 1, 2, 3, 4]])
    metric.update(0, row)
    assert metric.compute() == {"boxes": 1}
    metric.update(2, np.concatenate([row, row]))
    assert metric.compute() == {"boxes": 3}
    metric.reset()
    assert metric.compute() == {"boxes": 0}


@pytest.mark.parametrize("index", [-1, 2])
def test_a_class_that_the_ground_truth_lacks(metric: CountMetric, index: int) -> None:
    with pytest.raises(UserError, match=rf"^num_classes: the model found class index {index}, but .* has 2 classes"):
        metric.update(0, np.array([[index, 0.5, 1, 2, 3, 4]]))
    assert metric.compute() == {"boxes": 0}


def test_an_image_that_the_ground_truth_lacks(metric: CountMetric) -> None:
    with pytest.raises(UserError, match=r"^image_id 1: detected on, but not in the ground truth"):
        metric.update(1, np.zeros((0, 6)))
