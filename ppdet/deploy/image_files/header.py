"""Size and orientation of an encoded image, read from its header before anything is decoded.

A file of 43 bytes can claim 30,000 x 30,000 pixels. Images of other formats are not decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from . import exif, jpeg
from .exif import number

MAX_PIXELS = 180_000_000  # 540 MB decoded; larger than any camera's pictures
_SEARCHED = 1 << 16  # bytes in which a text header ends
_MOST_CHUNKS = 100_000  # of a file; millions, each of a few bytes, would take seconds
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323  # tags of TIFF
# EXIF's orientation by (quarter turns to the left, axis of the mirror), which AVIF has in its place
_AVIF_ORIENTATION = {(0, 1): 2, (2, None): 3, (0, 0): 4, (1, 0): 5, (3, None): 6, (3, 0): 7, (1, None): 8}
_TAG_BYTES = {1: 1, 3: 2, 4: 4, 16: 8}  # by type: BYTE, SHORT, LONG, LONG8


class Header(NamedTuple):
    """The properties that an image claims to have.

    Attributes:
        kind: JPEG, PNG, …
        size: (height, width) of the stored pixels.
        orientation: how they become upright, as in EXIF: 1 (they are) to 8.
        position: position of a JPEG's first scan or a TIFF's orientation; else 0.
    """

    kind: str
    size: tuple[int, int]
    orientation: int = 1
    position: int = 0

    @property
    def upright_size(self) -> tuple[int, int]:
        """(height, width) after the orientation is applied."""
        return self.size[::-1] if self.orientation >= 5 else self.size


def read_header(data: bytes) -> Header | None:
    """The header of an encoded image; None if it is of no known kind or ends too early."""
    for start, parse in _PARSERS.items():
        if data.startswith(start):
            try:
                header = parse(data)
            except (IndexError, ValueError):
                return None
            return header if header and 0 not in header.size else None
    return None


def _tiff(data: bytes) -> Header:
    found, position = dict.fromkeys((_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT), 0), 0
    for tag, kind, at in exif.tags(data):
        if tag in found:
            found[tag] = max(found[tag], number(data, at, _TAG_BYTES.get(kind, 4), exif.order(data)))
        elif tag == exif.ORIENTATION and not position:
            position = at
    size, tile = (found[_HEIGHT], found[_WIDTH]), (found[_TILE_HEIGHT], found[_TILE_WIDTH])
    if 0 not in size and tile[0] * tile[1] > MAX_PIXELS:
        size = tile  # decoded whole
    return Header("TIFF", size, exif.exif_orientation(data), position)


def _jpeg(data: bytes) -> Header:
    size, orientation, scan = (0, 0), 0, 0
    for marker, start, end in jpeg.segments(data):
        if marker in jpeg.FRAME_HEADERS:
            size = number(data, start + 1, 2, "big"), number(data, start + 3, 2, "big")
        elif marker == jpeg.APP1 and not orientation and data.startswith(b"Exif\0\0", start):
            orientation = exif.exif_orientation(data[start:end])
        scan = start
    if not jpeg.has_few_scans(data, scan):
        raise ValueError("too many scans")
    return Header("JPEG", size, orientation or 1, scan)


def _png(data: bytes) -> Header:
    position, orientation = 8, 1
    for _ in range(_MOST_CHUNKS):
        if position + 12 > len(data):
            break
        length = number(data, position, 4, "big")
        if data.startswith(b"eXIf", position + 4):
            orientation = exif.exif_orientation(data[position + 8 : position + 8 + length])
        position += 12 + length
    else:
        raise ValueError("too many chunks")
    return Header("PNG", (number(data, 20, 4, "big"), number(data, 16, 4, "big")), orientation)


def _webp(data: bytes) -> Header | None:
    kind, orientation, position = data[12:16], 1, 12
    if data[8:12] != b"WEBP":
        return None
    if kind == b"VP8 ":
        return Header("WebP", (number(data, 28, 2, "little") & 0x3FFF, number(data, 26, 2, "little") & 0x3FFF))
    if kind == b"VP8L":
        bits = number(data, 21, 4, "little")
        return Header("WebP", ((bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1))
    for _ in range(_MOST_CHUNKS):
        if position + 8 > len(data):
            break
        length = number(data, position + 4, 4, "little")
        if data.startswith(b"EXIF", position):
            orientation = exif.exif_orientation(data[position + 8 : position + 8 + length])
        position += 8 + length + length % 2
    else:
        raise ValueError("too many chunks")
    size = number(data, 27, 3, "little") + 1, number(data, 24, 3, "little") + 1
    return Header("WebP", size, orientation) if kind == b"VP8X" else None


def _bmp(data: bytes) -> Header:
    if number(data, 14, 4, "little") == 12:  # OS/2
        return Header("BMP", (number(data, 20, 2, "little"), number(data, 18, 2, "little")))
    width, height = number(data, 18, 4, "little"), number(data, 22, 4, "little")
    return Header("BMP", (min(height, (1 << 32) - height), width))  # negative where the rows go down


def _netpbm(data: bytes) -> Header | None:
    between = rb"(?:\s|#[^\r\n]*[\r\n])+"
    found = re.match(rb"P[1-6Ff]" + between + rb"(\d{1,9})" + between + rb"(\d{1,9})\b", data[:_SEARCHED])
    return Header("PNM", (int(found[2]), int(found[1]))) if found else None


def _pam(data: bytes) -> Header:
    sides = (re.findall(rb"^" + name + rb"\s+(\d{1,9})\b", data[:_SEARCHED], re.M) for name in (b"HEIGHT", b"WIDTH"))
    height, width = (max(map(int, numbers), default=0) for numbers in sides)
    return Header("PAM", (height, width))


def _hdr(data: bytes) -> Header | None:
    found = re.search(rb"\n-Y (\d{1,9}) \+X (\d{1,9})\b", data[:_SEARCHED])
    return Header("HDR", (int(found[1]), int(found[2]))) if found else None


def _boxes(data: bytes) -> Header | None:
    """JPEG 2000 and AVIF, which consist of boxes."""
    return _jpeg_2000(data) if data[4:8] == b"jP  " else _avif(data) if data[4:8] == b"ftyp" else None


def _jpeg_2000(data: bytes) -> Header:
    """Reads the size segment of each code stream and ignores the boxes around it."""
    return Header("JPEG 2000", _largest(data, rb"\xff\x4f\xff\x51.{4}"))


def _avif(data: bytes) -> Header:
    turn, mirror = (re.search(name + rb"(.)", data, re.S) for name in (rb"irot", rb"imir"))
    orientation = _AVIF_ORIENTATION.get((turn[1][0] & 3 if turn else 0, mirror[1][0] & 1 if mirror else None), 1)
    return Header("AVIF", _largest(data, rb"ispe.{4}"), orientation)


def _largest(data: bytes, before: bytes) -> tuple[int, int]:
    """The largest (height, width) among those that follow a pattern. Raises ValueError if there is none."""
    starts = [found.end() for found in re.finditer(before, data, re.S)]
    sizes = [(number(data, at + 4, 4, "big"), number(data, at, 4, "big")) for at in starts]
    return max(sizes, key=lambda size: size[0] * size[1])


_PARSERS: dict[bytes, Callable[[bytes], Header | None]] = {
    b"\xff\xd8\xff": _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"RIFF": _webp,
    b"BM": _bmp,
    b"GIF8": lambda data: Header("GIF", (number(data, 8, 2, "little"), number(data, 6, 2, "little"))),
    **{start: _tiff for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")},
    b"P7": _pam,
    b"P": _netpbm,
    b"#?R": _hdr,
    b"\x59\xa6\x6a\x95": lambda data: Header("Sun", (number(data, 8, 4, "big"), number(data, 4, 4, "big"))),
    b"\xff\x4f\xff\x51": _jpeg_2000,
    b"\0\0\0": _boxes,
}
