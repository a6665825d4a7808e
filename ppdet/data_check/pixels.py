"""Reads image files on threads: how they are stored, a checksum, and a hash of what they show."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import cv2
import numpy as np
from tqdm import tqdm

from ppdet.data_check.storage import Storage, read_storage
from ppdet.deploy.image_files import ImageProblem, decode, read_file

Problem = Literal["", "empty", "truncated", "unreadable"]
THUMBNAIL = 16  # pixels a side
_HASHED = 32  # pixels a side
_REDUCED_FROM = 8 * _HASHED  # pixels; smaller JPEGs are decoded whole
_AHEAD = 256  # files that are read at a time, which bounds the memory


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """The content of an image file.

    Attributes:
        problem: the reason why it cannot be used, or "".
        digest: checksum of the bytes.
        kind: JPEG, PNG, …
        size: (height, width) of the stored pixels.
        upright_size: (height, width) after the EXIF orientation is applied.
        storage: how the pixels are stored.
        hash: 64 bits that are nearly the same for nearly the same picture.
        thumbnail: [16, 16] uint8, gray.
    """

    problem: Problem
    digest: bytes = b""
    kind: str = ""
    size: tuple[int, int] = (0, 0)
    upright_size: tuple[int, int] = (0, 0)
    storage: Storage = Storage()
    hash: int = 0
    thumbnail: np.ndarray | None = None


def inspect_all(files: Sequence[str]) -> list[Pixels | None]:
    """Reads each file, with a progress bar on a terminal; None for a file that is not there."""
    with ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(total=len(files), unit="image", disable=None) as bar:
        return list(_in_order(pool, files, bar))


def _in_order(pool: ThreadPoolExecutor, files: Sequence[str], bar: tqdm) -> Iterator[Pixels | None]:
    rest = iter(files)
    while part := list(islice(rest, _AHEAD)):
        for pixels in pool.map(inspect, part):
            bar.update()
            yield pixels


def inspect(file: str) -> Pixels | None:
    """Reads and decodes one file; None if there is no such file."""
    if not os.path.isfile(file):
        return None
    if not os.path.getsize(file):
        return Pixels("empty")
    try:
        data, header = read_file(file)
    except ImageProblem:
        return Pixels("unreadable")
    digest = hashlib.blake2b(data, digest_size=16).digest()
    pixels = Pixels("", digest, header.kind, header.size, header.upright_size, read_storage(data, header.kind))
    if header.kind == "PNG" and b"IEND" not in data:
        return replace(pixels, problem="truncated")
    reduced = header.kind == "JPEG" and min(header.size) >= _REDUCED_FROM
    try:
        gray = decode(data, header, cv2.IMREAD_REDUCED_GRAYSCALE_8 if reduced else cv2.IMREAD_GRAYSCALE)
    except ImageProblem as problem:
        return replace(pixels, problem="truncated" if "cut short" in str(problem) else "unreadable")
    thumbnail = cv2.resize(gray, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return replace(pixels, hash=perceptual_hash(gray), thumbnail=thumbnail)


def perceptual_hash(gray: np.ndarray) -> int:
    """The 64 lowest frequencies of an image [h, w] uint8: each bit says whether one is above their median.

    This is the "phash" of the library imagehash: on photos one bit of 64 differs, because the images are reduced in
    another way. The library needs Pillow, SciPy and PyWavelets, and decodes the whole file, which takes longer than all
    checks of an image together.
    """
    small = cv2.resize(gray, (_HASHED, _HASHED), interpolation=cv2.INTER_AREA).astype(np.float32)
    lowest = cv2.dct(small)[:8, :8].ravel()
    return int.from_bytes(np.packbits(lowest > np.median(lowest)).tobytes(), "big")
