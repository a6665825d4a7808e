"""Reading images of all kinds, and naming those that cannot be read."""

from __future__ import annotations

import struct
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.ops import decode
from ppdet.data.ops.decode import read_image

HEIGHT, WIDTH = 40, 60


@pytest.fixture
def picture() -> np.ndarray:
    """RGB: a gradient with a red left half, so that orientation and channel order show."""
    image = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    image[:, : WIDTH // 2, 0] = 220
    image[: HEIGHT // 2, :, 1] = 120
    return image


def write(path: Path, image: np.ndarray) -> str:
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return str(path)


def bgr(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR)


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF block that holds only the orientation."""
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x112, 3, 1, orientation, 0)
    block = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def test_png_is_read_as_rgb(tmp_path: Path, picture: np.ndarray) -> None:
    np.testing.assert_array_equal(read_image(write(tmp_path / "a.png", bgr(picture))), picture)


def test_alpha_is_dropped(tmp_path: Path, picture: np.ndarray) -> None:
    rgba = np.dstack([bgr(picture), np.full((HEIGHT, WIDTH), 7, np.uint8)])
    np.testing.assert_array_equal(read_image(write(tmp_path / "a.png", rgba)), picture)


def test_16_bit_is_brought_to_8(tmp_path: Path, picture: np.ndarray) -> None:
    path = write(tmp_path / "a.png", bgr(picture).astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(path), picture)


def test_gray_has_three_equal_channels(tmp_path: Path, picture: np.ndarray) -> None:
    image = read_image(write(tmp_path / "a.png", picture[..., 0]))
    np.testing.assert_array_equal(image, np.repeat(picture[..., :1], 3, axis=2))


def test_names_outside_ascii(tmp_path: Path, picture: np.ndarray) -> None:
    assert read_image(write(tmp_path / "图像 é.jpg", bgr(picture))).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("annotated", [None, (WIDTH, HEIGHT), (99, 98)])
def test_exif_orientation_is_applied(tmp_path: Path, picture: np.ndarray, annotated: tuple[int, int] | None) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(with_orientation(cv2.imencode(".jpg", bgr(picture))[1].tobytes(), 6))  # turn clockwise
    image = read_image(str(path), annotated)
    assert image.shape == (WIDTH, HEIGHT, 3)
    assert image[: WIDTH // 2 - 4, :, 0].min() > 150  # what was left is now on top


def test_exif_orientation_is_ignored_where_the_boxes_were_drawn_on_raw_pixels(
    tmp_path: Path, picture: np.ndarray
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(with_orientation(cv2.imencode(".jpg", bgr(picture))[1].tobytes(), 6))
    image = read_image(str(path), (HEIGHT, WIDTH))
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert image[:, : WIDTH // 2 - 4, 0].min() > 150


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "cannot be read"), (b"", "empty"), (b"not an image at all", "not an image")],
)
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes | None, found: str) -> None:
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=found) as error:
        read_image(str(path))
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_truncated_image_is_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    image = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    data = cv2.imencode(suffix, image)[1].tobytes()
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match="cut short|not an image"):
        read_image(str(path))


def test_the_end_marker_of_a_thumbnail_does_not_count(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    data = cv2.imencode(".jpg", image)[1].tobytes()
    thumbnail = b"\xff\xd8 a thumbnail \xff\xd9"
    path = tmp_path / "a.jpg"
    whole = data[:2] + b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + data[2:]
    path.write_bytes(whole)
    assert read_image(str(path)).shape == image.shape
    path.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(UserError, match="cut short|not an image"):
        read_image(str(path))


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(tmp_path: Path, picture: np.ndarray) -> None:
    path = Path(write(tmp_path / "a.jpg", bgr(picture)))
    path.write_bytes(path.read_bytes() + b"\0" * 100)
    assert read_image(str(path)).shape == (HEIGHT, WIDTH, 3)


def test_progressive_jpeg(tmp_path: Path, picture: np.ndarray) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(cv2.imencode(".jpg", bgr(picture), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes())
    assert read_image(str(path)).shape == (HEIGHT, WIDTH, 3)


def test_reading_has_a_time_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("PPDET_READ_SECONDS", "1")
    never = threading.Event()
    monkeypatch.setattr(decode, "_read", lambda path, size: never.wait())
    with pytest.raises(UserError, match=r"x\.png: reading it has taken 1 s"):
        decode.read_in_time(str(tmp_path / "x.png"))
    never.set()


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_reduced_size(tmp_path: Path, reduction: int) -> None:
    path = tmp_path / "large.jpg"
    cv2.imwrite(str(path), np.zeros((101, 153, 3), np.uint8))
    assert read_image(str(path), (101, 153), reduction).shape == (-(-101 // reduction), -(-153 // reduction), 3)
    assert decode.reduced_size((101, 153), reduction) == (-(-101 // reduction), -(-153 // reduction))
    assert read_image(str(path), (101, 153)).shape == (101, 153, 3)


def test_the_size_in_the_header_is_that_of_the_image(tmp_path: Path, picture: np.ndarray) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(with_orientation(cv2.imencode(".jpg", bgr(picture))[1].tobytes(), 6))
    assert decode.image_size(path) == (WIDTH, HEIGHT)
    assert decode.image_size(path, (HEIGHT, WIDTH)) == (HEIGHT, WIDTH)
    path.write_bytes(b"nothing")
    assert decode.image_size(path) is None
