"""Decoded images kept in memory or in a file, one copy for all worker processes.

The buffer is filled once, before the workers start: [entries][pixels of image 0][pixels of image 1]… The name of a
cache file is a hash of its content (image files, their sizes and times, the shrinking); the file gets it once complete.
Files that no process has used for a month are deleted, and older ones if the disk is too full (cache_files.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import mmap
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.data.loading.cache_files import delete_unused, locked_folder, map_file, write_file
from ppdet.data.ops import functional as F
from ppdet.data.ops.decode import image_size, read_in_time
from ppdet.data.structures import Record, Sample
from ppdet.data.transforms.sample_transforms import Decode, Transform, with_image

logger = logging.getLogger(__name__)

_FORMAT = 1  # version of the layout; part of a file's name
_FIELDS = 5  # of an entry: 1 if cached; height, width of the whole image; height, width as stored


@dataclass(frozen=True, eq=False)
class ImageCache:
    """The decoded images that the workers share; read only.

    Attributes:
        index: position of each file among the entries.
        entries: [N, 5] int32, see _FIELDS.
        offsets: [N] int64, the first byte of each image in `pixels`.
        pixels: [bytes] uint8.
    """

    index: dict[str, int]
    entries: np.ndarray
    offsets: np.ndarray
    pixels: np.ndarray

    def get(self, path: str) -> tuple[np.ndarray, F.Size] | None:
        """The stored image [h, w, 3] RGB uint8 and the (height, width) of the whole one; None if it is not cached."""
        number = self.index.get(path, -1)
        if number < 0 or not self.entries[number, 0]:
            return None
        _, full_h, full_w, height, width = map(int, self.entries[number])
        start = int(self.offsets[number])
        return self.pixels[start : start + height * width * 3].reshape(height, width, 3), (full_h, full_w)


@dataclass(frozen=True)
class CachedDecode(Transform):
    """Takes the place of Decode: gets the image from the cache, or decodes it if the cache does not have it."""

    cache: ImageCache

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        found = self.cache.get(sample.im_file)
        return with_image(sample, *found) if found else Decode()(sample, rng)


def ram_cache(records: Sequence[Record], shortest: int | None, threads: int, copies: int) -> ImageCache:
    """Creates and fills a cache in anonymous shared memory.

    Args:
        records: the images.
        shortest: images are shrunk until their short side has this many pixels; None: never.
        threads: threads that decode.
        copies: how many processes of the run create a cache of their own; they share the free memory.
    """
    layout = _Layout(records, shortest)
    free = _free_memory()
    _check_space("cache: ram", layout.bytes * copies, free, "of memory")
    buffer = mmap.mmap(-1, layout.bytes)
    return layout.fill(np.frombuffer(buffer, np.uint8), threads)


def disk_cache(records: Sequence[Record], shortest: int | None, threads: int, folder: Path) -> ImageCache:
    """Opens the cache file in `folder`, after creating and filling it if it does not exist. Arguments: ram_cache."""
    layout = _Layout(records, shortest)
    path = folder / f"images-{layout.fingerprint()}.cache"
    try:
        with locked_folder(folder):  # another process of the run may be filling it
            if not (path.is_file() and path.stat().st_size == layout.bytes):
                delete_unused(folder, needed=layout.bytes)
                _check_space("cache: disk", layout.bytes, shutil.disk_usage(folder).free, f"in {folder}")
                write_file(path, layout.bytes, lambda buffer: layout.fill(buffer, threads))
            logger.info("cache: disk: reading %s (%d MB)", path, layout.bytes >> 20)
            return layout.view(map_file(path))
    except OSError as error:
        raise UserError(f"cache_dir: {folder} cannot be used ({error.strerror}); name another folder") from None


class _Layout:
    """The place of each image in the buffer, computed from the annotated sizes before any image is decoded."""

    def __init__(self, records: Sequence[Record], shortest: int | None) -> None:
        self.records, self.shortest = records, shortest
        sizes = [stored_size(record.size or _header_size(record), shortest) for record in records]
        lengths = np.array([height * width * 3 for height, width in sizes], np.int64)
        self.lengths, self.offsets = lengths, np.cumsum(lengths) - lengths
        self.entries_bytes = len(records) * _FIELDS * 4
        self.bytes = self.entries_bytes + int(lengths.sum())

    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"{_FORMAT} {self.shortest}".encode())
        for record in self.records:
            stat = Path(record.im_file).stat() if Path(record.im_file).is_file() else None
            facts = (record.im_file, record.size, stat and stat.st_size, stat and stat.st_mtime_ns)
            digest.update(repr(facts).encode())
        return digest.hexdigest()[:16]

    def view(self, buffer: np.ndarray) -> ImageCache:
        entries = buffer[: self.entries_bytes].view(np.int32).reshape(-1, _FIELDS)
        index = {record.im_file: number for number, record in enumerate(self.records)}
        return ImageCache(index, entries, self.offsets, buffer[self.entries_bytes :])

    def fill(self, buffer: np.ndarray, threads: int) -> ImageCache:
        """Decodes all images into `buffer`, on threads: OpenCV releases Python's lock."""
        cache = self.view(buffer)

        def fill_entry(number: int) -> None:
            try:
                image = read_in_time(self.records[number].im_file, self.records[number].size)
            except UserError:
                return  # the reader will find and report it
            size = image.shape[:2]
            stored = stored_size(size, self.shortest)
            if stored[0] * stored[1] * 3 > self.lengths[number]:
                return  # larger than annotated
            if stored != size:
                image = cv2.resize(image, stored[::-1], interpolation=cv2.INTER_AREA)
            start = self.offsets[number]
            cache.pixels[start : start + image.size] = image.reshape(-1)
            cache.entries[number] = 1, *size, *stored

        with ThreadPoolExecutor(max(threads, 1)) as pool:
            list(pool.map(fill_entry, range(len(self.records))))
        return cache


def stored_size(size: F.Size, shortest: int | None) -> F.Size:
    """`size` shrunk until its short side is `shortest`."""
    if shortest is None or min(size) <= shortest:
        return size
    factor = shortest / min(size)
    return round(size[0] * factor), round(size[1] * factor)


def _header_size(record: Record) -> F.Size:
    """Size of an image without an annotated size; (0, 0) if it cannot be read."""
    return image_size(Path(record.im_file)) or (0, 0)


def _check_space(what: str, needed: int, free: int, where: str) -> None:
    room = f"; {free >> 20} MB are free {where}" if free < sys.maxsize else ""
    logger.info("%s: decoding all images into %d MB%s", what, needed >> 20, room)
    if needed > free:
        raise UserError(
            f"{what}: the decoded images need {needed >> 20} MB and {free >> 20} MB are free {where}; "
            "make room, or leave `cache` out"
        )


def _free_memory() -> int:
    """Bytes of memory that are available within the container's limit; sys.maxsize if that is unknown."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():  # not Linux
        return sys.maxsize
    lines = meminfo.read_text().splitlines()
    free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # no such limit, or "max"
        used = int((group / "memory.current").read_text())
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        reclaimable = int(statistics["inactive_file"])
        free = min(free, int((group / "memory.max").read_text()) - used + reclaimable)
    return free
