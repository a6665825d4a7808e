"""The speed of reading and of whole trainings, and what a training's log lines say about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.doctor_bench import data_speed
from ppdet.doctor_bench.data_speed import TRAFFIC, Enough, Stopwatch, measure_reader, measure_training
from ppdet.doctor_bench.task import Task


class Recorder:
    """Stands for the profiler."""

    def __init__(self) -> None:
        self.started = False

    def start(self) -> None:
        self.started = True

    def describe(self, updates: int) -> str:
        assert self.started
        return f"recorded {updates} updates"


def numbers(rate: float, data: float = 0.0, step: float = 1.0) -> dict[str, float]:
    return {"images_per_second": rate, "data_seconds": data, "step_seconds": step}


def task(config: Path, kind: str, *overrides: str) -> Task:
    return Task("title", kind, str(config), ["device=cpu", *overrides], 0.01)


def watched(seconds: float, lines: list[tuple[int, float, float]], interval: float) -> Stopwatch:
    """A stopwatch that saw log lines (updates, images per second, seconds of waiting) every `interval` seconds."""
    now = 0.0
    watch = Stopwatch(seconds, Recorder, lambda: now)  # type: ignore[arg-type]  # a stand-in
    for updates, rate, data in lines[:-1]:
        watch.on_record("train", updates, numbers(rate, data, step=2.0))
        now += interval
    updates, rate, data = lines[-1]
    with pytest.raises(Enough):
        watch.on_record("train", updates, numbers(rate, data))
    return watch


def test_the_stopwatch_leaves_out_the_start_and_records_an_interval_at_the_end() -> None:
    lines = [(10, 1.0, 5.0), (20, 8.0, 0.2), (30, 9.0, 0.2), (40, 7.0, 0.2), (50, 8.0, 0.6), (60, 3.0, 1.0)]
    watch = watched(25, lines, interval=8)
    assert watch.rates == [8.0, 9.0, 7.0, 8.0]  # the first one began with the workers, the last one was recorded
    assert watch.data_share == pytest.approx(1.2 / 8)
    assert watch.traffic == "recorded 10 updates"


def test_slow_log_lines_are_waited_for() -> None:
    watch = watched(1, [(updates, 1.0, 0.0) for updates in range(1, 6)], interval=100)
    assert watch.rates == [1.0] * 3


def test_training(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_speed, "device_profiler_works", lambda: False)
    speed, traffic = measure_training(task(tiny, "training")).lines
    assert speed[0] == "title"
    rate = r"[\d.]+ images/s \(\S+ to \S+ in 3 log lines\)"
    assert re.fullmatch(rf"{rate}, \d+% of it waiting for data", speed[1])
    assert traffic[0] == TRAFFIC
    assert float(traffic[1].split(" operators; ")[0]) > 100
    assert not (tiny.parent / "output").exists()  # nothing is kept


def test_reader(tiny: Path) -> None:
    [(title, text)] = measure_reader(task(tiny, "reader", "worker_num=1")).lines
    assert title == "title"
    assert re.fullmatch(r"[\d.]+ images/s \(\S+ to \S+ in \d x \d+ steps?\), 1 workers, batch 2", text)


def test_images_that_are_not_there(tiny: Path) -> None:
    for measure in (measure_reader, measure_training):
        with pytest.raises(UserError, match=r"none\.json: there is no such file"):
            measure(task(tiny, "x", "TrainDataset.anno_path=none.json"))
