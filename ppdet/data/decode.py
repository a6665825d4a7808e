"""Read an image file the way its annotations saw it: RGB, uint8, upright."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ppdet.core.errors import UserError

_MODES = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_STRAIGHT_TO_RGB = getattr(cv2, "IMREAD_COLOR_RGB", 0)  # OpenCV 4.11 and later; of JPEGs, where it is known to work
_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA


def read_image(path: str, annotated_size: tuple[int, int] | None = None, reduction: int = 1) -> np.ndarray:
    """The image at `path`, [h, w, 3] RGB uint8, whatever it was stored as (grey, with alpha, 16 bit).

    The EXIF orientation is applied, unless `annotated_size` (height, width) shows that the boxes were drawn on the
    unrotated pixels. reduction 2, 4, 8: a JPEG comes with its sides divided by that, rounded up, for less work. Raises
    UserError naming the file where it is missing, empty, cut short or not an image.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the dataset's file names") from None
    if not data:
        raise UserError(f"{path}: the file is empty; fetch it again or remove it from the annotations")
    jpeg = data.startswith(_JPEG_START)
    image = _decode(path, data, reduction if jpeg else 1)
    # OpenCV fills the missing part of a JPEG with grey and says nothing; for other formats it gives None.
    if jpeg and not _jpeg_is_complete(data):
        raise UserError(f"{path}: the JPEG is cut short; fetch it again or remove it from the annotations")
    if annotated_size is not None:
        expected = reduced_size(annotated_size, reduction if jpeg else 1)
        if image.shape[:2] == expected[::-1] != expected:
            unrotated = _decode(path, data, reduction if jpeg else 1, cv2.IMREAD_IGNORE_ORIENTATION)
            if unrotated.shape[:2] == expected:
                return unrotated
    return image


def image_size(path: Path, annotated_size: tuple[int, int] | None = None) -> tuple[int, int] | None:
    """(height, width) of what `read_image` gives; None where it cannot be read."""
    try:
        height, width = read_image(str(path), annotated_size).shape[:2]
    except UserError:
        return None
    return height, width


def reduced_size(size: tuple[int, int], reduction: int) -> tuple[int, int]:
    """(height, width) of a JPEG of `size` decoded at 1 / reduction."""
    return -(-size[0] // reduction), -(-size[1] // reduction)


def _decode(path: str, data: bytes, reduction: int, flags: int = 0) -> np.ndarray:
    straight = _STRAIGHT_TO_RGB if reduction == 1 and data.startswith(_JPEG_START) else 0
    mode = straight or _MODES[reduction]
    try:
        image: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), mode | flags)
    except cv2.error:  # sizes beyond OpenCV's limits and some broken headers; most others give None
        image = None
    if image is None:
        raise UserError(f"{path}: not an image that can be decoded; fetch it again or remove it from the annotations")
    rgb: np.ndarray = image if straight else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def _jpeg_is_complete(data: bytes) -> bool:
    """Whether an end-of-image marker follows the start of the scan (thumbnails before it have markers of their own)."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == _JPEG_SCAN:
            return data.rfind(_JPEG_END) > position
        if marker == 0xFF:  # fill byte before a marker
            position += 1
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return False
