"""The checksum that tells whether a model's files are those that were exported."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

_WEIGHTS = {".json": ".pdiparams", ".pdmodel": ".pdiparams", ".param": ".bin"}
_METADATA = 14  # field number of metadata_props in ONNX's ModelProto


def model_checksum(file: Path) -> str:
    """SHA-256 of the model `file` and the weights beside it, except for an infer_cfg inside, which may be edited."""
    digest = hashlib.sha256()
    for part in _parts(file):
        digest.update(part)
    return digest.hexdigest()


def _parts(file: Path) -> Iterator[bytes | memoryview]:
    content = file.read_bytes()
    if file.suffix == ".onnx":
        yield from _without_metadata(memoryview(content))
    elif file.suffix == ".xml":
        yield re.sub(rb'<infer_cfg value="[^"]*"', b"", content)
        yield file.with_suffix(".bin").read_bytes()
    else:
        yield content
        if weights := _WEIGHTS.get(file.suffix):
            yield file.with_suffix(weights).read_bytes()


def _without_metadata(content: memoryview) -> Iterator[memoryview]:
    """The encoded fields of a protobuf message, except those of number _METADATA."""
    position = 0
    while position < len(content):
        start = position
        tag, position = _varint(content, position)
        kind = tag & 7
        if kind == 2:  # bytes after their length
            length, position = _varint(content, position)
            position += length
        elif kind == 0:
            _, position = _varint(content, position)
        else:  # 8 or 4 bytes
            position += 8 if kind == 1 else 4
        if tag >> 3 != _METADATA:
            yield content[start:position]


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    """A number in protobuf's encoding (seven bits a byte, the lowest first) and the position after it."""
    value = shift = 0
    while position < len(content):
        byte = content[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            break
    return value, position
