"""The base learning rate of a run: scaled with the images per update, and reported in one line."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from ppdet.core.errors import UserError
from ppdet.optim.schedule import CosineDecay, LearningRate, LinearWarmup, PiecewiseDecay, scaled_lr
from ppdet.session import open_session
from ppdet.training.setup import build_trainer
from tests.support.tiny import make_run, write_config, write_dataset

SCALED = {"auto_scale": True, "reference_batch_size": 256}
ONE_CARD = "picodet_s_320_coco_lcnet"  # 64 images per card


def rate_of_run(
    caplog: pytest.LogCaptureFixture,
    batch_size: int,
    cards: int,
    accumulate_steps: int = 1,
    places: tuple[str, str] | None = None,
    **options: Any,
) -> tuple[float, str]:
    """The base rate of the run and the line that was logged, as `LEVEL message`."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        schedule = LearningRate(**{"base_lr": 0.32} | options).for_run(batch_size, cards, accumulate_steps, places)
    (record,) = caplog.records
    return schedule.base_lr, f"{record.levelname} {record.getMessage()}"


def test_linear_rule() -> None:
    assert scaled_lr(0.32, 512, 256) == 0.64
    assert scaled_lr(0.32, 64, 256) == 0.08
    assert scaled_lr(0.1, 7, 7) == 0.1  # the very same number, not one rounding away


@pytest.mark.parametrize(
    ("batch_size", "cards", "accumulate_steps", "rate"),
    [(64, 4, 1, 0.32), (64, 8, 1, 0.64), (64, 1, 1, 0.08), (32, 4, 1, 0.16), (64, 1, 4, 0.32), (8, 2, 4, 0.08)],
)
def test_the_rate_is_scaled(
    batch_size: int, cards: int, accumulate_steps: int, rate: float, caplog: pytest.LogCaptureFixture
) -> None:
    found, said = rate_of_run(caplog, batch_size, cards, accumulate_steps, **SCALED)
    change = f" becomes {rate} for {batch_size * cards * accumulate_steps} (auto_scale: false keeps it)"
    same = ", for 256 images per update as in this run"
    assert found == rate
    assert said == "INFO LearningRate.base_lr: 0.32" + (same if rate == 0.32 else f" for 256 images per update{change}")


@pytest.mark.parametrize("rate", [0.32, 0.3199, 0.02])
def test_every_value_is_scaled_alike(rate: float, caplog: pytest.LogCaptureFixture) -> None:
    assert rate_of_run(caplog, 64, 1, **SCALED, base_lr=rate)[0] == rate / 4
    assert rate_of_run(caplog, 64, 1, reference_batch_size=256, base_lr=rate)[0] == rate / 4
    assert rate_of_run(caplog, 64, 1, **SCALED | {"auto_scale": False}, base_lr=rate)[0] == rate


def test_a_rate_that_is_set_apart_from_its_batch_size_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    places = ("my.yml:9", "base.yml:7")
    assert rate_of_run(caplog, 16, 1, places=places, **SCALED, base_lr=0.02) == (
        0.00125,
        "WARNING LearningRate.base_lr: 0.02 (my.yml:9) for 256 images per update (base.yml:7) becomes 0.00125 for 16; "
        "set reference_batch_size beside base_lr, or auto_scale: false to keep it",
    )
    assert rate_of_run(caplog, 64, 4, places=places, **SCALED)[1].startswith("INFO ")


def test_without_scaling(caplog: pytest.LogCaptureFixture) -> None:
    assert rate_of_run(caplog, 64, 8, **SCALED | {"auto_scale": False}) == (
        0.32,
        "INFO LearningRate.base_lr: 0.32 is taken as it is (auto_scale: false)",
    )


def test_a_file_of_paddledetection_is_taken_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    assert rate_of_run(caplog, 64, 1) == (
        0.32,
        "INFO LearningRate.base_lr: 0.32 is taken as it is, for 64 images per update; give the images that it is for "
        "as reference_batch_size to have it scaled (PaddleDetection's files: 4 x batch_size)",
    )


@pytest.mark.parametrize(
    ("overrides", "rate", "places"),
    [
        ([], 0.08, None),
        (["LearningRate.base_lr=0.32"], 0.08, "-o"),
        (["LearningRate.base_lr=0.3199"], 0.079975, "-o"),
        (["LearningRate.base_lr=0.3199", "LearningRate.auto_scale=false"], 0.3199, "-o"),
        (["LearningRate.reference_batch_size=64", "LearningRate.base_lr=0.05"], 0.05, None),
        (["LearningRate={base_lr: 0.05, reference_batch_size: 64}"], 0.05, None),
    ],
)
def test_a_rate_on_the_command_line(
    overrides: list[str], rate: float, places: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    session = open_session(ONE_CARD, ["device=cpu", *overrides])
    assert (session.rate_places or [None])[0] == places
    run = session.builder.build("LearningRate").for_run(64, cards=1, places=session.rate_places)
    assert run.base_lr == pytest.approx(rate, rel=1e-12)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == (places is not None and rate < 0.3)
    assert all("(-o) for 256 images per update (" in line and "optimizer_300e.yml:" in line for line in warned)


def test_where_a_file_sets_the_rate(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(f"_BASE_: {ONE_CARD}\nLearningRate:\n  base_lr: 0.02\n")
    places = open_session(tmp_path / "mine.yml", ["device=cpu"]).rate_places
    assert places is not None
    assert places[0] == f"{tmp_path}/mine.yml:3"
    (tmp_path / "mine.yml").write_text(
        f"_BASE_: {ONE_CARD}\nLearningRate: {{base_lr: 0.02, reference_batch_size: 16}}\n"
    )
    assert open_session(tmp_path / "mine.yml", ["device=cpu"]).rate_places is None


def test_the_key_of_an_earlier_release() -> None:
    with pytest.raises(
        UserError, match="^LearningRate.reference_lr: is no longer an option; base_lr itself belongs to"
    ):
        open_session(ONE_CARD, ["device=cpu", "LearningRate.reference_lr=0.32"])


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
    config = write_config(tmp_path)  # batches of 2, base_lr 0.02, auto_scale: false
    assert build_trainer(make_run(config))[0].learning_rate.base_lr == 0.02
    scaled = ("LearningRate.auto_scale=true", "LearningRate.reference_batch_size=8")
    trainer, _ = build_trainer(make_run(config, *scaled))
    assert trainer.learning_rate.base_lr == trainer.optimizer.get_lr() == 0.005
