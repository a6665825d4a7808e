"""Loader: batches of a dataset, built by worker processes.

    EpochSampler -> SampleIndex -> BatchBuilder (in a worker process) -> PackedArrays -> Loader.epoch -> Batch

A batch depends on (seed, epoch, step, rank) alone, so an epoch is the same with any number of workers.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.data.loading.batch_builder import BatchBuilder, tolerated_failures
from ppdet.data.loading.batches import Sent, current_place, on_cpu, send
from ppdet.data.loading.packing import PackedArrays
from ppdet.data.loading.sampler import EpochSampler, SampleIndex
from ppdet.data.loading.workers import NO_IMAGE, SPARE_BUFFERS, Buffers, WorkerPool
from ppdet.data.structures import Batch
from ppdet.runtime.operator_support import place_kind
from ppdet.utils.waiting import call_within, one_ahead, reading_limit

logger = logging.getLogger(__name__)

Watch = Callable[[int, PackedArrays], None]


class Loader:
    """The batches of one dataset: `for batch in loader.epoch(epoch)`; `len(loader)` is the steps per epoch.

    The first epoch starts the workers, and later ones use them again. Leaving an epoch early, an error, and `close()`
    end them. Epochs that are used at the same time have workers of their own.
    """

    def __init__(
        self,
        batch_builder: BatchBuilder,
        sampler: EpochSampler,
        worker_num: int,
        use_shared_memory: bool,
        batch_bytes: int,
        unreadable: Sequence[int] = (),
    ) -> None:
        """Starts nothing yet.

        Args:
            batch_builder: called in the workers.
            sampler: the order of the images.
            worker_num: worker processes; 0 builds the batches on a thread of this process.
            use_shared_memory: workers write batches into memory that they share with this process.
            batch_bytes: size of the largest batch, whose arrays lie one after the other.
            unreadable: positions of images that are known to be unreadable and have been reported.
        """
        self.worker_num = worker_num
        self._batch_builder, self._sampler = batch_builder, sampler
        self._buffer_bytes = batch_bytes if use_shared_memory else 0
        self._limit = reading_limit()
        self._pools: weakref.WeakSet[WorkerPool] = weakref.WeakSet()  # a pool without references ends its workers
        self._idle: WorkerPool | None = None  # the pool of an epoch that has ended
        self._buffers: Buffers | None = None  # used without workers
        self._unreadable = set(unreadable)
        self._reported_sizes = False

    def __len__(self) -> int:
        return len(self._sampler)

    def epoch(self, epoch: int, start_step: int = 0, watch: Watch | None = None) -> Generator[Batch, None, None]:
        """The batches of an epoch from `start_step` on, the same at every call. Workers begin at once.

        For a device other than the CPU the next batch is fetched and sent on a thread while the caller uses this one.

        Args:
            epoch: its number, which decides the order of the images and all random changes.
            start_step: the first batch.
            watch: called with the step and the arrays of each batch before they are sent, on the thread that fetches.
                The arrays are valid during the call.

        Raises:
            UserError: an image is unreadable (in training: more than 1 % are), a worker died, or the file system does
                not answer.
        """
        orders = self._sampler.batches(epoch, start_step)
        if not self.worker_num:
            return _tensors(self._arrays(self._build_on_thread(orders), None, start_step, watch), lambda: None)
        idle, self._idle = self._idle, None
        pool = idle if idle and idle in self._pools else self._new_pool()
        arrays = self._arrays(pool.results(orders), pool, start_step, watch)
        return _tensors(arrays, partial(self._abandon, pool))

    def close(self) -> None:
        """Ends the workers."""
        self._idle = None
        for pool in list(self._pools):
            pool.close()
        self._pools.clear()

    def _abandon(self, pool: WorkerPool) -> None:
        """Ends the workers of an epoch that was left early. Its thread may still make them the idle ones."""
        self._pools.discard(pool)
        pool.kill()

    def _arrays(
        self, results: Iterator[dict[str, Any]], pool: WorkerPool | None, start_step: int, watch: Watch | None
    ) -> Generator[PackedArrays, None, None]:
        finished = False
        try:
            for step, parts in enumerate(results, start_step):
                if "error" in parts:
                    raise parts["error"]
                self._report_failures(parts["failures"])
                self._report_sizes(parts["other_sizes"])
                yield _watched(PackedArrays(parts.pop("memory"), parts["layout"]), step, watch)
            finished = True
        finally:
            if finished and self._idle is None:
                self._idle = pool
            elif pool is not None:
                pool.close()

    def file_name(self, im_id: int) -> str:
        """The name of the image file with this `im_id`."""
        return next(Path(record.im_file).name for record in self._batch_builder.records if record.im_id == im_id)

    def _build_on_thread(self, orders: Iterator[Sequence[SampleIndex]]) -> Iterator[dict[str, Any]]:
        if self._buffers is None:  # allocating memory for every batch would cost 10 % of the time
            self._buffers = Buffers(SPARE_BUFFERS, self._buffer_bytes)
        for indices in orders:
            try:
                number = self._buffers.free.pop()
            except IndexError:  # all are lent
                yield self._build(indices, None)
            else:
                yield self._build(indices, self._buffers.lend(number))

    def _build(self, indices: Sequence[SampleIndex], buffer: np.ndarray | None) -> dict[str, Any]:
        progress = np.full(1, NO_IMAGE, np.int64)
        build = partial(self._batch_builder, indices, buffer, progress)
        return call_within(self._limit, partial(self._current_file, indices, progress), build)

    def _new_pool(self) -> WorkerPool:
        pool = WorkerPool(self._batch_builder, self.worker_num, self._buffer_bytes, self._current_file, self._limit)
        self._pools.add(pool)
        return pool

    def _current_file(self, indices: Sequence[SampleIndex], progress: np.ndarray) -> str:
        """The image file that is being read; the batch's first one before reading has begun."""
        index = indices[0].index if progress[0] == NO_IMAGE else progress[0]
        return self._batch_builder.records[index].im_file

    def _report_failures(self, failures: Sequence[Sequence[Any]]) -> None:
        total = len(self._batch_builder.records)
        for index, message in failures:
            if index in self._unreadable:
                continue
            self._unreadable.add(index)
            logger.warning("%s (image left out; %d of %d are unreadable so far)", message, len(self._unreadable), total)
            if len(self._unreadable) > tolerated_failures(total):
                raise UserError(f"{message} ({len(self._unreadable)} of {total} images are unreadable, more than 1 %)")

    def _report_sizes(self, messages: Sequence[str]) -> None:
        if messages and not self._reported_sizes:
            logger.warning("%s; boxes are clipped to the image (reported for the first such image only)", messages[0])
        self._reported_sizes |= bool(messages)


def _watched(arrays: PackedArrays, step: int, watch: Watch | None) -> PackedArrays:
    """The arrays, after `watch` has seen them. A variable of the caller would keep their memory from the next batch."""
    if watch:
        watch(step, arrays)
    return arrays


def _tensors(
    batches: Generator[PackedArrays, None, None], interrupt: Callable[[], object]
) -> Generator[Batch, None, None]:
    """The batches on Paddle's current device. `interrupt` makes a running step of `batches` end soon."""
    place = current_place()
    if place_kind(str(place)) == "cpu":
        with closing(batches):
            yield from map(on_cpu, batches)
    else:
        with closing(one_ahead(_sent(batches, place), interrupt)) as sent:
            yield from map(Sent.batch, sent)


def _sent(batches: Generator[PackedArrays, None, None], place: Any) -> Generator[Sent, None, None]:
    with closing(batches):
        for arrays in batches:
            yield send(arrays, place)
