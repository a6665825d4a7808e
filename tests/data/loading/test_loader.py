"""The loader: the same epoch whatever the workers, and no failure that goes unseen."""

from __future__ import annotations

import gc
import logging
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.data.loading import loader as loader_module
from ppdet.data.loading.batches import send
from ppdet.data.loading.loader import Loader
from ppdet.data.loading.reader import Reader, TrainReader
from ppdet.data.loading.workers import WorkerPool
from ppdet.data.structures import Batch
from ppdet.data.transforms.affine import RandomAffine
from ppdet.data.transforms.batch_mosaic import BatchMosaic
from ppdet.data.transforms.batch_transforms import BatchRandomResize
from ppdet.data.transforms.copy_paste import CopyPaste
from ppdet.data.transforms.mosaic import Mosaic
from ppdet.data.transforms.pixels import AugmentHSV
from ppdet.data.transforms.sample_transforms import Decode, NormalizeImage, RandomFlip

ReaderFactory = Callable[..., Reader]


@pytest.fixture
def closing() -> Iterator[Callable[[Loader], Loader]]:
    """Loaders passed through it are closed at the end of the test."""
    loaders: list[Loader] = []

    def remember(loader: Loader) -> Loader:
        loaders.append(loader)
        return loader

    yield remember
    for loader in loaders:
        loader.close()


def fingerprint(batch: Batch) -> tuple:
    arrays = [getattr(batch, name).numpy() for name in ("image", "gt_bbox", "gt_class", "pad_gt_mask", "scale_factor")]
    return tuple(batch.im_id.tolist()), tuple(array.tobytes() for array in arrays)


def epochs(loader: Loader, numbers: range) -> list[list[tuple]]:
    return [[fingerprint(batch) for batch in loader.epoch(number)] for number in numbers]


def workers_of(loader: Loader) -> list:
    return [process for pool in loader._pools for process in pool.processes]


def test_fields_of_a_batch(small: Dataset, train_reader: ReaderFactory) -> None:
    loader = train_reader().bind(small)
    assert len(loader) == 3
    batch = next(loader.epoch(0))
    assert batch.image.shape[:2] == [4, 3]
    assert batch.gt_bbox.shape[2] == 4
    assert batch.image.dtype == batch.gt_bbox.dtype == batch.pad_gt_mask.dtype == paddle.float32
    assert (batch.gt_class.dtype, batch.im_id.dtype) == (paddle.int32, np.int64)


@pytest.fixture(autouse=True, params=["cpu", "device"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With "device" batches are fetched and sent one ahead, as to a card; tests/device has one."""
    if request.param == "device":
        monkeypatch.setattr(loader_module, "current_place", lambda: "Place(card:0)")
        monkeypatch.setattr(loader_module, "send", lambda arrays, place: send(arrays, paddle.CPUPlace()))


def test_an_epoch_is_the_same_whatever_the_workers(
    small: Dataset, train_reader: ReaderFactory, closing: Callable[[Loader], Loader]
) -> None:
    expected = epochs(train_reader().bind(small, seed=3), range(2))
    assert expected[0] != expected[1]
    for worker_num, shared_memory in ((1, True), (2, False), (3, True)):
        reader = train_reader(worker_num=worker_num, use_shared_memory=shared_memory)
        assert epochs(closing(reader.bind(small, seed=3)), range(2)) == expected
    assert epochs(train_reader().bind(small, seed=4), range(2)) != expected


def test_a_mixed_epoch_is_the_same_whatever_the_workers(small: Dataset, closing: Callable[[Loader], Loader]) -> None:
    def found(worker_num: int, numbers: range = range(2), **options: Any) -> list[list[tuple]]:
        transforms: list[Any] = [
            Decode(),
            Mosaic(0.7, 64, mixup_prob=0.5),
            RandomAffine(0.7),
            CopyPaste(),
            AugmentHSV(),
            RandomFlip(),
        ]
        batch = [BatchRandomResize([32, 64], random_interp=True), BatchMosaic(0.7, mixup_prob=0.3), NormalizeImage()]
        settings = {"batch_size": 4, "mosaic_epoch": 1, "worker_num": worker_num} | options
        return epochs(closing(TrainReader(transforms, batch, **settings).bind(small, seed=3)), numbers)

    expected = found(0)
    assert found(1) == found(4) == expected
    assert found(2, range(1, 2)) == expected[1:]  # a resumed run
    assert found(0, cache="ram") == found(2, cache="ram")


def test_an_epoch_can_be_left_resumed_and_repeated(
    small: Dataset, train_reader: ReaderFactory, closing: Callable[[Loader], Loader]
) -> None:
    loader = closing(train_reader(worker_num=2).bind(small))
    whole = epochs(loader, range(1))[0]
    for _ in loader.epoch(1):
        break
    assert [fingerprint(batch) for batch in loader.epoch(0, start_step=1)] == whole[1:]
    assert epochs(loader, range(1)) == [whole]


def test_an_epoch_can_be_left_while_its_thread_reaches_the_end(
    small: Dataset,
    train_reader: ReaderFactory,
    closing: Callable[[Loader], Loader],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its workers, which were ended, are not used again."""
    killed, results, kill = threading.Event(), WorkerPool.results, WorkerPool.kill

    def results_that_end_late(pool: WorkerPool, orders: Iterable) -> Iterator[dict]:
        yield from results(pool, orders)
        killed.wait(10)

    def kill_and_tell(pool: WorkerPool) -> None:
        kill(pool)
        killed.set()

    loader = closing(train_reader(worker_num=1).bind(small))
    with monkeypatch.context() as patch:
        patch.setattr(WorkerPool, "results", results_that_end_late)
        patch.setattr(WorkerPool, "kill", kill_and_tell)
        batches = loader.epoch(0)
        for _ in range(len(loader)):
            next(batches)
        batches.close()
    assert killed.is_set()
    assert len(list(loader.epoch(1))) == len(loader)


def test_all_ranks_draw_the_same_size_and_different_images(small: Dataset, train_reader: ReaderFactory) -> None:
    ranks = [list(train_reader(batch_size=2).bind(small, rank=rank, world_size=2).epoch(0)) for rank in range(2)]
    for one, other in zip(*ranks, strict=True):
        assert one.image.shape == other.image.shape
        assert not set(one.im_id.tolist()) & set(other.im_id.tolist())


def test_evaluation_reads_every_image_once_in_order(small: Dataset, eval_reader: ReaderFactory) -> None:
    ids = [batch.im_id.tolist() for batch in eval_reader().bind(small).epoch(0)]
    assert ids == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13]]


