"""The synthetic step: its batch, its size by time and memory, and the speeds it gives."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import paddle
import pytest

from ppdet.doctor_bench import train_speed
from ppdet.doctor_bench.task import NotMeasured, Task
from ppdet.doctor_bench.timing import Speed, Step
from ppdet.doctor_bench.train_speed import affordable_batch, measure_train_step, with_enough_memory
from ppdet.training import trial_step


def task(config: Path, mode: str, batch: int = 0) -> Task:
    return Task("step", "train_step", str(config), ["device=cpu"], 0.01, mode, batch)


@pytest.mark.parametrize(
    ("mode", "batch", "said"),
    [("float32", 2, ""), pytest.param("to_static", 0, r" \(published: 2\)", marks=pytest.mark.slow)],
)
def test_speed_of_a_step(tiny: Path, mode: str, batch: int, said: str) -> None:
    result = measure_train_step(task(tiny, mode, batch))
    [(title, text)] = result.lines
    size = batch or 1
    assert title == "step"
    assert re.fullmatch(rf"[\d.]+ images/s \(\S+ to \S+ in 3 x 1 step\), batch {size}{said}, peak memory \d+ MB", text)
    assert (result.numbers["batch"], result.numbers["steps"]) == (size, 1)
    assert result.numbers["speed"] > 0


def test_a_config_whose_batch_is_to_be_measured(tiny: Path) -> None:
    auto = replace(task(tiny, "float32"), overrides=["device=cpu", "TrainReader.batch_size=auto"], seconds=60)
    assert measure_train_step(replace(auto, batch=2, steps=1)).lines[0][1].find("batch 2 (published: 16)") > 0


def test_a_cpu_has_no_mixed_precision(tiny: Path) -> None:
    with pytest.raises(NotMeasured, match="cpu has no mixed precision"):
        measure_train_step(task(tiny, "amp"))


def test_a_step_whose_loss_is_not_finite_has_no_speed(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"loss": paddle.to_tensor(float("nan"))}
    monkeypatch.setattr(trial_step, "train_step", lambda *parts, reduce: broken)
    with pytest.raises(RuntimeError, match="the loss became nan"):
        measure_train_step(task(tiny, "float32", 1))


@pytest.mark.parametrize(
    ("seconds_per_image", "most", "batch"),
    [(0.001, 64, 64), (0.02, 64, 64), (0.1, 64, 16), (1, 64, 4), (60, 64, 4), (60, 12, 1), (60, 1, 1)],
)
def test_a_slow_device_gets_a_smaller_batch(
    monkeypatch: pytest.MonkeyPatch, seconds_per_image: float, most: int, batch: int
) -> None:
    """A block may take 2 s; the first step of a size is slow, and does not count."""
    now, tried = 0.0, list[int]()

    def step(count: int) -> int:
        nonlocal now
        now += count * seconds_per_image * (1 if count in tried else 100)
        tried.append(count)
        return count

    monkeypatch.setattr(train_speed.time, "perf_counter", lambda: now)
    assert affordable_batch(lambda count: partial(step, count), most, 2.0, lambda: None) == batch


def test_a_batch_that_does_not_fit_into_memory_is_the_last_that_is_tried() -> None:
    def make_step(count: int) -> Step:
        if count == 16:
            raise RuntimeError("Out of memory")
        return lambda: count

    assert affordable_batch(make_step, 64, 2.0, lambda: None) == 16  # `with_enough_memory` halves it


def test_a_rank_does_not_halve_its_batch_alone(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(*parts: object, reduce: object) -> None:
        raise RuntimeError("Out of memory error on GPU 0.")

    monkeypatch.setattr(trial_step, "train_step", without_memory)
    made = []
    monkeypatch.setattr(train_speed, "synthetic_batch", lambda count, *_: made.append(count))
    with pytest.raises(RuntimeError, match="Out of memory"):
        measure_train_step(replace(task(tiny, "float32", 2), steps=3))
    assert made == [2]


@pytest.mark.parametrize(("fits", "batch"), [(64, 64), (40, 32), (5, 4), (1, 1)])
def test_a_batch_without_enough_memory_is_halved(fits: int, batch: int) -> None:
    def measure(count: int) -> Speed:
        if count > fits:
            raise RuntimeError("ResourceExhaustedError: Out of memory error on GPU 0.")
        return Speed([float(count)], 1)

    assert with_enough_memory(measure, 64) == (batch, Speed([float(batch)], 1))


@pytest.mark.parametrize("message", ["Out of memory", "no kernel"])
def test_other_errors_and_a_single_image_that_does_not_fit_stay_errors(message: str) -> None:
    tried = []

    def measure(count: int) -> Speed:
        tried.append(count)
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match=message):
        with_enough_memory(measure, 4)
    assert tried == ([4, 2, 1] if message == "Out of memory" else [4])


def test_a_step_in_mixed_precision(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for a device with mixed precision; what the step hands on is seen, the CPU computes in float32."""
    types = []
    monkeypatch.setattr(train_speed, "amp_dtype", lambda kind: "float16")
    step = trial_step.train_step

    def seen(*parts: Any, reduce: Any) -> dict[str, paddle.Tensor]:
        *others, _, amp = parts  # Paddle switches scalers off on CPUs
        types.append(amp)
        return step(*others, paddle.amp.GradScaler(enable=False), None, reduce)

    monkeypatch.setattr(trial_step, "train_step", seen)
    [(_, text)] = measure_train_step(task(tiny, "amp", 2)).lines
    assert ", batch 2 float16, peak memory " in text
    assert set(types) == {"float16"}
