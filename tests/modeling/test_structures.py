"""Structures: the divisors of the losses, and the fields of the ground truths."""

from __future__ import annotations

import paddle
import pytest

from ppdet.core import targets
from ppdet.modeling.structures import LossSums, Targets


def test_normalize_divides_the_class_loss_by_the_first_factor_and_the_others_by_the_second():
    sums = LossSums(*(paddle.to_tensor(value) for value in (6.0, 10.0, 5.0)))
    found = {name: float(value) for name, value in sums.normalize(paddle.to_tensor([2.0, 4.0])).items()}
    assert found == pytest.approx({"loss": 3 + 2.5 + 1.25, "loss_vfl": 3, "loss_bbox": 2.5, "loss_dfl": 1.25})
    assert [value.shape for value in sums.normalize(paddle.to_tensor([2.0, 4.0])).values()] == [[]] * 4


def test_targets_are_those_of_the_reader():
    assert Targets is targets.Targets
    assert Targets._fields == ("gt_class", "gt_bbox", "pad_gt_mask", "gt_score")
