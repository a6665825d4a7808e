"""Cached images: the batches of uncached ones."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.data.loading import image_cache as cache_module
from ppdet.data.loading.image_cache import stored_size
from ppdet.data.loading.loader import Loader
from ppdet.data.loading.reader import Reader

ReaderFactory = Callable[..., Reader]


def arrays_of(loader: Loader, epoch: int = 0) -> list[dict[str, np.ndarray]]:
    names = ("image", "im_shape", "scale_factor", "im_id", "gt_bbox", "gt_class", "pad_gt_mask")
    batches = [{name: np.array(getattr(batch, name)) for name in names} for batch in loader.epoch(epoch)]
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