def test_a_rank_without_images_has_no_batches(
    small: Dataset, eval_reader: ReaderFactory, closing: Callable[[Loader], Loader]
) -> None:
    small.records = small.records[:1]
    for worker_num in (0, 1):
        loader = closing(eval_reader(worker_num=worker_num).bind(small, rank=1, world_size=2))
        assert [len(loader), len(list(loader.epoch(0))), len(list(loader.epoch(1)))] == [0, 0, 0]


# ---- unreadable images ----


def spoil(dataset: Dataset, *indices: int) -> None:
    for index in indices:
        Path(dataset.records[index].im_file).write_bytes(b"nothing")


@pytest.mark.parametrize("worker_num", [0, 2])
def test_training_leaves_out_an_unreadable_image(
    small: Dataset,
    train_reader: ReaderFactory,
    closing: Callable[[Loader], Loader],
    caplog: pytest.LogCaptureFixture,
    worker_num: int,
) -> None:
    spoil(small, 5)
    loader = closing(train_reader(worker_num=worker_num, drop_last=False).bind(small))
    with caplog.at_level(logging.WARNING, logger="ppdet"):
        ids = [number for batch in loader.epoch(0) for number in batch.im_id.tolist()]
        list(loader.epoch(1))
    assert sorted(ids) == sorted([0, 1, 2, 3, 4, 6, 6, 7, 8, 9, 10, 11, 12, 13])  # the next one in its place
    (message,) = [record.getMessage() for record in caplog.records if record.name.startswith("ppdet")]
    assert "5.jpg" in message
    assert "1 of 14 are unreadable" in message


@pytest.mark.parametrize("worker_num", [0, 2])
def test_training_stops_when_too_many_images_are_unreadable(
    small: Dataset, train_reader: ReaderFactory, closing: Callable[[Loader], Loader], worker_num: int
) -> None:
    spoil(small, 1, 5, 9)
    with pytest.raises(UserError, match=r"\.jpg: not an image.*unreadable") as error:
        list(closing(train_reader(worker_num=worker_num).bind(small)).epoch(0))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("worker_num", [0, 2])
def test_evaluation_names_an_unreadable_image(
    small: Dataset, eval_reader: ReaderFactory, closing: Callable[[Loader], Loader], worker_num: int
) -> None:
    Path(small.records[5].im_file).unlink()
    with pytest.raises(UserError, match=r"^\S+5\.jpg: cannot be read"):
        list(closing(eval_reader(worker_num=worker_num).bind(small)).epoch(0))


@pytest.mark.parametrize("worker_num", [0, 1])
def test_a_bug_in_a_transform_arrives_with_its_trace(
    small: Dataset, eval_reader: ReaderFactory, closing: Callable[[Loader], Loader], worker_num: int
) -> None:
    reader = eval_reader(worker_num=worker_num)
    reader.sample_transforms.append(lambda sample, rng: sample.no_such_field)
    with pytest.raises(RuntimeError, match="no_such_field"):
        list(closing(reader.bind(small)).epoch(0))


# ---- processes and memory ----


@pytest.mark.parametrize("worker_num", [0, 2])
def test_epochs_that_are_alive_at_once_do_not_mix(
    small: Dataset, train_reader: ReaderFactory, closing: Callable[[Loader], Loader], worker_num: int
) -> None:
    loader = closing(train_reader(worker_num=worker_num).bind(small))
    expected = epochs(loader, range(3))
    left = loader.epoch(2)
    next(left)
    begun = loader.epoch(1)
    both = list(zip(loader.epoch(0), begun, strict=True))
    assert [fingerprint(batch) for batch, _ in both] == expected[0]
    assert [fingerprint(batch) for _, batch in both] == expected[1]
    assert [fingerprint(batch) for batch in left] == expected[2][1:]
    assert epochs(loader, range(3)) == expected


