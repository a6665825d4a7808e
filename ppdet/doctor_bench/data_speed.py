"""Images per second of the config's reader alone, and of its whole training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from ppdet.training.callbacks import Numbers
from ppdet.training.train import train

TRAFFIC = "copies and waits per update"
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
    """Train as `ppdet train` does, from random weights, and take the images per second from its log lines.

    A log line comes after one update on a CPU, after ten elsewhere: it makes the host wait for the device.
    """
    interval = 1 if open_task(task).device == "cpu" else 10
    recorder = partial(TrafficRecorder, device_profiler_works())
    with TemporaryDirectory(prefix="ppdet-") as folder:
        options = {
            "save_dir": folder,
            "epoch": _NEVER,
            "snapshot_epoch": _NEVER,
            "log_iter": interval,
            "pretrain_weights": "null",
            "seed": 0,
        }
        session = open_task(task, *(f"{key}={value}" for key, value in options.items()))
        watch = Stopwatch(task.seconds, recorder)
        with suppress(Enough):
            train(session, callbacks=[watch])
    speed = describe_rates(watch.rates, f"{len(watch.rates)} log lines")
    text = f"{speed}, {watch.data_share:.0%} of it waiting for data"
    return Result([(task.title, text), (TRAFFIC, watch.traffic)])


class Enough(Exception):
    """Ends a training that has been measured."""


class Stopwatch:
    """A Callback that collects the speed of a training, and then its traffic between two log lines.

    Attributes:
        rates: images per second of each log line but the first, which begins with the start of the workers.
        data_share: the part of the time in which updates waited for data.
        traffic: the text about copies and waits.
    """

    def __init__(self, seconds: float, recorder: Callable[[], TrafficRecorder], clock: Clock = perf_counter) -> None:
        """seconds: the time for the speed, from the first log line on; there are at least MIN_BLOCKS more."""
        self.rates: list[float] = []
        self.data_share, self.traffic = 0.0, ""
        self._data, self._total = 0.0, 0.0
        self._seconds, self._clock, self._make_recorder = seconds, clock, recorder
        self._start: float | None = None
        self._recorder: TrafficRecorder | None = None
        self._updates = 0

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        """Receive a log line. Raises Enough after the last one that is needed."""
        if self._recorder:
            self.traffic = self._recorder.describe(updates - self._updates)
            raise Enough
        if self._start is None:
            self._start = self._clock()
            return
        self.rates.append(float(numbers["images_per_second"]))
        self._data += float(numbers["data_seconds"])
        self._total += float(numbers["step_seconds"])
        self.data_share = self._data / self._total
        if len(self.rates) >= MIN_BLOCKS and self._clock() - self._start >= self._seconds:
            self._updates, self._recorder = updates, self._make_recorder()
            self._recorder.start()
