"""Batches out of worker processes.

    sampler (main process) -> Draws -> BatchMaker (worker) -> arrays -> Loader.epoch (main process) -> Batch of tensors

A batch depends on (seed, epoch, step, rank) alone, so that an epoch is the same whatever the number of workers.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
import shutil
import signal
import sys
import threading
import traceback
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
import paddle

from ppdet.core.errors import UserError

from .batch import BatchTransform, apply_batch_transforms, collate
from .sample import Batch, Record, Sample
from .sampling import Draw, EpochSampler
from .transforms import Transform

logger = logging.getLogger(__name__)

_PREFETCH = 2  # batches in the making per worker, paddle's default
_FIELDS = tuple(field.name for field in fields(Batch))
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def tolerated_failures(length: int) -> int:
    """How many unreadable images training puts up with: 1 % of the dataset, at least one."""
    return max(1, length // 100)


@dataclass(frozen=True)
class BatchMaker:
    """Turns the Draws of one batch into arrays. Runs in the workers, and keeps nothing from call to call.

    skip_unreadable: an image that cannot be read is replaced by the next one in the dataset and reported in the
    result's `failures`, a list of [index, message]; otherwise the result is the error.
    """

    records: Sequence[Record]
    sample_transforms: Sequence[Transform]
    batch_transforms: Sequence[Transform | BatchTransform]
    skip_unreadable: bool
    seed: int
    rank: int

    def __call__(self, draws: Sequence[Draw]) -> dict[str, Any]:
        """The fields of Batch as arrays, with `failures`; or `error`, an exception for the main process to raise.

        An exception that leaves a worker would end in a thread of the DataLoader, where its message is lost.
        """
        nothing = np.zeros(1, np.int64)  # the DataLoader cannot pass on a result without arrays
        try:
            return self._make(draws)
        except UserError as error:
            return {"error": error, "nothing": nothing}
        except Exception:
            return {"error": RuntimeError(f"the reader failed:\n{traceback.format_exc()}"), "nothing": nothing}

    def _make(self, draws: Sequence[Draw]) -> dict[str, Any]:
        failures: list[list[int | str]] = []
        samples = [self._load(draw, failures) for draw in draws]
        # Without the rank: all ranks draw the same image size.
        rng = np.random.default_rng([self.seed, draws[0].epoch, draws[0].step])
        return {**collate(apply_batch_transforms(samples, self.batch_transforms, rng)), "failures": failures}

    def _load(self, draw: Draw, failures: list[list[int | str]]) -> Sample:
        for attempt in range(tolerated_failures(len(self.records)) + 1):
            index = (draw.record + attempt) % len(self.records)
            try:
                return self._transformed(draw.epoch, index)
            except UserError as error:
                if not self.skip_unreadable:
                    raise
                failures.append([index, str(error)])
        raise UserError(f"{failures[-1][1]} ({len(failures)} images in a row are unreadable)")

    def _transformed(self, epoch: int, index: int) -> Sample:
        rng = np.random.default_rng([self.seed, epoch, self.rank, index])
        sample = Sample.from_record(self.records[index])
        for transform in self.sample_transforms:
            sample = transform(sample, rng)
        return sample


class Loader:
    """The batches of one dataset: `for batch in loader.epoch(epoch)`; `len(loader)` is the steps per epoch.

    Workers are started by the first epoch and stay for the next ones; leaving an epoch early, an error, and `close()`
    end them. worker_num 0 makes the batches in the main process.
    """

    def __init__(
        self, maker: BatchMaker, sampler: EpochSampler, worker_num: int, use_shared_memory: bool, batch_bytes: int
    ) -> None:
        self.worker_num = worker_num
        self._maker, self._sampler = maker, sampler
        needed = batch_bytes * _PREFETCH * worker_num
        self._use_shared_memory = worker_num > 0 and use_shared_memory and _shared_memory_fits(needed)
        self._loader: paddle.io.DataLoader | None = None
        self._iterator: Any = None  # paddle's, over the workers
        self._unreadable: set[int] = set()

    def __len__(self) -> int:
        return len(self._sampler)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from `start_step` on, the same at every call.

        Raises UserError for an unreadable image (in training: once more than 1 % are) and for a worker that died.
        """
        self._sampler.start(epoch, start_step)
        finished = False
        try:
            for parts in self._from_workers() if self.worker_num else self._in_process():
                if "error" in parts:
                    raise parts["error"]
                self._note_failures(parts["failures"])
                yield Batch(**{name: parts[name] for name in _FIELDS})
            finished = True
        finally:
            if not finished:
                self.close()

    def close(self) -> None:
        """End the workers."""
        if self._iterator is not None:
            _end_workers(weakref.ref(self._iterator))
        self._loader = self._iterator = None

    def _in_process(self) -> Iterator[Mapping[str, Any]]:
        for parts in map(self._maker, self._sampler):
            yield {key: paddle.to_tensor(part) if isinstance(part, np.ndarray) else part for key, part in parts.items()}

    def _from_workers(self) -> Iterator[Mapping[str, Any]]:
        if self._loader is None:
            self._loader = paddle.io.DataLoader(
                _Draws(),
                batch_sampler=self._sampler,
                collate_fn=self._maker,
                num_workers=self.worker_num,
                use_shared_memory=self._use_shared_memory,
                prefetch_factor=_PREFETCH,
                worker_init_fn=_start_worker,
                persistent_workers=True,
            )
        elif not all(worker.is_alive() for worker in self._iterator._workers):
            raise self._worker_died()  # paddle would wait for it without end
        known = self._iterator
        self._iterator = _without_child_handler(self._loader)
        if known is None:  # python's own end of the workers would leave their shared memory behind
            atexit.register(_end_workers, weakref.ref(self._iterator))
        while True:
            try:
                parts = next(self._iterator)
            except StopIteration:
                return
            except (SystemError, RuntimeError, OSError) as error:
                if all(worker.is_alive() for worker in self._iterator._workers):
                    raise  # something else, the device's memory say
                raise self._worker_died() from error
            yield parts

    def _worker_died(self) -> UserError:
        codes = [worker.exitcode for worker in self._iterator._workers if worker.exitcode]
        how = f"signal {-codes[0]}" if codes and codes[0] < 0 else f"exit codes {codes}"
        return UserError(
            f"worker_num: a reader process died ({how}); if memory ran out (signal 9) lower worker_num or batch_size, "
            "if /dev/shm is full (signal 7) set use_shared_memory: false"
        )

    def _note_failures(self, failures: Sequence[Sequence[Any]]) -> None:
        total = len(self._maker.records)
        for index, message in failures:
            if index in self._unreadable:
                continue
            self._unreadable.add(index)
            logger.warning("%s (image left out; %d of %d are unreadable so far)", message, len(self._unreadable), total)
            if len(self._unreadable) > tolerated_failures(total):
                raise UserError(f"{message} ({len(self._unreadable)} of {total} images are unreadable, more than 1 %)")


