"""Images as BGR uint8 arrays, from files that may be anything."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .errors import DeployError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
MAX_PIXELS = 2**28  # 16384 x 16384, 800 MB decoded; a header can claim anything
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_SCAN = 0xDA
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def read_image(path: str | Path) -> np.ndarray:
    """The image at `path`, [h, w, 3] BGR uint8, upright by its EXIF mark, whatever it was stored as.

    Raises DeployError naming the file where it is missing, empty, cut short, too large or not an image.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DeployError(f"{path}: cannot be read ({error.strerror}); check the name") from None
    return decode_image(data, path)


def decode_image(data: bytes, name: str | Path) -> np.ndarray:
    """As `read_image`, of an encoded image in memory."""
    if not data:
        raise DeployError(f"{name}: the file is empty; fetch it again")
    size, complete = _claims(data)
    if size and size[0] * size[1] > MAX_PIXELS:
        raise DeployError(f"{name}: claims {size[1]} x {size[0]} pixels; at most {MAX_PIXELS:,} are decoded")
    if not complete:  # OpenCV may fill what is missing and say nothing
        raise DeployError(f"{name}: the image is cut short; fetch it again")
    try:
        image: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # sizes beyond OpenCV's limits and some broken headers; most others give None
        image = None
    if image is None:
        raise DeployError(f"{name}: not an image that can be decoded; fetch it again or leave it out")
    return image


def three_channels(image: np.ndarray) -> np.ndarray:
    """An array [h, w], [h, w, 1], [h, w, 3] or [h, w, 4] uint8 as [h, w, 3]; no copy where it has that shape already.

    The order of colours stays; the fourth channel (alpha) is dropped.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = f"array of {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise DeployError(f"image: found {found}; expected a path or an array [h, w, 3] of uint8")
    shape = image.shape
    if len(shape) not in (2, 3) or 0 in shape or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise DeployError(f"image: found an array of shape {list(shape)}; expected [h, w, 3]")
    if len(shape) == 2 or shape[2] == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    return image if shape[2] == 3 else image[:, :, :3]


def list_images(folder: Path) -> list[Path]:
    """The files of `folder` that are named like images, sorted by name, without hidden ones (macOS adds `._a.jpg`)."""
    if not folder.is_dir():
        raise DeployError(f"{folder}: there is no such folder")
    named = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    files = sorted(path for path in named if path.is_file())
    if not files:
        raise DeployError(f"{folder}: has no images ({', '.join(SUFFIXES)})")
    return files


def _claims(data: bytes) -> tuple[tuple[int, int] | None, bool]:
    """(height, width) by the header of a PNG or JPEG, None for others; whether the end of the file is there."""
    if data.startswith(_PNG):
        width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
        return (height, width), data.rfind(b"IEND") > 0
    if not data.startswith(_JPEG):
        return None, True
    size, position = None, 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == _SCAN:  # thumbnails before it have end markers of their own
            return size, data.rfind(b"\xff\xd9") > position
        if marker == 0xFF:  # fill byte before a marker
            position += 1
            continue
        if marker in _FRAME_HEADERS:
            height, width = (int.from_bytes(data[i : i + 2], "big") for i in (position + 5, position + 7))
            size = (height, width)
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return size, False
