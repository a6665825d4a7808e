"""Images per second of train steps on a fixed synthetic batch, which is on the device already."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import paddle
from paddle import nn

from ppdet.core.errors import out_of_memory
from ppdet.data import Batch
from ppdet.doctor_bench.task import NotMeasured, Result, Task, open_task
from ppdet.doctor_bench.timing import MAX_BLOCKS, Speed, Step, measure_speed
from ppdet.runtime import distributed
from ppdet.runtime.device import amp_dtype, peak_memory_mb, synchronize
from ppdet.session import Session
from ppdet.training.setup import build_ema, build_training_model
from ppdet.training.static_graph import StaticNetwork
from ppdet.training.step import train_step
from ppdet.utils.streams import Stream, generator
from ppdet.weights.published_names import published_name

_BOXES = 10  # per image, about as many as COCO has
_RATE = 1e-4  # of learning: too low for the losses to run away from random weights


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
        model = build_training_model(session, None, ())
        model.train()
        network: nn.Layer = StaticNetwork(model) if session.settings.to_static else model
        self._forward, self._criterion = distributed.parallel(network), model.criterion
        self._optimizer = session.builder.build("OptimizerBuilder")(_RATE, model, published_name)
        self._scaler = paddle.amp.GradScaler(enable=amp == "float16", init_loss_scaling=1024)
        self._ema, self._amp = build_ema(model, session.settings), amp
        self._epoch = session.settings.epoch - 1  # with the assigner of most epochs
        *_, height, width = session.builder.build("TestReader").inputs_def["image_shape"]
        self._batch = synthetic_batch(batch_size, (height, width), session.settings.num_classes)
        self._losses: dict[str, paddle.Tensor] = {}

    def __call__(self) -> int:
        common = (self._epoch, self._optimizer, self._scaler, self._amp)
        self._losses = train_step(self._forward, self._criterion, self._batch, *common)
        if self._ema:
            self._ema.update()
        return int(self._batch.image.shape[0])

    def check(self) -> None:
        """Raise RuntimeError if the last loss is not finite: the speed of a broken step means nothing."""
        loss = float(self._losses["loss"])
        if not math.isfinite(loss):
            raise RuntimeError(f"the loss became {loss}")


def synthetic_batch(count: int, size: tuple[int, int], num_classes: int) -> Batch:
    """Returns the same `count` random images of `size` (height, width) each time, with boxes, on the device."""
    rng, (height, width) = generator(Stream.BENCH), size
    scale = np.array([width, height, width, height], np.float32)
    corner = rng.uniform(0, 0.6, (count, _BOXES, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.05, 0.4, corner.shape)], axis=-1) * scale
    parts = {
        "image": rng.standard_normal((count, 3, height, width), np.float32),
        "im_shape": np.tile(np.array([height, width], np.float32), (count, 1)),
        "scale_factor": np.ones((count, 2), np.float32),
        "gt_bbox": boxes.astype(np.float32),
        "gt_class": rng.integers(0, num_classes, (count, _BOXES, 1), np.int32),
        "pad_gt_mask": np.ones((count, _BOXES, 1), np.float32),
    }
    return Batch(im_id=np.arange(count), **{name: paddle.to_tensor(value) for name, value in parts.items()})
