"""Images per second of train steps on a fixed synthetic batch, which is on the device already."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial

import paddle

from ppdet.core.errors import out_of_memory
from ppdet.doctor_bench.task import NotMeasured, Result, Task, open_task
from ppdet.doctor_bench.timing import MAX_BLOCKS, Speed, Step, measure_speed
from ppdet.runtime.device import amp_dtype, peak_memory_mb, synchronize
from ppdet.session import Session
from ppdet.training.step import Losses
from ppdet.training.trial_step import TrialStep, synthetic_batch


def measure_train_step(task: Task) -> Result:
    """Measure steps of the config's model in the task's mode.

    Raises:
        NotMeasured: the device has no mixed precision.
        RuntimeError: the loss became NaN or infinite.
    """
    session = open_task(task, f"to_static={task.mode == 'to_static'}")
    amp = amp_dtype(session.device) if task.mode == "amp" else None
    if task.mode == "amp" and amp is None:
        raise NotMeasured(f"{session.device} has no mixed precision")
    published = session.builder.build("TrainReader").batch_size
    make_step = partial(TrainStep, session, amp)
    wait = partial(synchronize, session.device)
    batch = task.batch or affordable_batch(make_step, published, task.seconds / MAX_BLOCKS, wait)

    def measure(count: int) -> Speed:
        step = make_step(count)
        speed = measure_speed(step, task.seconds, wait, steps=task.steps)
        step.check()
        return speed

    # a rank that halved its batch alone would leave the other one waiting
    batch, speed = (batch, measure(batch)) if task.steps else with_enough_memory(measure, batch)
    memory = f"peak memory {peak_memory_mb(session.device):.0f} MB"
    fewer = f" (published: {published})" if batch < published else ""
    kind = f" {amp}" if amp else ""
    text = f"{speed}, batch {batch}{fewer}{kind}, {memory}"
    return Result([(task.title, text)], {"batch": batch, "steps": speed.steps, "speed": speed.median})


def affordable_batch(make_step: Callable[[int], Step], most: int, seconds: float, wait: Callable[[], None]) -> int:
    """Returns the largest of 1/16, 1/4 and all of `most` images whose step is expected to take less than `seconds`.

    A step of four times the images takes up to four times as long. The smallest batch is never refused, and the
    largest one that is tried is returned if memory runs out for it.
    """
    candidates = sorted({max(1, most // 16), max(1, most // 4), most})
    for batch, larger in zip(candidates, candidates[1:], strict=False):
        try:
            if _seconds_of_second(make_step(batch), wait) * larger / batch > seconds:
                return batch
        except Exception as error:
            if out_of_memory(error) is None:
                raise
            return batch
    return most


def _seconds_of_second(step: Step, wait: Callable[[], None]) -> float:
    """Seconds of the second step; the first one warms up."""
    step()
    wait()
    start = time.perf_counter()
    step()
    wait()
    return time.perf_counter() - start


def with_enough_memory(measure: Callable[[int], Speed], batch: int) -> tuple[int, Speed]:
    """Returns `measure(batch)` and its batch, which is halved as long as memory runs out."""
    while True:
        try:
            return batch, measure(batch)
        except Exception as error:
            if batch == 1 or out_of_memory(error) is None:
                raise
        batch //= 2  # outside of the handler, which would keep the tensors of the failed step


class TrainStep:
    """One update of the session's model from a synthetic batch: a `Step`."""

    def __init__(self, session: Session, amp: str | None, batch_size: int) -> None:
        """amp: type of mixed precision; None: float32."""
        paddle.seed(0)
        *_, height, width = session.builder.build("TestReader").inputs_def["image_shape"]
        batch = synthetic_batch(batch_size, (height, width), session.settings.num_classes)
        self._step, self._batch_size = TrialStep(session, amp, batch), batch_size
        self._epoch = session.settings.epoch - 1  # with the assigner of most epochs
        self._losses: Losses = {}

    def __call__(self) -> int:
        self._losses = self._step(self._epoch)
        return self._batch_size

    def check(self) -> None:
        """Raise RuntimeError if the last loss is not finite: the speed of a broken step means nothing."""
        loss = float(self._losses["loss"])
        if not math.isfinite(loss):
            raise RuntimeError(f"the loss became {loss}")
