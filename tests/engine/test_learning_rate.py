"""The base learning rate of a run: scaled with the images per update, and told in one line."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from ppdet.core.errors import UserError
from ppdet.engine.optim import CosineDecay, LearningRate, LinearWarmup, scaled_lr
from ppdet.engine.trainer import build_trainer
from tests.engine.tiny import make_run, write_config, write_dataset

SCALED = {"auto_scale": True, "reference_batch_size": 256}


def rate_of_run(
    caplog: pytest.LogCaptureFixture, batch_size: int, cards: int, accumulate_steps: int = 1, **options: Any
) -> tuple[float, list[str]]:
    """The base rate of the run and what was logged, as `LEVEL message`."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        schedule = LearningRate(**{"base_lr": 0.32} | options).for_run(batch_size, cards, accumulate_steps)
    return schedule.base_lr, [f"{record.levelname} {record.getMessage()}" for record in caplog.records]


def test_linear_rule() -> None:
    assert scaled_lr(0.32, 512, 256) == 0.64
    assert scaled_lr(0.32, 64, 256) == 0.08
    assert scaled_lr(0.1, 7, 7) == 0.1  # the very same number, not one rounding away


@pytest.mark.parametrize(
    ("batch_size", "cards", "accumulate_steps", "rate"),
    [(64, 4, 1, 0.32), (64, 8, 1, 0.64), (64, 1, 1, 0.08), (32, 4, 1, 0.16), (64, 1, 4, 0.32), (8, 2, 4, 0.08)],
)
def test_published_rate_is_scaled(
    batch_size: int, cards: int, accumulate_steps: int, rate: float, caplog: pytest.LogCaptureFixture
) -> None:
    found, said = rate_of_run(caplog, batch_size, cards, accumulate_steps, **SCALED)
    images = batch_size * cards * accumulate_steps
    expected = f"INFO LearningRate.base_lr: 0.32 for 256 images per update becomes {rate} for {images}"
    assert found == rate
    assert [line.split(" (")[0] for line in said] == [expected] * (rate != 0.32)


def test_a_rate_of_ones_own_is_taken_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    found, said = rate_of_run(caplog, 16, 1, **SCALED, base_lr=0.02, reference_lr=0.32)
    assert (found, said) == (0.02, ["INFO LearningRate.base_lr: 0.02, your own, is taken as it is"])


def test_without_scaling(caplog: pytest.LogCaptureFixture) -> None:
    assert rate_of_run(caplog, 64, 8, **SCALED | {"auto_scale": False}) == (0.32, [])
    assert rate_of_run(caplog, 64, 4) == (0.32, [])


def test_a_config_without_the_keys_gets_the_fitting_value_told(caplog: pytest.LogCaptureFixture) -> None:
    found, said = rate_of_run(caplog, 64, 8)
    assert found == 0.32
    assert said == [
        "WARNING LearningRate.base_lr: 0.32 is taken as it is; if it is a published one, for 4 cards of 64 images, "
        "0.64 fits 512 images per update (LearningRate.auto_scale settles it)"
    ]


def test_the_whole_schedule_follows() -> None:
    schedule = LearningRate(0.32, [LinearWarmup(steps=4, start_factor=0.1), CosineDecay(max_epochs=3)], **SCALED)
    run = schedule.for_run(64, cards=1)
    for step in range(30):
        assert run.at(step, steps_per_epoch=10) == pytest.approx(schedule.at(step, steps_per_epoch=10) / 4)
    assert schedule.base_lr == 0.32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"auto_scale": True}, "LearningRate.reference_batch_size: required by auto_scale, not given"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        LearningRate(0.1, **options)


def test_the_trainer_applies_it(tmp_path: Path) -> None:
    write_dataset(tmp_path)
    config = write_config(tmp_path)  # batches of 2, base_lr 0.02 of its own
    reference = ("LearningRate.reference_lr=0.02", "LearningRate.reference_batch_size=8")
    assert build_trainer(make_run(config))[0].learning_rate.base_lr == 0.02
    trainer, _ = build_trainer(make_run(config, *reference))
    assert trainer.learning_rate.base_lr == trainer.optimizer.get_lr() == 0.005
