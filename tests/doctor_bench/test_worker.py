"""A measurement in a process of its own, and what becomes of its errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.doctor_bench import worker
from ppdet.doctor_bench.task import NotMeasured, Result, Task

TASK = Task("train step", "stub", "x.yml", [], 1.0)
PADDLE = "In user code:\n\n    PreconditionNotMetError: Tensor holds no memory.\n      [Hint: holder_ is null.]"


def raising(error: Exception) -> Callable[[Task], Result]:
    def measure(task: Task) -> Result:
        raise error

    return measure


@pytest.mark.parametrize(
    ("error", "text", "failed"),
    [
        (NotMeasured("cpu has no mixed precision"), "not measured: cpu has no mixed precision", False),
        (UserError("boxes.json: there is no such file"), "not measured: boxes.json: there is no such file", False),
        (RuntimeError(PADDLE), "failed: RuntimeError: PreconditionNotMetError: Tensor holds no memory.", True),
        (ValueError(), "failed: ValueError: no message", True),
    ],
)
def test_an_error_is_a_line(monkeypatch: pytest.MonkeyPatch, error: Exception, text: str, failed: bool) -> None:
    monkeypatch.setitem(worker.MEASUREMENTS, "stub", raising(error))
    assert worker.run(TASK) == Result([("train step", text)], failed=failed)


def test_memory_that_ran_out_is_no_fault_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(worker.MEASUREMENTS, "stub", raising(RuntimeError("Out of memory error on GPU 0.")))
    [(_, text)] = worker.run(TASK).lines
    assert text.startswith("not measured: batch_size: memory ran out (Out of memory error on GPU 0.); lower it")


def test_task_and_result_travel_as_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = []

    def measure(task: Task) -> Result:
        seen.append(task)
        return Result([(task.title, "1 images/s")], {"speed": 1.5})

    monkeypatch.setitem(worker.MEASUREMENTS, "stub", measure)
    (tmp_path / "task.json").write_text(json.dumps(asdict(TASK)))
    worker.main(tmp_path / "task.json", tmp_path / "result.json")
    assert seen == [TASK]
    result = json.loads((tmp_path / "result.json").read_text())
    assert result == {"lines": [["train step", "1 images/s"]], "numbers": {"speed": 1.5}, "failed": False}
