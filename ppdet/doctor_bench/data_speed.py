"""Images per second of the config's reader alone, and of its whole training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import count
from tempfile import TemporaryDirectory
from time import perf_counter

from ppdet.data import Batch
from ppdet.data.loading.loader import Loader
from ppdet.doctor_bench.task import Result, Task, open_task
from ppdet.doctor_bench.timing import MIN_BLOCKS, Clock, describe_rates, measure_speed
from ppdet.doctor_bench.traffic import TrafficRecorder, device_profiler_works
from ppdet.runtime.device import synchronize
from ppdet.training.callbacks import Callback, Numbers
from ppdet.training.train import train

_NEVER = 10**6  # epochs


def measure_reader(task: Task) -> Result:
    """Measure TrainReader on TrainDataset, without training."""
    session = open_task(task)
    reader = session.builder.build("TrainReader")
    dataset = session.load_annotated("TrainDataset")
    with closing(reader.bind(dataset)) as loader:
        batches = _endless(loader)
        wait = partial(synchronize, session.device)
        speed = measure_speed(lambda: int(next(batches).im_id.shape[0]), task.seconds, wait)
    return Result([(task.title, f"{speed}, {reader.worker_num} workers, batch {reader.batch_size}")])


def _endless(loader: Loader) -> Iterator[Batch]:
    for epoch in count():
        yield from loader.epoch(epoch)


def measure_training(task: Task) -> Result:
    """Train as `ppdet train` does, and take the images per second from its log lines."""
    watch = Stopwatch(task.seconds)
    _train(task, watch)
    speed = describe_rates(watch.rates, f"{len(watch.rates)} log lines")
    return Result([(task.title, f"{speed}, {watch.data_share:.0%} of it waiting for data")])


def measure_traffic(task: Task) -> Result:
    """Count copies, waits and operators of such a training between two of its log lines."""
    watch = TrafficWatch(TrafficRecorder(device_profiler_works()))
    _train(task, watch)
    return Result([(task.title, watch.traffic)])


def _train(task: Task, callback: Callback) -> None:
    """Train from random weights until the callback raises Enough, with a log line every `task.steps` updates."""
    with TemporaryDirectory(prefix="ppdet-") as folder:
        options = {
            "save_dir": folder,
            "epoch": _NEVER,
            "snapshot_epoch": _NEVER,
            "log_iter": task.steps or 1,
            "pretrain_weights": "null",
            "seed": 0,
        }
        session = open_task(task, *(f"{key}={value}" for key, value in options.items()))
        with suppress(Enough):
            train(session, callbacks=[callback])


class Enough(Exception):
    """Ends a training that has been measured."""


class Stopwatch(Callback):
    """A Callback that collects the speed of a training.

    Attributes:
        rates: images per second of each log line but the first, which begins with the start of the workers.
        data_share: the part of the time in which updates waited for data.
    """

    def __init__(self, seconds: float, clock: Clock = perf_counter) -> None:
        """seconds: the time from the first log line on; there are at least MIN_BLOCKS more."""
        self.rates: list[float] = []
        self._waited, self._total = 0.0, 0.0
        self._seconds, self._clock = seconds, clock
        self._start: float | None = None

    @property
    def data_share(self) -> float:
        return self._waited / self._total

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        """Receive a log line. Raises Enough after the last one that is needed."""
        if self._start is None:
            self._start = self._clock()
            return
        self.rates.append(float(numbers["images_per_second"]))
        self._waited += float(numbers["data_seconds"])
        self._total += float(numbers["step_seconds"])
        if len(self.rates) >= MIN_BLOCKS and self._clock() - self._start >= self._seconds:
            raise Enough


class TrafficWatch(Callback):
    """A Callback that records the traffic between the first two log lines.

    Attributes:
        traffic: the text about it.
    """

    def __init__(self, recorder: TrafficRecorder) -> None:
        self.traffic = ""
        self._recorder = recorder
        self._start: int | None = None

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        """Receive a log line. Raises Enough after the second one."""
        if self._start is not None:
            count = updates - self._start
            self.traffic = f"per update, of {count} with one log line: {self._recorder.describe(count)}"
            raise Enough
        self._start = updates
        self._recorder.start()
