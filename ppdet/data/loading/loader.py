"""Batches out of worker processes.

    sampler (main process) -> Draws -> BatchMaker (worker) -> arrays -> Loader.epoch (main process) -> Batch of tensors

A batch depends on (seed, epoch, step, rank) alone, so that an epoch is the same whatever the number of workers.
"""

from __future__ import annotations

import logging
import traceback
import weakref
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from ppdet.core.errors import UserError, out_of_memory
from ppdet.data.loading.sampler import Draw, EpochSampler
from ppdet.data.loading.workers import NOTHING, SPARE, Buffers, WorkerPool
from ppdet.data.structures import Batch, Record, Sample
from ppdet.data.transforms.batch_transforms import BatchTransform, apply_batch_transforms, collate
from ppdet.data.transforms.sample_transforms import Transform, settled
from ppdet.utils.streams import Stream, generator
from ppdet.utils.waiting import call_within, reading_limit

logger = logging.getLogger(__name__)

_FIELDS = tuple(field.name for field in fields(Batch))


def tolerated_failures(length: int) -> int:
    """How many unreadable images training puts up with: 1 % of the dataset, at least one."""
    return max(1, length // 100)


@dataclass(frozen=True)
class BatchMaker:
    """Turns the Draws of one batch into arrays. Runs in the workers, and keeps nothing from call to call.

    skip_unreadable: an image that cannot be read is replaced by the next one in the dataset and reported in the
    result's `failures`, a list of [index, message]; otherwise the result is the error. `resized` has a message for each
    image that is not of its annotated size.
    exact: every change of colour is done where it stands among the transforms, in float32.
    """

    records: Sequence[Record]
    sample_transforms: Sequence[Transform]
    batch_transforms: Sequence[Transform | BatchTransform]
    skip_unreadable: bool
    seed: int
    rank: int
    exact: bool = False

    def __call__(
        self, draws: Sequence[Draw], buffer: np.ndarray | None = None, progress: np.ndarray | None = None
    ) -> dict[str, Any]:
        """The fields of Batch as arrays, with `failures` and `resized`; or `error`, for the main process to raise.

        buffer    uint8 memory for the images, see batch.collate
        progress  [1] int64, where the index of the record is written that is being read
        """
        try:
            return self._make(draws, buffer, np.zeros(1, np.int64) if progress is None else progress)
        except UserError as error:
            return {"error": error}
        except Exception as error:
            trace = RuntimeError(f"the reader failed:\n{traceback.format_exc()}")
            return {"error": out_of_memory(error) or trace}

    def _make(self, draws: Sequence[Draw], buffer: np.ndarray | None, progress: np.ndarray) -> dict[str, Any]:
        failures: list[list[int | str]] = []
        samples = [self._load(draw, failures, progress) for draw in draws]
        rng = generator(Stream.BATCH, self.seed, draws[0].epoch, draws[0].step)
        resized = [message for sample in samples if (message := _size_difference(sample))]
        samples = apply_batch_transforms(samples, self.batch_transforms, rng, self.exact)
        return {**collate(samples, buffer), "failures": failures, "resized": resized}

    def _load(self, draw: Draw, failures: list[list[int | str]], progress: np.ndarray) -> Sample:
        for attempt in range(tolerated_failures(len(self.records)) + 1):
            index = progress[0] = (draw.record + attempt) % len(self.records)
            try:
                return self._transformed(draw.epoch, index)
            except UserError as error:
                if not self.skip_unreadable:
                    raise
                failures.append([index, str(error)])
        raise UserError(f"{failures[-1][1]} ({len(failures)} images in a row are unreadable)")

    def _transformed(self, epoch: int, index: int) -> Sample:
        rng = generator(Stream.SAMPLE, self.seed, epoch, self.rank, index)
        sample = Sample.from_record(self.records[index])
        for transform in self.sample_transforms:
            sample = transform(sample, rng)
            if self.exact:
                sample = settled(sample)
        return sample


def _size_difference(sample: Sample) -> str:
    """What to say of an image that is not of its annotated size; nothing where it is."""
    if sample.annotated_size in (None, sample.decoded_size):
        return ""
    height, width = sample.annotated_size or (0, 0)
    found_height, found_width = sample.decoded_size
    return f"{sample.im_file}: {found_width} x {found_height} pixels, but {width} x {height} in the annotations"


class Loader:
    """The batches of one dataset: `for batch in loader.epoch(epoch)`; `len(loader)` is the steps per epoch.

    Workers are started by the first epoch and stay for the next ones; leaving an epoch early, an error, and `close()`
    end them. Epochs that are alive at once have workers of their own. worker_num 0 makes the batches on a thread.

    unreadable  positions of images that are known, and said, to be unreadable
    """

    def __init__(
        self,
        maker: BatchMaker,
        sampler: EpochSampler,
        worker_num: int,
        use_shared_memory: bool,
        batch_bytes: int,
        unreadable: Sequence[int] = (),
    ) -> None:
        self.worker_num = worker_num
        self._maker, self._sampler = maker, sampler
        self._buffer_bytes = batch_bytes if use_shared_memory else 0
        self._limit = reading_limit()
        self._pools: weakref.WeakSet[WorkerPool] = weakref.WeakSet()  # a pool that nobody holds ends its workers
        self._idle: WorkerPool | None = None  # the pool of an epoch that has ended
        self._buffers: Buffers | None = None  # without workers
        self._unreadable = set(unreadable)
        self._told_sizes = False

    def __len__(self) -> int:
        return len(self._sampler)

    def epoch(self, epoch: int, start_step: int = 0) -> Generator[Batch, None, None]:
        """The batches of an epoch from `start_step` on, the same at every call; workers begin before one is asked for.

        Raises UserError for an unreadable image (in training: once more than 1 % are), for a worker that died, and for
        a file system that does not answer.
        """
        orders = self._sampler.batches(epoch, start_step)
        if not self.worker_num:
            return self._batches(self._in_process(orders), None)
        pool, self._idle = self._idle or self._new_pool(), None
        return self._batches(pool.results(orders), pool)

    def close(self) -> None:
        """End the workers."""
        self._idle = None
        for pool in list(self._pools):
            pool.close()
        self._pools.clear()

    def _batches(self, results: Iterator[dict[str, Any]], pool: WorkerPool | None) -> Generator[Batch, None, None]:
        finished = False
        try:
            for parts in results:
                if "error" in parts:
                    raise parts["error"]
                self._note_failures(parts["failures"])
                self._note_sizes(parts["resized"])
                yield Batch(**{name: _tensor(parts.pop(name)) for name in _FIELDS})
            finished = True
        finally:
            if finished and self._idle is None and pool in self._pools:
                self._idle = pool
            elif pool is not None:
                pool.close()

    def file_name(self, im_id: int) -> str:
        """The file that the batches' `im_id` stands for."""
        return next(Path(record.im_file).name for record in self._maker.records if record.im_id == im_id)

    def _in_process(self, orders: Iterator[Sequence[Draw]]) -> Iterator[dict[str, Any]]:
        if self._buffers is None:  # fresh memory for every batch would cost 10 % of the time
            self._buffers = Buffers(SPARE, self._buffer_bytes)
        for draws in orders:
            yield self._made(draws, self._buffers.lend(self._buffers.free.pop()) if self._buffers.free else None)

    def _made(self, draws: Sequence[Draw], buffer: np.ndarray | None) -> dict[str, Any]:
        progress = np.full(1, NOTHING, np.int64)
        name = partial(self._file, draws, progress)
        return call_within(self._limit, name, partial(self._maker, draws, buffer, progress))

    def _new_pool(self) -> WorkerPool:
        pool = WorkerPool(self._maker, self.worker_num, self._buffer_bytes, self._file, self._limit)
        self._pools.add(pool)
        return pool

    def _file(self, draws: Sequence[Draw], progress: np.ndarray) -> str:
        """The image file that is being read; the first one of the batch where none is yet."""
        index = draws[0].record if progress[0] == NOTHING else progress[0]
        return self._maker.records[index].im_file

    def _note_failures(self, failures: Sequence[Sequence[Any]]) -> None:
        total = len(self._maker.records)
        for index, message in failures:
            if index in self._unreadable:
                continue
            self._unreadable.add(index)
            logger.warning("%s (image left out; %d of %d are unreadable so far)", message, len(self._unreadable), total)
            if len(self._unreadable) > tolerated_failures(total):
                raise UserError(f"{message} ({len(self._unreadable)} of {total} images are unreadable, more than 1 %)")

    def _note_sizes(self, messages: Sequence[str]) -> None:
        if messages and not self._told_sizes:
            logger.warning("%s; boxes are cut at the image (said of the first such image only)", messages[0])
        self._told_sizes |= bool(messages)


def _tensor(array: np.ndarray) -> paddle.Tensor:
    """On the CPU a tensor that shares the array's memory and keeps it alive, which paddle.to_tensor copies."""
    if paddle.get_device() != "cpu":
        return paddle.to_tensor(array)
    return paddle.base.core.eager.Tensor(
        value=array, place=paddle.CPUPlace(), persistable=False, zero_copy=True, name=None, stop_gradient=True
    )