class _Draws:
    """Hands each Draw on as it is: the whole work of a batch happens in the BatchMaker."""

    def __getitem__(self, draw: Draw) -> Draw:
        return draw

    def __len__(self) -> int:
        return 0


def _without_child_handler(loader: paddle.io.DataLoader) -> Any:
    """iter(loader), with the handler of SIGCHLD as it was: paddle's raises in the middle of any code, a train step say.

    Without it the DataLoader notices a dead worker within 5 seconds, and `next` raises. Ctrl-C while the workers start
    is held back: it would end those that do not ignore it yet.
    """
    handler = signal.getsignal(signal.SIGCHLD) or signal.SIG_DFL
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        iterator = iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, handler)
    return iterator


def _end_workers(reference: weakref.ref[Any]) -> None:
    iterator = reference()
    if iterator is not None:
        iterator._shutdown_on_exit()  # waits one second for each
        for worker in iterator._workers:
            if worker.is_alive():
                worker.kill()


def _start_worker(worker_id: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's business
    cv2.setNumThreads(0)  # one thread per worker: the workers are the parallelism
    if sys.platform == "linux":  # paddle's workers outlive a killed main process, and hold its memory
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _shared_memory_fits(needed: int) -> bool:
    """Whether the bytes of the batches under way fit into /dev/shm; containers often have only 64 MB of it."""
    try:
        free = shutil.disk_usage("/dev/shm").free
    except OSError:
        return False
    if needed > free:
        logger.warning(
            "use_shared_memory: off, because /dev/shm has %d MB free and about %d MB are needed (docker: --shm-size)",
            free >> 20, needed >> 20,
        )  # fmt: skip
    return needed <= free
