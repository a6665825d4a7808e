"""Read an image file the way its annotations saw it: RGB, uint8, upright."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.deploy.image_files import Header, ImageProblem, decode, read_file, read_header
from ppdet.utils.waiting import call_within, reading_limit

_MODES = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_HEAD = 2**16  # bytes, which hold the header of most JPEGs
_STRAIGHT_TO_RGB = getattr(cv2, "IMREAD_COLOR_RGB", 0)  # OpenCV 4.11 and later; used for JPEGs, known to work


def read_image(path: str, annotated_size: tuple[int, int] | None = None, reduction: int = 1) -> np.ndarray:
    """Reads the image at `path` as [h, w, 3] RGB uint8, whatever it is stored as (gray, with alpha, 16 bit).

    Args:
        path: the file.
        annotated_size: (height, width) in the annotations. The EXIF orientation is applied, unless this size shows that
            the boxes were drawn on the unrotated pixels.
        reduction: 1, 2, 4 or 8. The sides of a JPEG are divided by it and rounded up, which takes less time.

    Raises:
        UserError: the file, which the message names, is missing, empty, cut short, too large or not an image.
    """
    try:
        data, header = _read(path, annotated_size)
        is_jpeg = header.kind == "JPEG"
        straight = _STRAIGHT_TO_RGB if is_jpeg and reduction == 1 else 0
        image = decode(data, header, straight or _MODES[reduction if is_jpeg else 1])
    except ImageProblem as problem:
        raise UserError(f"{path}: {problem}") from None
    return image if straight else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def read_in_time(path: str, annotated_size: tuple[int, int] | None = None) -> np.ndarray:
    """`read_image` for use outside of a Loader: raises UserError also if the file system does not answer."""
    return call_within(reading_limit(), lambda: path, partial(read_image, path, annotated_size))


def read_to_draw(path: str, annotated_size: tuple[int, int] | None = None) -> np.ndarray:
    """The image as `read_in_time` reads it, [h, w, 3] uint8 BGR, as OpenCV draws on it."""
    return np.asarray(cv2.cvtColor(read_in_time(path, annotated_size), cv2.COLOR_RGB2BGR))


def image_size(path: Path, annotated_size: tuple[int, int] | None = None) -> tuple[int, int] | None:
    """(height, width) of the image that `read_image` returns, from the file's header; None if it is not an image."""
    try:
        return _jpeg_size(path) if annotated_size is None else _read(path, annotated_size)[1].upright_size
    except (ImageProblem, OSError):
        return None


def _jpeg_size(path: Path) -> tuple[int, int]:
    """The upright size; of most JPEGs without reading all of the file."""
    if path.is_file():  # not a pipe, which may never end
        with path.open("rb") as file:
            header = read_header(file.read(_HEAD))
        if header is not None and header.kind == "JPEG":
            return header.upright_size
    return _read(path, None)[1].upright_size


def _read(path: str | Path, annotated_size: tuple[int, int] | None) -> tuple[bytes, Header]:
    """The file's contents and header. Its orientation is 1 (none) if the boxes were drawn on the unrotated pixels."""
    data, header = read_file(path)
    if annotated_size == header.size != header.upright_size:
        header = header._replace(orientation=1)
    return data, header


def reduced_size(size: tuple[int, int], reduction: int) -> tuple[int, int]:
    """(height, width) of a JPEG of `size` decoded at 1 / reduction."""
    return -(-size[0] // reduction), -(-size[1] // reduction)
