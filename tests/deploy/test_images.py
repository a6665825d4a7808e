"""Reading images that may be anything."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from ppdet.deploy.errors import DeployError
from ppdet.deploy.images import decode_image, list_images, read_image, three_channels

PICTURE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


def encoded(suffix: str, image: np.ndarray = PICTURE) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def huge_png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def huge_jpeg() -> bytes:
    data = bytearray(encoded(".jpg"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
    return bytes(data)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "the file is empty"),
    "text": (lambda: b"This is not an image.\n" * 20, "not an image"),
    "cut jpeg": (lambda: encoded(".jpg")[:-400], "cut short"),
    "cut in its header": (lambda: encoded(".jpg")[:100], "not an image|cut short"),
    "cut png": (lambda: encoded(".png")[:-2000], "not an image|cut short"),
    "huge png": (huge_png, "claims 100000 x 100000 pixels"),
    "huge jpeg": (huge_jpeg, "claims 65000 x 65000 pixels"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_named(kind, tmp_path):
    make, message = BAD[kind]
    path = tmp_path / "picture.jpg"
    path.write_bytes(make())
    with pytest.raises(DeployError, match=message) as raised:
        read_image(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named():
    with pytest.raises(DeployError, match=r"^nowhere.png: cannot be read"):
        read_image("nowhere.png")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (PICTURE, PICTURE),
        (PICTURE[..., :1], np.repeat(PICTURE[..., :1], 3, 2)),
        (PICTURE[..., 0], np.repeat(PICTURE[..., :1], 3, 2)),
        (np.dstack([PICTURE, PICTURE[..., :1]]), PICTURE),
        (PICTURE[:1, :1], PICTURE[:1, :1]),
    ],
)
def test_grey_and_alpha(image, expected):
    np.testing.assert_array_equal(three_channels(image), expected)
    np.testing.assert_array_equal(decode_image(encoded(".png", image), "x"), expected)


def test_16_bit():
    np.testing.assert_array_equal(decode_image(encoded(".png", PICTURE.astype(np.uint16) * 257), "x"), PICTURE)


@pytest.mark.parametrize(
    "image", [PICTURE.astype(np.float32), PICTURE[:0], PICTURE[..., :2], PICTURE[None], [[1, 2]], None]
)
def test_no_image(image):
    with pytest.raises(DeployError, match=r"^image: found .*; expected "):
        three_channels(image)


def test_list_images(tmp_path):
    for name in ("b.JPG", "a.png", "d.ppm", "c.txt", "._a.png", ".hidden.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_images(tmp_path)] == ["a.png", "b.JPG", "d.ppm"]
    assert list_images(tmp_path / "c.txt") == [tmp_path / "c.txt"]
    with pytest.raises(DeployError, match=r"^http://x/a: found an address; expected an image or a folder"):
        list_images("http://x/a")
    with pytest.raises(DeployError, match="no such file or folder"):
        list_images(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DeployError, match=r"holds no images \(.jpg, "):
        list_images(tmp_path / "empty")
