"""Files of a cache folder: complete or absent, and deleted once unused."""

from __future__ import annotations

import logging
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.data.loading import cache_files
from ppdet.data.loading import image_cache as cache_module
from ppdet.data.loading.reader import Reader

ReaderFactory = Callable[..., Reader]


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


def test_a_file_is_written_whole_and_mapped(tmp_path: Path) -> None:
    file = tmp_path / "images-a.cache"
    cache_files.write_file(file, 5, lambda buffer: buffer.__setitem__(slice(None), [1, 2, 3, 4, 5]))
    array = cache_files.map_file(file)
    assert array.tolist() == [1, 2, 3, 4, 5]
    assert array.dtype == np.uint8
    assert cache_files._is_read(file)
    del array
    assert not cache_files._is_read(file)


def test_a_file_that_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    def fails(buffer: np.ndarray) -> None:
        buffer[0] = 1
        raise ValueError

    with pytest.raises(ValueError, match="^$"):
        cache_files.write_file(tmp_path / "images-a.cache", 5, fails)
    assert not list(tmp_path.iterdir())
