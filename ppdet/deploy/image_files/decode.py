"""Decodes untrusted image files within bounds of memory, and turns them upright."""

from __future__ import annotations

import stat
from pathlib import Path

import cv2
import numpy as np

from . import jpeg
from .header import MAX_PIXELS, Header, read_header

MAX_BYTES = 1 << 30
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
_NOT_AN_IMAGE = "not an image that can be decoded; fetch it again or leave it out"


class ImageProblem(Exception):
    """A problem of an image; the message leaves out its name: `what was found; what to do`."""


def read_file(path: str | Path) -> tuple[bytes, Header]:
    """The contents of an image file and its header.

    Raises ImageProblem if it cannot be read, is not an image, or is too large. Only regular files are opened: a pipe
    may never end.
    """
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
            raise ImageProblem(f"found {kind}; expected an image file; check the name")
        if status.st_size > MAX_BYTES:
            raise ImageProblem(f"has {status.st_size:,} bytes; at most {MAX_BYTES:,} are read; make the image smaller")
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageProblem(f"cannot be read ({error.strerror}); check the name") from None
    except ValueError as error:  # a NUL or half a character in the name
        raise ImageProblem(f"cannot be read ({error}); check the name") from None
    return data, checked_header(data)


def checked_header(data: bytes) -> Header:
    """The header of an encoded image. Raises ImageProblem if it is not one, or claims too many pixels."""
    if not data:
        raise ImageProblem("the file is empty; fetch it again or leave it out")
    header = read_header(data)
    if header is None:
        raise ImageProblem(_NOT_AN_IMAGE)
    height, width = header.size
    if height * width > MAX_PIXELS:
        raise ImageProblem(f"claims {width} x {height} pixels; at most {MAX_PIXELS:,} are decoded; make it smaller")
    return header


def decode(data: bytes, header: Header, mode: int = cv2.IMREAD_COLOR) -> np.ndarray:
    """The image [h, w, 3] uint8, turned by `header.orientation`, whatever this version of OpenCV would turn by itself.

    mode: one of OpenCV's for color; its IMREAD_REDUCED_… are for JPEGs. Raises ImageProblem if it cannot be decoded.
    """
    mode |= cv2.IMREAD_IGNORE_ORIENTATION
    if header.kind == "JPEG" and not jpeg.has_end(data, header.position):
        image = _decode_without_end(data, mode)
    elif header.kind == "TIFF" and header.position:  # its decoder applies the tag, unless that says 1
        one = b"\1\0\0\0" if data[:2] == b"II" else b"\0\1\0\0"
        image = _decode(data[: header.position] + one + data[header.position + 4 :], mode)
    else:
        image = _decode(data, mode)
    return _upright(image, header.orientation)


def _decode(data: bytes, mode: int) -> np.ndarray:
    try:
        image: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    except cv2.error:  # some broken headers; most give None
        image = None
    if image is None:
        raise ImageProblem(_NOT_AN_IMAGE)
    return image


def _decode_without_end(data: bytes, mode: int) -> np.ndarray:
    whole = jpeg.with_end(data)
    if whole:
        image = _decode(whole, mode)
        if all(np.array_equal(image, _decode(probe, mode)) for probe in jpeg.probes(whole)):
            return image  # else OpenCV has filled in what is missing
    raise ImageProblem("the JPEG is cut short; fetch it again or leave it out")


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    if orientation >= 5:
        image = cv2.transpose(image)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return image if flip is None else np.asarray(cv2.flip(image, flip))
