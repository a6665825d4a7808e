"""The structure of a JPEG file, and its missing end."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

START_OF_SCAN, APP1 = 0xDA, 0xE1
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_END = b"\xff\xd9"
_MOST_SEGMENTS = 10_000  # before the first scan
_MOST_SCANS = 1000  # progressive files have about 10; each takes time for all pixels, whatever its length
_WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xD8)})
_PROBE = np.random.default_rng(0).integers(1, 255, 256, np.uint8)  # without 0xFF, and so is its complement


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of the contents of each segment, up to the first scan's header.

    Raises IndexError or ValueError if the data end before that, or have more than any camera writes.
    """
    marker, position = 0, 2
    for _ in range(_MOST_SEGMENTS):
        if marker == START_OF_SCAN:
            return
        position = data.index(b"\xff", position)  # as libjpeg, which passes over what lies between the segments
        while data[position] == 0xFF:
            position += 1
        marker = data[position]
        position += 1
        if marker not in _WITHOUT_LENGTH:
            end = position + (data[position] << 8) + data[position + 1]
            yield marker, position + 2, end
            position = end
    raise ValueError("too many segments")


def has_few_scans(data: bytes, scan: int) -> bool:
    """Whether the scans from `scan` on are as many as files have, and not so many that decoding takes minutes."""
    return data.count(b"\xff\xda", scan) <= _MOST_SCANS


def has_end(data: bytes, scan: int) -> bool:
    """Whether an end marker follows the scan that begins at `scan`; thumbnails before it have their own."""
    return data.rfind(_END) > scan


def with_end(data: bytes) -> bytes | None:
    """A JPEG without an end marker, as some cameras write it, with one; None if scans are missing.

    The last scan may be cut short: see `probes`.
    """
    body = data.rstrip(b"\xff")
    without_zeros = body.rstrip(b"\0")
    if len(body) - len(without_zeros) > 2:  # padding; one or two may be the scan's
        body = without_zeros.rstrip(b"\xff")
    return body + _END if _has_all_coefficients(body) else None


def probes(data: bytes) -> Iterator[bytes]:
    """Data from `with_end` with other bytes before the marker: they give the same image if the last scan is whole."""
    for probe in (_PROBE.tobytes(), (~_PROBE).tobytes()):
        after_restarts = b"".join(b"\xff" + bytes([marker]) + probe for marker in range(0xD0, 0xD8))
        yield data.removesuffix(_END) + probe + after_restarts + _END


def _has_all_coefficients(data: bytes) -> bool:
    """Whether there is a scan for each coefficient of each component, down to its last bit."""
    components, position = 0, 0
    for marker, start, _ in segments(data):
        if marker in FRAME_HEADERS:
            components = data[start + 5]
        position = start - 4
    missing = {(i, k) for i in range(components) for k in range(64)}
    ids: list[int] = []
    while position >= 0:
        scan = data[position + 4 : position + 4 + 12]  # count, (component, tables) of each, first, last, bits
        position = data.find(b"\xff\xda", position + 2)
        count = scan[0] if scan else 0
        if len(scan) < 4 + 2 * count:
            return False
        first, last, bits = scan[1 + 2 * count : 4 + 2 * count]
        for component in scan[1 : 1 + 2 * count : 2]:
            if component not in ids:
                ids.append(component)
            if bits & 15 == 0:
                missing -= {(ids.index(component), k) for k in range(first, last + 1)}
    return not missing
