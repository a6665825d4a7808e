"""The base learning rate of a run: scaled with the images per update, and told in one line."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from ppdet.core.config import values_set_together
from ppdet.core.errors import UserError
from ppdet.optim.schedule import CosineDecay, LearningRate, LinearWarmup, PiecewiseDecay, scaled_lr
from ppdet.training.setup import build_trainer
from tests.support.tiny import make_run, write_config, write_dataset

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


def test_the_hint_goes_by_the_batch_size_of_the_published_file(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        LearningRate(0.32).for_run(2, 1, published=(0.32, 64))
        LearningRate(0.01).for_run(2, 1, published=(0.32, 64))  # a rate of one's own
        LearningRate(0.32).for_run(64, 4, published=(0.32, 64))
    (line,) = caplog.messages
    assert line.startswith(
        "LearningRate.base_lr: 0.32 is taken as it is; if it is a published one, for 4 cards of 64 im"
    )
    assert "0.0025 fits 2 images per update" in line


def test_what_the_files_set_together(tmp_path: Path) -> None:
    for name, text in {
        "rate.yml": "LearningRate: {base_lr: 0.32}",
        "reader.yml": "TrainReader: {batch_size: 128}",
        "published.yml": "_BASE_: [rate.yml, reader.yml]\nTrainReader: {batch_size: 64}",
        "mine.yml": "_BASE_: published.yml\nTrainReader: {batch_size: 2}\nLearningRate: {base_lr: 0.1}",
    }.items():
        (tmp_path / name).write_text(text)
    keys = ("LearningRate.base_lr", "TrainReader.batch_size")
    assert values_set_together(tmp_path / "mine.yml", keys) == [0.32, 64]
    assert values_set_together(tmp_path / "published.yml", keys) == [0.32, 64]
    assert values_set_together(tmp_path / "rate.yml", keys) is None


COSINE, WARMUP = CosineDecay(max_epochs=2), LinearWarmup(steps=2, start_factor=0.1)
MISFITS = [
    ([COSINE, WARMUP], 2, 0, None),
    ([COSINE, WARMUP], 4, 0, "epochs 3 to 4 have learning rate 0; set LearningRate.schedulers.0.max_epochs"),
    ([WARMUP, COSINE], 4, 3, "epoch 4 has learning rate 0; set LearningRate.schedulers.1.max_epochs"),
    ([CosineDecay(2, min_lr_ratio=0.1)], 4, 0, None),
    ([COSINE], 1, 0, "the schedule takes 6 steps, the whole run 3; set LearningRate.schedulers.0.max_epochs"),
    (
        [PiecewiseDecay([2, 5])],
        4,
        0,
        "the schedule takes 15 steps, the whole run 12; set LearningRate.schedulers.0.miles",
    ),
    ([PiecewiseDecay([2, 4])], 4, 0, None),
    (
        [LinearWarmup(steps=300)],
        2,
        0,
        "the warm-up takes 300 steps, the whole run 6; set LearningRate.schedulers.0.steps",
    ),
    (
        [LinearWarmup(epochs=3)],
        2,
        0,
        "the warm-up takes 9 steps, the whole run 6; set LearningRate.schedulers.0.epochs",
    ),
    ([], 4, 0, None),
]


@pytest.mark.parametrize(("schedulers", "epochs", "start", "message"), MISFITS)
def test_a_schedule_that_does_not_fit_the_run(
    schedulers: list[Any], epochs: int, start: int, message: str | None
) -> None:
    found = LearningRate(0.1, schedulers).misfit(epochs, steps_per_epoch=3, start=start)
    assert found == message or (message and found.startswith(message))


def test_use_warmup() -> None:
    warmup = LinearWarmup(steps=4, start_factor=0.0)
    assert LearningRate(0.1, [CosineDecay(max_epochs=3), warmup]).at(0, 10) == 0
    assert LearningRate(0.1, [CosineDecay(max_epochs=3, use_warmup=False), warmup]).at(0, 10) == 0.1


def test_the_trainer_warns_once_before_the_first_step(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_dataset(tmp_path)
    config = write_config(tmp_path)
    longer = make_run(config, "LearningRate.schedulers=[!CosineDecay {max_epochs: 1}]", "epoch=3")
    build_trainer(longer)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line for line in said if "learning rate 0" in line] == [
        "epochs 2 to 3 have learning rate 0; set LearningRate.schedulers.0.max_epochs"
    ]


def test_the_trainer_applies_it(tmp_path: Path) -> None:
    write_dataset(tmp_path)
    config = write_config(tmp_path)  # batches of 2, base_lr 0.02 of its own
    reference = ("LearningRate.reference_lr=0.02", "LearningRate.reference_batch_size=8")
    assert build_trainer(make_run(config))[0].learning_rate.base_lr == 0.02
    trainer, _ = build_trainer(make_run(config, *reference))
    assert trainer.learning_rate.base_lr == trainer.optimizer.get_lr() == 0.005
