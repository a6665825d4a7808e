"""Read an image file the way its annotations saw it: RGB, uint8, upright."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ppdet.core.errors import UserError

_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA


def read_image(path: str, annotated_size: tuple[int, int] | None = None) -> np.ndarray:
    """The image at `path`, [h, w, 3] RGB uint8, whatever it was stored as (grey, with alpha, 16 bit).

    The EXIF orientation is applied, unless `annotated_size` (height, width) shows that the boxes were drawn on the
    unrotated pixels. Raises UserError naming the file where it is missing, empty, cut short or not an image.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the dataset's file names") from None
    if not data:
        raise UserError(f"{path}: the file is empty; fetch it again or remove it from the annotations")
    image = _decode(path, data, cv2.IMREAD_COLOR)
    if annotated_size is not None and image.shape[:2] == annotated_size[::-1] != annotated_size:
        unrotated = _decode(path, data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if unrotated.shape[:2] == annotated_size:
            image = unrotated
    rgb: np.ndarray = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def _decode(path: str, data: bytes, flags: int) -> np.ndarray:
    try:
        image: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # sizes beyond OpenCV's limits and some broken headers; most others give None
        image = None
    if image is None:
        raise UserError(f"{path}: not an image that can be decoded; fetch it again or remove it from the annotations")
    # OpenCV fills the missing part of a JPEG with grey and says nothing; for other formats it gives None.
    if data.startswith(_JPEG_START) and not _jpeg_is_complete(data):
        raise UserError(f"{path}: the JPEG is cut short; fetch it again or remove it from the annotations")
    return image


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
