"""Which measurements are made, with what, and what one hands to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ppdet.doctor_bench.plan import MODELS, Plan
from ppdet.doctor_bench.task import Result, Task
from ppdet.utils.download import PUBLISHED_WEIGHTS

CARDS = ["iluvatar_gpu:0", "iluvatar_gpu:1", "cpu"]


@dataclass
class Machine:
    """Runs tasks in no time: train steps at 100 images/s, at 80 on each of two cards."""

    broken: str = ""  # the title of a task that fails
    tasks: list[tuple[Task, Sequence[Mapping[str, str]]]] = field(default_factory=list)

    def run(self, task: Task, environments: Sequence[Mapping[str, str]] = ({},)) -> Result:
        self.tasks.append((task, environments))
        if task.title == self.broken:
            return Result([(task.title, "failed: it broke")], failed=True)
        if task.kind != "train_step":
            return Result([(task.title, "fine")])
        speed = 100.0 if len(environments) == 1 else 80.0
        return Result([(task.title, f"{speed:g} images/s")], {"batch": task.batch or 16, "steps": 3, "speed": speed})


def measured(machine: Machine, device: str = "iluvatar_gpu", devices: Sequence[str] = CARDS) -> dict[str, str]:
    plan = Plan("my.yml", ["epoch=3"], device, devices, 5.0, MODELS, machine.run)
    return dict(line for result in plan.results() for line in result.lines)


def test_all_measurements() -> None:
    machine = Machine()
    found = measured(machine)
    steps = [f"train step {model}, {mode}" for model in ("S-320", "L-640") for mode in ("float32", "amp", "to_static")]
    assert list(found) == [*steps, "reader alone", "training, end to end", "copies and waits", "score", "two cards"]
    assert all(task.seconds == 5 for task, _ in machine.tasks)
    first, amp, *_ = (task for task, _ in machine.tasks)
    assert (first.config, first.mode, first.batch) == ("picodet_s_320_coco_lcnet", "float32", 0)
    assert (amp.mode, amp.batch) == ("amp", 16)  # the batch that float32 could afford
    own = [task for task, _ in machine.tasks if task.config == "my.yml"]
    assert [task.kind for task in own] == ["reader", "training", "traffic", "accuracy"]
    assert [task.steps for task in own] == [0, 3, 3, 0]
    assert {tuple(task.overrides) for task in own} == {("epoch=3", "device=iluvatar_gpu")}


def test_two_cards() -> None:
    machine = Machine()
    found = measured(machine)
    task, environments = machine.tasks[-1]
    assert (task.batch, task.steps, task.overrides) == (16, 3, ["device=iluvatar_gpu"])  # each rank does as many
    assert [each["FLAGS_selected_iluvatar_gpus"] for each in environments] == ["0", "1"]
    assert {each["PADDLE_DISTRI_BACKEND"] for each in environments} == {"xccl"}
    assert found["two cards"] == "160 images/s, 1.60 times one card (S-320, float32); each: 80 images/s"


@pytest.mark.parametrize(
    ("device", "devices", "said"),
    [
        ("cpu", ["cpu"], "not measured: there are no two devices of the kind cpu"),
        ("cpu", CARDS, "not measured: there are no two devices of the kind cpu"),
        ("gpu", ["gpu:0", "cpu"], "not measured: there are no two devices of the kind gpu"),
        ("gpu:0", ["gpu:0", "npu:0", "npu:1", "cpu"], "not measured: there are no two devices of the kind gpu"),
        ("npu:1", ["gpu:0", "npu:0", "npu:1", "cpu"], "160 images/s, 1.60 times one card"),
    ],
)
def test_two_cards_of_the_device_that_is_measured(device: str, devices: list[str], said: str) -> None:
    machine = Machine()
    assert measured(machine, device, devices)["two cards"].startswith(said)
    assert machine.tasks[0][0].overrides == [f"device={device}"]


@pytest.mark.parametrize(
    ("broken", "last"),
    [
        ("train step S-320, float32", "not measured: one card could not be measured"),
        ("train step L-640, float32", "160 images/s, 1.60 times one card"),
        ("score", "160 images/s, 1.60 times one card"),
        ("two cards", "failed: it broke"),
    ],
)
def test_a_failure_is_not_the_end(broken: str, last: str) -> None:
    found = measured(Machine(broken))
    assert len(found) == 11
    assert found[broken] == "failed: it broke"
    assert found["two cards"].startswith(last)


def test_the_models_are_published_ones() -> None:
    assert set(MODELS.values()) <= set(PUBLISHED_WEIGHTS)


def test_the_tasks_are_those_of_the_worker() -> None:
    from ppdet.doctor_bench.worker import MEASUREMENTS

    machine = Machine()
    measured(machine)
    kinds: Any = {task.kind for task, _ in machine.tasks}
    assert kinds == set(MEASUREMENTS)
