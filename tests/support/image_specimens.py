"""Encoded images with marks and claims that no encoder writes, made from what OpenCV encodes."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np

HEIGHT, WIDTH = 32, 48
HUGE = 30_000


def corners() -> np.ndarray:
    """[32, 48, 3] BGR: blue, green / red, white."""
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    image[: HEIGHT // 2, : WIDTH // 2] = (255, 0, 0)
    image[: HEIGHT // 2, WIDTH // 2 :] = (0, 255, 0)
    image[HEIGHT // 2 :, : WIDTH // 2] = (0, 0, 255)
    return image


def turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """`image` made upright, by EXIF's definition: where the stored first row and the first column belong."""
    row, column = {1: "TL", 2: "TR", 3: "BR", 4: "BL", 5: "LT", 6: "RT", 7: "RB", 8: "LB"}[orientation]
    if row in "LR":
        image, row, column = image.transpose(1, 0, 2), column, row
    image = image[::-1] if row == "B" else image
    return image[:, ::-1] if column == "R" else image


def exif(orientation: int, order: str = "<") -> bytes:
    """An EXIF block that holds only the orientation."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def encoded(suffix: str, image: np.ndarray | None = None, *flags: int) -> bytes:
    return cv2.imencode(suffix, corners() if image is None else image, flags)[1].tobytes()


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def jpeg(orientation: int, order: str = "<", before: bytes = b"") -> bytes:
    data = encoded(".jpg")
    return data[:2] + before + segment(0xE1, b"Exif\0\0" + exif(orientation, order)) + data[2:]


def png(orientation: int, at: int = 33) -> bytes:
    data = encoded(".png")
    return data[:at] + png_chunk(b"eXIf", exif(orientation)) + data[at:]


def webp(orientation: int, quality: int = 101, prefix: bytes = b"") -> bytes:
    """quality 101: without loss."""
    block = prefix + exif(orientation)
    extended = bytes([8, 0, 0, 0]) + struct.pack("<I", WIDTH - 1)[:3] + struct.pack("<I", HEIGHT - 1)[:3]
    chunks = b"VP8X" + struct.pack("<I", 10) + extended + encoded(".webp", None, cv2.IMWRITE_WEBP_QUALITY, quality)[12:]
    chunks += b"EXIF" + struct.pack("<I", len(block)) + block + b"\0" * (len(block) % 2)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def tiff(orientation: int, order: str = "<", big: bool = False, **tags: int) -> bytes:
    """Not compressed, RGB; tags: of a number each, as `t256=30_000`."""
    pixels = corners()[..., ::-1].tobytes()
    values = {256: WIDTH, 257: HEIGHT, 258: 8, 259: 1, 262: 2, 273: 16, 274: orientation, 277: 3, 278: HEIGHT}
    values |= {279: len(pixels)} | {int(name[1:]): value for name, value in tags.items()}
    start = 16 + len(pixels)
    if big:
        head = (b"II+\0" if order == "<" else b"MM\0+") + struct.pack(f"{order}HHQ", 8, 0, start)
        entries = [struct.pack(f"{order}HHQQ", tag, 16, 1, value) for tag, value in sorted(values.items())]
        return head + pixels + struct.pack(f"{order}Q", len(entries)) + b"".join(entries) + bytes(8)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start) + bytes(8)
    entries = [
        struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)
        if tag in (258, 259, 262, 274, 277)
        else struct.pack(f"{order}HHII", tag, 4, 1, value)
        for tag, value in sorted(values.items())
    ]
    return head + pixels + struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)


ORIENTED: dict[str, Callable[[int], bytes]] = {
    "JPEG": jpeg,
    "JPEG, big-endian": lambda o: jpeg(o, ">"),
    "JPEG, behind XMP": lambda o: jpeg(o, before=segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")),
    "PNG": png,
    "PNG, behind the pixels": lambda o: png(o, -12),
    "WebP": webp,
    "WebP, with loss": lambda o: webp(o, 90),
    "WebP, with EXIF's prefix": lambda o: webp(o, prefix=b"Exif\0\0"),
    "TIFF": tiff,
    "TIFF, big-endian": lambda o: tiff(o, ">"),
    "BigTIFF": lambda o: tiff(o, big=True),
}


def huge_jpeg(*flags: int) -> bytes:
    """Its missing part would be filled with grey."""
    data = encoded(".jpg", None, *flags)
    at = re.search(rb"\xff[\xc0-\xc2]\0\x11", data).end() + 1  # type: ignore[union-attr]
    return data[:at] + struct.pack(">HH", HUGE, HUGE) + data[at + 4 :]


def huge_png() -> bytes:
    rows = zlib.compress(bytes(HUGE // 8 + 1) * 1000)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", HUGE, HUGE, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def huge_webp() -> bytes:
    """16,384 x 16,384, the most that WebP can claim."""
    data = encoded(".webp", None, cv2.IMWRITE_WEBP_QUALITY, 101)
    return data[:21] + struct.pack("<I", 0x0FFFFFFF | data[24] >> 4 << 28) + data[25:]


def huge_bmp(height: int) -> bytes:
    """Run lengths of 1,000 of its rows."""
    header = struct.pack("<IiiHHIIiiII", 40, HUGE, height, 1, 8, 1, 0, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 1024) + header + bytes(1024) + b"\xff\0" * 118_000 + b"\0\1"


def with_size(suffix: str, before: bytes, size: bytes, image: np.ndarray | None = None) -> bytes:
    """What OpenCV encodes with other bytes behind `before`."""
    data = encoded(suffix, image)
    at = data.index(before) + len(before)
    return data[:at] + size + data[at + len(size) :]


def huge_gif() -> bytes:
    screen = struct.pack("<HHBBB", HUGE, HUGE, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return b"GIF89a" + screen + struct.pack("<cHHHHB", b",", 0, 0, HUGE, HUGE, 0) + b"\2\2\x44\1\0;"


_PAIR = struct.pack(">II", HUGE, HUGE)
_FLOATS = np.zeros((HEIGHT, WIDTH, 3), np.float32)
HUGE_IMAGES: dict[str, Callable[[], bytes]] = {
    "JPEG": huge_jpeg,
    "JPEG, progressive": lambda: huge_jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "PNG": huge_png,
    "WebP": huge_webp,
    "GIF": huge_gif,
    "BMP": lambda: huge_bmp(HUGE),
    "BMP, rows downwards": lambda: huge_bmp(-HUGE),
    "BMP, of OS 2": lambda: b"BM" + bytes(8) + struct.pack("<IIHHHH", 26, 12, HUGE, HUGE, 1, 24) + bytes(64),
    "TIFF": lambda: tiff(1, t256=HUGE, t257=HUGE, t278=HUGE),
    "TIFF, big-endian": lambda: tiff(1, ">", t256=HUGE, t257=HUGE, t278=HUGE),
    "BigTIFF": lambda: tiff(1, big=True, t256=HUGE, t257=HUGE, t278=HUGE),
    "TIFF of one tile": lambda: tiff(1, t322=HUGE, t323=HUGE, t324=16, t325=64),
    "PBM": lambda: b"P4 # a comment\n#another\n%d\t%d\n" % (HUGE, HUGE) + bytes(4000),
    "PPM": lambda: b"P6\n%d %d 255\n" % (HUGE, HUGE) + bytes(4000),
    "PAM": lambda: b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 3\nMAXVAL 255\nENDHDR\n" % (HUGE, HUGE) + bytes(4000),
    "PFM": lambda: b"PF\n%d %d\n-1\n" % (HUGE, HUGE) + bytes(4000),
    "HDR": lambda: encoded(".hdr", _FLOATS).replace(b"-Y 32 +X 48", b"-Y %d +X %d" % (HUGE, HUGE)),
    "Sun": lambda: with_size(".ras", b"\x59\xa6\x6a\x95", _PAIR),
    "JPEG 2000": lambda: with_size(".jp2", encoded(".jp2").partition(b"\xff\x4f\xff\x51")[2][:4], _PAIR),
}
