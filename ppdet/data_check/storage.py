"""Storage of the pixels in an image file: channels, bits, palette and alpha, from its first bytes."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from ppdet.deploy.image_files import exif, jpeg

_PHOTOMETRIC = 262  # tag of TIFF
_PNG = {0: ("gray", False), 2: ("color", False), 3: ("palette", False), 4: ("gray", True), 6: ("color", True)}


class Storage(NamedTuple):
    """colors: "color", "gray", "palette" or "cmyk"; alpha: an opacity for each pixel; bits: of a number."""

    colors: str = "color"
    alpha: bool = False
    bits: int = 8


def read_storage(data: bytes, kind: str) -> Storage:
    """The storage of an encoded image whose header is known to be whole."""
    if kind == "JPEG":
        parts = [data[start + 5] for marker, start, _ in jpeg.segments(data) if marker in jpeg.FRAME_HEADERS]
        return Storage({1: "gray", 4: "cmyk"}.get(parts[0], "color"))
    if kind == "PNG":
        colors, alpha = _PNG.get(data[25], ("color", False))
        return Storage(colors, alpha, data[24])
    if kind == "GIF":
        return Storage("palette")
    if kind == "WebP":
        return Storage(alpha=data[12:16] == b"VP8X" and bool(data[20] & 0x10))
    return _tiff(data) if kind == "TIFF" else Storage()


def _tiff(data: bytes) -> Storage:
    values = {tag: exif.number(data, at, 2, exif.order(data)) for tag, _, at in exif.tags(data)}
    colors = {0: "gray", 1: "gray", 3: "palette", 5: "cmyk"}.get(values.get(_PHOTOMETRIC, 2), "color")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        return Storage(colors)
    return Storage(colors, image.ndim == 3 and image.shape[2] == 4 and colors == "color", 8 * image.itemsize)
