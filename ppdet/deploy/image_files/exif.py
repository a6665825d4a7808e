"""The directory of tags that TIFF files and EXIF blocks begin with."""

from __future__ import annotations

from typing import Literal

ORIENTATION = 0x112
_MOST = 1 << 16  # entries of a directory, the most that TIFF has; BigTIFF could claim millions
_Order = Literal["little", "big"]


def exif_orientation(block: bytes) -> int:
    """The orientation in an EXIF block, 1 to 8; 1 if it has none.

    The value is read as a SHORT, which the standard demands, whatever type is written there: as OpenCV does.
    """
    block = block.removeprefix(b"Exif\0\0")
    for tag, _, at in tags(block):
        if tag == ORIENTATION:
            value = number(block, at, 2, order(block))
            return value if 1 <= value <= 8 else 1
    return 1


def tags(data: bytes) -> list[tuple[int, int, int]]:
    """(tag, type, position of its value) of each entry of the first directory; none if it is damaged."""
    if len(data) < 16 or data[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return []
    big = 43 in data[2:4]
    position_bytes, count_bytes, entry_bytes = (8, 8, 20) if big else (4, 2, 12)
    at = number(data, position_bytes, position_bytes, order(data))
    start = at + count_bytes
    count = min(int.from_bytes(data[at:start], order(data)), _MOST)
    entries = range(start, min(start + count * entry_bytes, len(data) - entry_bytes + 1), entry_bytes)
    return [
        (number(data, entry, 2, order(data)), number(data, entry + 2, 2, order(data)), entry + 4 + position_bytes)
        for entry in entries
    ]


def number(data: bytes, at: int, length: int, order: _Order) -> int:
    """The unsigned number at a position. Raises IndexError if the data end before that."""
    if at + length > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at : at + length], order)


def order(data: bytes) -> _Order:
    """The order of bytes that a directory's first two letters announce."""
    return "little" if data[:2] == b"II" else "big"
