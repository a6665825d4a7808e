"""Cached and reduced images: the boxes, sizes and draws of the whole ones."""

from __future__ import annotations

import logging
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.data.datasets.box_filter import make_record
from ppdet.data.loading import cache_files
from ppdet.data.loading import image_cache as cache_module
from ppdet.data.loading.image_cache import stored_size
from ppdet.data.loading.loader import Loader
from ppdet.data.loading.reader import Reader, TrainReader
from ppdet.data.ops.decode import read_image
from ppdet.data.structures import Sample
from ppdet.data.transforms.random_crop import RandomCrop
from ppdet.data.transforms.reduced_decode import ReducedDecodeCrop
from ppdet.data.transforms.sample_transforms import Decode, Resize, apply_pending_resize

ReaderFactory = Callable[..., Reader]


def arrays_of(loader: Loader, epoch: int = 0) -> list[dict[str, np.ndarray]]:
    names = ("image", "im_shape", "scale_factor", "im_id", "gt_bbox", "gt_class", "pad_gt_mask")
    batches = [{name: getattr(batch, name).numpy() for name in names} for batch in loader.epoch(epoch)]
    loader.close()
    return batches


def assert_equal(one: list[dict[str, np.ndarray]], other: list[dict[str, np.ndarray]], *but: str) -> None:
    for left, right in zip(one, other, strict=True):
        for name in left.keys() - set(but):
            np.testing.assert_array_equal(left[name], right[name], err_msg=name)


@pytest.mark.parametrize("worker_num", [0, 2])
@pytest.mark.parametrize("where", ["ram", "disk"])
def test_a_cache_changes_nothing_where_images_are_not_larger_than_the_batch(
    small: Dataset, train_reader: ReaderFactory, where: str, worker_num: int
) -> None:
    cached = train_reader(cache=where, worker_num=worker_num).bind(small)
    for record in small.records:
        Path(record.im_file).rename(record.im_file + ".gone")
    found = arrays_of(cached)
    for record in small.records:
        Path(record.im_file + ".gone").rename(record.im_file)
    assert_equal(found, arrays_of(train_reader().bind(small)))


def test_shrunk_images_keep_boxes_and_sizes(
    small: Dataset, train_reader: ReaderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "_sizes", lambda self: [(24, 24)])
    shrunk, whole = train_reader(cache="ram").bind(small), train_reader().bind(small)
    image, size = shrunk._batch_builder.sample_transforms[0].cache.get(small.records[0].im_file)
    assert (image.shape, size) == ((24, 32, 3), (48, 64))
    assert_equal(arrays_of(shrunk), arrays_of(whole), "image")


def test_sizes_to_shrink_to() -> None:
    assert stored_size((480, 640), 320) == (320, 427)
    assert stored_size((240, 640), 320) == (240, 640)
    assert stored_size((480, 640), None) == (480, 640)


def test_a_file_is_used_again_and_never_when_stale(small: Dataset, train_reader: ReaderFactory) -> None:
    folder = small.root / "cache"
    first = arrays_of(train_reader(cache="disk").bind(small))
    (file,) = folder.glob("*.cache")
    written = file.stat().st_mtime_ns
    assert_equal(arrays_of(train_reader(cache="disk").bind(small)), first)
    assert file.stat().st_mtime_ns == written
    cv2.imwrite(small.records[0].im_file, np.full((48, 64, 3), 9, np.uint8))
    assert_equal(arrays_of(train_reader(cache="disk").bind(small)), arrays_of(train_reader().bind(small)))
    assert len(list(folder.glob("*.cache"))) == 2


