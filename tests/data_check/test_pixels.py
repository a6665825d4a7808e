from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.data_check.pixels import inspect, inspect_all, perceptual_hash
from ppdet.data_check.storage import Storage
from tests.support.data_faults import picture
from tests.support.image_specimens import encoded, jpeg, png, tiff, webp


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("make", [jpeg, png, webp, tiff])
def test_sizes_follow_the_orientation(make, tmp_path: Path) -> None:
    found = inspect(write(tmp_path / "image", make(6)))
    assert found
    assert (found.problem, found.size, found.upright_size) == ("", (32, 48), (48, 32))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (b"text", "unreadable"),
        (encoded(".jpg", picture(1))[:-2000], "truncated"),
        (encoded(".png", picture(1))[:-2000], "truncated"),
        (encoded(".jpg"), ""),
    ],
)
def test_problems(data: bytes, problem: str, tmp_path: Path) -> None:
    found = inspect(write(tmp_path / "image", data))
    assert found
    assert found.problem == problem


@pytest.mark.parametrize(
    ("data", "storage"),
    [
        (encoded(".jpg"), Storage("color")),
        (encoded(".jpg", picture(1)[:, :, 0]), Storage("gray")),
        (encoded(".png", picture(1)[:, :, 0].astype(np.uint16)), Storage("gray", bits=16)),
        (encoded(".png", cv2.cvtColor(picture(1), cv2.COLOR_BGR2BGRA)), Storage("color", alpha=True)),
        (encoded(".tiff", picture(1).astype(np.uint16)), Storage("color", bits=16)),
        (encoded(".bmp"), Storage("color")),
    ],
)
def test_storage(data: bytes, storage: Storage, tmp_path: Path) -> None:
    found = inspect(write(tmp_path / "image", data))
    assert found
    assert found.storage == storage


def test_files_that_are_missing_keep_their_place(tmp_path: Path) -> None:
    there = write(tmp_path / "a.png", encoded(".png"))
    found = inspect_all([there, str(tmp_path / "none.png"), there])
    assert [pixels is None for pixels in found] == [False, True, False]
    assert found[0]
    assert found[2]
    assert found[0].digest == found[2].digest


def test_a_hash_stands_another_size_and_quality() -> None:
    """Of 30 pictures, each is within 5 bits of its copy, and far from the others."""
    big = [picture(seed, 640, 480)[:, :, 1] for seed in range(30)]
    small = [cv2.imdecode(cv2.imencode(".jpg", cv2.resize(i, (320, 240)), (1, 50))[1], 0) for i in big]
    bits = [[(perceptual_hash(a) ^ perceptual_hash(b)).bit_count() for b in small] for a in big]
    assert max(bits[i][i] for i in range(30)) <= 5
    assert min(bits[i][j] for i in range(30) for j in range(30) if i != j) > 10


def test_the_hash_is_that_of_imagehash() -> None:
    """Up to the way in which images are reduced: one of the 64 bits on average."""
    phash, open_image = pytest.importorskip("imagehash").phash, pytest.importorskip("PIL.Image").fromarray
    images = [picture(seed, 640, 480)[:, :, 1] for seed in range(30)]
    theirs = [int(str(phash(open_image(image))), 16) for image in images]
    bits = [(perceptual_hash(image) ^ other).bit_count() for image, other in zip(images, theirs, strict=True)]
    assert max(bits) <= 8
    assert sum(bits) / len(bits) <= 1.5