def test_an_epoch_that_nobody_asks_for_ends_its_workers(
    small: Dataset, train_reader: ReaderFactory, closing: Callable[[Loader], Loader]
) -> None:
    loader = closing(train_reader(worker_num=1).bind(small))
    begun = loader.epoch(0)
    (worker,) = workers_of(loader)
    del begun
    gc.collect()
    assert not worker.is_alive()


@pytest.mark.parametrize("worker_num", [0, 1])
def test_a_file_system_that_does_not_answer_is_named(
    small: Dataset,
    eval_reader: ReaderFactory,
    closing: Callable[[Loader], Loader],
    worker_num: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PPDET_READ_SECONDS", "1")
    never = threading.Event()
    file = small.records[6].im_file
    reader = eval_reader(worker_num=worker_num)
    reader.sample_transforms.insert(1, lambda sample, rng: sample if sample.im_file != file else never.wait())
    batches = closing(reader.bind(small)).epoch(0)
    next(batches)
    with pytest.raises(UserError) as error:
        next(batches)
    never.set()
    assert str(error.value).startswith(f"{file}: reading it has taken 1 s; the file system does not answer")


@pytest.mark.parametrize("worker_num", [0, 1])
def test_memory_that_runs_out_is_one_line(
    small: Dataset, eval_reader: ReaderFactory, closing: Callable[[Loader], Loader], worker_num: int
) -> None:
    reader = eval_reader(worker_num=worker_num)
    reader.sample_transforms.append(lambda sample, rng: np.empty(1 << 60, np.uint8))
    with pytest.raises(UserError, match=r"^batch_size: memory ran out \(Unable to allocate .*\); lower it"):
        list(closing(reader.bind(small)).epoch(0))


@pytest.mark.parametrize("between_epochs", [False, True])
def test_a_killed_worker_is_an_error_within_seconds(
    small: Dataset, train_reader: ReaderFactory, closing: Callable[[Loader], Loader], between_epochs: bool
) -> None:
    loader = closing(train_reader(worker_num=2, batch_size=1).bind(small))
    handler = signal.getsignal(signal.SIGCHLD)
    batches = loader.epoch(0)
    next(batches)
    if between_epochs:
        list(batches)
    victim = workers_of(loader)[0]
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    start = time.monotonic()
    with pytest.raises(UserError, match=r"a reader process died \(signal 9\)"):
        list(loader.epoch(1) if between_epochs else batches)
    assert time.monotonic() - start < 15
    assert signal.getsignal(signal.SIGCHLD) == handler
    assert len(list(loader.epoch(1))) == 14  # new workers are started


def test_workers_ignore_ctrl_c_and_end_with_the_loader(
    small: Dataset, train_reader: ReaderFactory, closing: Callable[[Loader], Loader]
) -> None:
    loader = closing(train_reader(worker_num=2).bind(small))
    batches = loader.epoch(0)
    next(batches)
    workers = workers_of(loader)
    for worker in workers:
        os.kill(worker.pid, signal.SIGINT)
    assert len(list(batches)) == 2
    loader.close()
    assert not any(worker.is_alive() for worker in workers)


def test_batches_that_do_not_fit_their_buffers(
    small: Dataset, train_reader: ReaderFactory, closing: Callable[[Loader], Loader]
) -> None:
    expected = epochs(train_reader().bind(small), range(1))
    loader = closing(train_reader(worker_num=2).bind(small))
    loader._buffer_bytes = 4 * 3 * 32 * 32 * 4 + 4096  # enough for one of the two sizes
    assert epochs(loader, range(1)) == expected


def test_batches_are_not_overwritten_by_later_ones(
    small: Dataset, train_reader: ReaderFactory, closing: Callable[[Loader], Loader]
) -> None:
    loader = closing(train_reader(worker_num=1, batch_size=1).bind(small))
    kept = list(loader.epoch(0))
    assert [fingerprint(batch) for batch in kept] == epochs(loader, range(1))[0]


def test_the_global_random_state_has_no_say(small: Dataset, train_reader: ReaderFactory) -> None:
    np.random.seed(0)
    first = epochs(train_reader().bind(small), range(1))
    np.random.seed(1)
    assert epochs(train_reader().bind(small), range(1)) == first


@pytest.mark.parametrize("worker_num", [0, 2])
def test_another_size_than_annotated_is_told_once(
    small: Dataset, train_reader: ReaderFactory, closing: Callable, worker_num: int, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (3, 5, 6):
        small.records[number] = replace(small.records[number], size=(100, 200))
    loader = closing(train_reader(worker_num=worker_num, drop_last=False).bind(small))
    for number in (0, 1):
        list(loader.epoch(number))
    (message,) = (record.message for record in caplog.records if "in the annotations" in record.message)
    assert re.search(
        r"/[356]\.jpg: 64 x 48 pixels, but 200 x 100 in the annotations; boxes are clipped to the image", message
    )
