"""Losses and times between two log lines."""

from __future__ import annotations

import paddle
import pytest

from ppdet.training.meter import LossError, Meter, describe, duration


def filled(*losses: float) -> Meter:
    """A meter with one step of two images for each loss."""
    meter = Meter()
    for number, loss in enumerate(losses):
        total = paddle.to_tensor(loss)
        meter.add({"loss": total, "loss_vfl": total / 2}, paddle.to_tensor([2 * number, 2 * number + 1]), 0.25)
    return meter


def test_read_gives_means():
    found = filled(1.0, 2.0, 6.0).read(3)
    assert (found["loss"], found["loss_vfl"], found["data_seconds"]) == (3, 1.5, 0.25)
    assert found["images_per_second"] * found["step_seconds"] == pytest.approx(2)
    assert all(type(value) is float for value in found.values())


def test_losses_are_read_at_once(monkeypatch):
    """One transfer from the device for a whole log interval."""
    reads, numpy = [], paddle.Tensor.numpy
    monkeypatch.setattr(paddle.Tensor, "numpy", lambda tensor: reads.append(tensor.shape) or numpy(tensor))
    filled(*map(float, range(20))).read(20)
    assert len(reads) == 1


def test_the_first_loss_that_is_not_finite_is_named():
    meter = filled(1.0, float("inf"), float("nan"))
    message = (
        r"^loss: became inf at step 11, images 2\.jpg, 3\.jpg; lower LearningRate\.base_lr, lengthen the warm-up or "
    )
    with pytest.raises(LossError, match=message) as caught:
        meter.read(12, lambda number: f"{number}.jpg")
    assert caught.value.update == 11


def test_duration():
    assert duration(3723.9) == "1:02:03"
    assert duration(86400 + 7384) == "1d 2:03:04"


def test_describe():
    numbers = {"epoch": 2, "step": 3, "loss": 1.5, "loss_vfl": 0.25, "lr": 0.01, "images_per_second": 12.34}
    numbers |= {"data_seconds": 0.001, "step_seconds": 0.5, "memory_mb": 812.6, "eta_seconds": 59.2}
    assert describe(numbers, 4, 10) == (
        "epoch 2/4 step 3/10 loss 1.5000 loss_vfl 0.2500 lr 0.010000 12.3 images/s data 0.001 s step 0.500 s "
        "memory 813 MB eta 0:01:00"
    )
