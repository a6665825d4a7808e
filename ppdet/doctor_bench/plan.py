"""The measurements of `ppdet doctor --bench`, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ppdet.doctor.self_tests import two_devices
from ppdet.doctor_bench.processes import run_task
from ppdet.doctor_bench.task import Result, Task
from ppdet.runtime.device import launcher_environment

MODELS = {"S-320": "picodet_s_320_coco_lcnet", "L-640": "picodet_l_640_coco_lcnet"}
MODES = ("float32", "amp", "to_static")
_LONG_INTERVAL = 20  # updates between log lines, at which the host waits for the device
RunTask = Callable[..., Result]


@dataclass(frozen=True)
class Plan:
    """What is measured, and with what.

    Attributes:
        config: the user's config, for reading, training and the score.
        overrides: of that config.
        device: the device of all measurements, as the config's `device` key takes it.
        devices: those of this machine, best first.
        seconds: the time for each measurement.
        models: the configs of the train steps on synthetic batches, by name.
        run: runs a task.
    """

    config: str
    overrides: Sequence[str]
    device: str
    devices: Sequence[str]
    seconds: float
    models: Mapping[str, str]
    run: RunTask = run_task

    def results(self) -> Iterator[Result]:
        """Measure, and yield each result as soon as it is there."""
        first = Result([])  # of the first model in float32
        for model in self.models:
            batch = 0
            for mode in MODES:
                result = self.run(self._train_step(model, mode, batch))
                if mode == "float32":
                    batch, first = result.numbers.get("batch", 0), first if first.lines else result
                yield result
        yield self.run(self._of_config("reader alone", "reader"))
        interval = min(first.numbers.get("steps", 1), _LONG_INTERVAL)
        yield self.run(self._of_config("training, end to end", "training", interval))
        yield self.run(self._of_config("copies and waits", "traffic", interval))
        yield self.run(self._of_config("score", "accuracy"))
        yield self._two_cards(first)

    def _train_step(self, model: str, mode: str, batch: int = 0, steps: int = 0, title: str = "") -> Task:
        overrides = [f"device={self.device.split(':')[0] if steps else self.device}"]
        name = title or f"train step {model}, {mode}"
        return Task(name, "train_step", self.models[model], overrides, self.seconds, mode, batch, steps)

    def _of_config(self, title: str, kind: str, steps: int = 0) -> Task:
        overrides = [*self.overrides, f"device={self.device}"]
        return Task(title, kind, self.config, overrides, self.seconds, steps=steps)

    def _two_cards(self, single: Result) -> Result:
        """Measure the first model on two cards, with the batch and the steps of the `single` one's result."""
        kind, title = self.device.split(":")[0], "two cards"
        cards = two_devices([device for device in self.devices if device.split(":")[0] == kind])
        if kind == "cpu" or cards[0] == "cpu":
            return Result([(title, f"not measured: there are no two devices of the kind {kind}")])
        if not single.numbers:
            return Result([(title, "not measured: one card could not be measured")])
        model = next(iter(self.models))
        task = self._train_step(model, MODES[0], single.numbers["batch"], single.numbers["steps"], title)
        result = self.run(task, [launcher_environment(card) for card in cards])
        if not result.numbers:
            return result
        both = 2 * result.numbers["speed"]
        text = f"{both:.4g} images/s, {both / single.numbers['speed']:.2f} times one card ({model}, {MODES[0]})"
        return Result([(title, f"{text}; each: {result.lines[0][1]}")], result.numbers)
