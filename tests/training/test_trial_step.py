"""Synthetic batches, and steps that leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle

from ppdet.training.trial_step import TrialStep, synthetic_batch
from tests.support.distilled import distilling
from tests.support.tiny import make_run


def test_the_batch_is_the_same_each_time_and_its_boxes_lie_in_the_images() -> None:
    batch, again = (synthetic_batch(3, (64, 96), 5) for _ in range(2))
    for name in ("image", "gt_bbox", "gt_class"):
        np.testing.assert_array_equal(getattr(batch, name).numpy(), getattr(again, name).numpy())
    assert batch.image.shape == [3, 3, 64, 96]
    assert batch.image.dtype == batch.gt_bbox.dtype == paddle.float32
    boxes = batch.gt_bbox.numpy().reshape(-1, 4)
    assert (boxes >= 0).all()
    assert (boxes <= [96, 64, 96, 64]).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= 0.05 * np.array([96, 64]) - 1e-3).all()
    assert set(batch.gt_class.numpy().ravel()) <= set(range(5))


def test_a_trial_step_has_the_teacher(tiny: Path) -> None:
    session = make_run(distilling(tiny))
    categories = session.load_annotated("TrainDataset").categories
    losses = TrialStep(session, None, synthetic_batch(2, (64, 64), len(categories)), categories)(0)
    assert "loss_distill_box" in losses