def test_a_half_written_file_is_not_left(
    small: Dataset, train_reader: ReaderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cache_module, "read_in_time", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_reader(cache="disk", cache_dir=str(small.root / "elsewhere")).bind(small)
    assert [path.name for path in (small.root / "elsewhere").iterdir()] == ["lock"]


def test_what_a_killed_process_left_is_deleted(
    small: Dataset, train_reader: ReaderFactory, caplog: pytest.LogCaptureFixture
) -> None:
    folder = small.root / "cache"
    child = os.fork()
    if not child:
        cache_module.read_in_time = lambda *args: os.kill(os.getpid(), signal.SIGKILL)  # in the middle of filling
        train_reader(cache="disk").bind(small)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert len(list(folder.glob("unfinished-*"))) == 1
    with caplog.at_level(logging.INFO, logger="ppdet"):
        train_reader(cache="disk").bind(small)
    assert {path.name for path in folder.iterdir()} == {"lock", *(path.name for path in folder.glob("*.cache"))}
    assert "left by a process that was killed" in caplog.text


def test_caches_that_nobody_reads_any_more_go(
    small: Dataset, train_reader: ReaderFactory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = small.root / "cache"
    folder.mkdir()
    for name, days in (("month", 31), ("week", 7), ("read", 32)):
        file = folder / f"images-{name}.cache"
        file.write_bytes(bytes(1000))
        os.utime(file, (time.time() - days * 86400, 0))
    array = cache_files.map_file(folder / "images-read.cache")
    os.utime(folder / "images-read.cache", (time.time() - 32 * 86400, 0))
    with caplog.at_level(logging.INFO, logger="ppdet"):
        train_reader(cache="disk").bind(small)
    assert not (folder / "images-month.cache").exists()
    assert (folder / "images-week.cache").exists()
    assert re.search(r"deleted .*images-month.cache \(0 MB\), not used for 31 days\n", caplog.text)
    monkeypatch.setattr(cache_files.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    small.records = small.records[:4]
    with pytest.raises(UserError, match=r"^cache: disk: .* need "):
        train_reader(cache="disk").bind(small)
    assert (folder / "images-read.cache").exists()
    assert not (folder / "images-week.cache").exists()
    assert len(array) == 1000
    del array
    assert not cache_files._is_read(folder / "images-read.cache")


@pytest.mark.parametrize("where", ["ram", "disk"])
def test_unreadable_images_are_as_without_cache(
    small: Dataset, train_reader: ReaderFactory, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    Path(small.records[5].im_file).write_bytes(b"nothing")
    with caplog.at_level(logging.WARNING, logger="ppdet"):
        found = arrays_of(train_reader(cache=where, drop_last=False).bind(small))
    assert_equal(found, arrays_of(train_reader(drop_last=False).bind(small)))
    assert "5.jpg: not an image" in caplog.text


def test_too_little_room_is_an_error(
    small: Dataset, train_reader: ReaderFactory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="ppdet"):
        train_reader(cache="ram").bind(small)
    assert "decoding all images into 0 MB" in caplog.text
    monkeypatch.setattr(cache_module, "_free_memory", lambda: 1000)
    with pytest.raises(UserError, match=r"^cache: ram: .* need .* free of memory"):
        train_reader(cache="ram").bind(small)
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(UserError, match=r"^cache: disk: .* need "):
        train_reader(cache="disk").bind(small)


def test_a_folder_that_cannot_be_used(small: Dataset, train_reader: ReaderFactory) -> None:
    with pytest.raises(UserError, match=r"^cache_dir: \S+0\.jpg/below cannot be used"):
        train_reader(cache="disk", cache_dir=small.records[0].im_file + "/below").bind(small)


def test_options_that_do_not_fit() -> None:
    with pytest.raises(UserError, match=r"TrainReader\.cache_dir: only means something with"):
        TrainReader([Decode()], cache_dir="here")


# ---- reduced decoding ----


@pytest.fixture
def large(tmp_path: Path) -> Sample:
    """A smooth JPEG of 1001 x 1502 pixels with a box."""
    y, x = np.mgrid[:1001, :1502]
    waves = 127 + 120 * np.sin(x / 160) * np.cos(y / 120)
    image = np.dstack([waves, waves[::-1], waves[:, ::-1]]).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "large.jpg"), image)
    return Sample.from_record(make_record(tmp_path / "large.jpg", 1, (1001, 1502), [(0, [300, 200, 1200, 900], 0)]))


def test_reduced_decoding_keeps_boxes_and_sizes(large: Sample) -> None:
    reduced_sizes = set()
    for seed in range(12):
        results = []
        for decode in (ReducedDecodeCrop(RandomCrop(), (96, 96)), None):
            rng = np.random.default_rng(seed)
            sample = decode(large, rng) if decode else RandomCrop()(Decode()(large, rng), rng)
            if decode:
                reduced_sizes.add(round(sample.size[0] / sample.image.shape[0]))
                assert min(sample.image.shape[:2]) >= 95
            results.append((apply_pending_resize(Resize(96, interp=3)(sample, rng)), rng.uniform()))
        (reduced, next_draw), (whole, expected_draw) = results
        assert next_draw == expected_draw
        for name in ("gt_bbox", "gt_class", "im_shape", "scale_factor"):
            np.testing.assert_array_equal(getattr(reduced, name), getattr(whole, name))
        difference = np.abs(reduced.image.astype(np.float32) - whole.image.astype(np.float32))
        assert difference.mean() < 4
    assert len(reduced_sizes) > 1


def test_a_wrongly_annotated_size_is_decoded_whole(large: Sample) -> None:
    wrong = Sample.from_record(make_record(Path(large.im_file), 1, (900, 1502), [(0, [300, 200, 1200, 900], 0)]))
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    found, expected = ReducedDecodeCrop(RandomCrop(), (96, 96))(wrong, one), RandomCrop()(Decode()(wrong, other), other)
    np.testing.assert_array_equal(found.image, expected.image)
    assert one.uniform() == other.uniform()


def test_only_training_decodes_reduced(small: Dataset, train_reader: ReaderFactory, eval_reader: ReaderFactory) -> None:
    def first(reader: Reader) -> type:
        return type(reader.bind(small)._batch_builder.sample_transforms[0])

    assert first(train_reader()) is ReducedDecodeCrop
    assert {first(train_reader(reduced_decode=False)), first(train_reader(exact=True)), first(eval_reader())} == {
        Decode
    }


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_reduced_size(large: Sample, reduction: int) -> None:
    shape = read_image(large.im_file, (1001, 1502), reduction).shape
    assert shape == (-(-1001 // reduction), -(-1502 // reduction), 3)
    assert read_image(large.im_file, (1001, 1502)).shape == (1001, 1502, 3)


@pytest.mark.parametrize(("size", "cached"), [((480, 640), True), ((4, 6), False), (None, True)])
def test_images_of_another_size_than_annotated(
    small: Dataset, train_reader: ReaderFactory, size: tuple[int, int] | None, cached: bool
) -> None:
    """They give the same batches; those larger than annotated have no room in the cache."""
    small.records[2] = replace(small.records[2], size=size)
    reader = train_reader(cache="ram").bind(small)
    found = reader._batch_builder.sample_transforms[0].cache.get(small.records[2].im_file)
    assert (found is not None) == cached
    assert found is None or found[1] == (48, 64)
    assert_equal(arrays_of(reader), arrays_of(train_reader(reduced_decode=False).bind(small)))
