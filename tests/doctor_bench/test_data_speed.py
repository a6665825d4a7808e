"""The speed of reading and of whole trainings, and what a training's log lines say about it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.doctor_bench import data_speed
from ppdet.doctor_bench.data_speed import (
    Enough,
    Stopwatch,
    TrafficWatch,
    measure_reader,
    measure_traffic,
    measure_training,
)
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


def watched(seconds: float, lines: list[tuple[float, float]], interval: float) -> Stopwatch:
    """A stopwatch that saw log lines (images per second, seconds of waiting) every `interval` seconds."""
    now = 0.0
    watch = Stopwatch(seconds, lambda: now)
    for number, (rate, data) in enumerate(lines[:-1]):
        watch.on_record("train", number, numbers(rate, data, step=2.0))
        now += interval
    with pytest.raises(Enough):
        watch.on_record("train", len(lines), numbers(*lines[-1], step=2.0))
    return watch


def test_the_stopwatch_leaves_out_the_start() -> None:
    watch = watched(25, [(1.0, 5.0), (8.0, 0.2), (9.0, 0.2), (7.0, 0.2), (8.0, 0.6)], interval=8)
    assert watch.rates == [8.0, 9.0, 7.0, 8.0]
    assert watch.data_share == pytest.approx(1.2 / 8)


def test_slow_log_lines_are_waited_for() -> None:
    assert watched(1, [(1.0, 0.0)] * 4, interval=100).rates == [1.0] * 3


def test_traffic_is_recorded_between_two_log_lines() -> None:
    watch = TrafficWatch(Recorder())  # type: ignore[arg-type]  # a stand-in
    watch.on_record("train", 10, numbers(1.0))
    with pytest.raises(Enough):
        watch.on_record("train", 30, numbers(1.0))
    assert watch.traffic == "per update, of 20 with one log line: recorded 20 updates"


def test_training(tiny: Path) -> None:
    [(title, text)] = measure_training(task(tiny, "training")).lines
    assert title == "title"
    assert re.fullmatch(r"[\d.]+ images/s \(\S+ to \S+ in 3 log lines\), \d+% of it waiting for data", text)
    assert not (tiny.parent / "output").exists()  # nothing is kept


def test_traffic(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_speed, "device_profiler_works", lambda: False)
    [(_, text)] = measure_traffic(replace(task(tiny, "traffic"), steps=2)).lines
    found = re.match(r"per update, of (\d) with one log line: (\d+)(\.\d+)? operators; copies and waits: not rep", text)
    assert found
    assert found[1] in "12"  # an epoch has three updates, and ends with a log line
    assert int(found[2]) > 100


def test_reader(tiny: Path) -> None:
    [(title, text)] = measure_reader(task(tiny, "reader", "worker_num=1")).lines
    assert title == "title"
    assert re.fullmatch(r"[\d.]+ images/s \(\S+ to \S+ in \d x \d+ steps?\), 1 workers, batch 2", text)


def test_images_that_are_not_there(tiny: Path) -> None:
    for measure in (measure_reader, measure_training):
        with pytest.raises(UserError, match=r"none\.json: there is no such file"):
            measure(task(tiny, "x", "TrainDataset.anno_path=none.json"))
