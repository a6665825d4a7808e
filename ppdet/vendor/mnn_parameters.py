"""The file of quantization parameters that MNN's converter takes (`--compressionParamsFile`).

It is a protobuf message, MNN.Compression.Pipeline of MNN_compression.proto, written here field by field. What it does
not say has MNN's defaults: 8 bits, and integers from -128 to 127.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_VARINT, _BYTES, _FLOAT = 0, 2, 5  # how a field is written
_PLACEHOLDER = b"-"  # names that have to be there and are not read


@dataclass(frozen=True)
class Steps:
    """The integers -128..127 of a tensor: a value is (integer - zero_point) * scale."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class Int8Conv:
    """A convolution in INT8.

    Attributes:
        outputs: names that MNN may give to the tensor that it writes.
        source: the integers that it reads.
        target: the integers that it writes.
        weight_scales: one for each output channel.
    """

    outputs: tuple[str, ...]
    source: Steps
    target: Steps
    weight_scales: Sequence[float]


def encoded(convs: Iterable[Int8Conv]) -> bytes:
    """Returns the content of a file with the parameters of some convolutions."""
    layers = [_message(4, _layer(conv, name)) for conv in convs for name in conv.outputs]
    algorithm = _message(2, b"".join(layers))  # a QuantizeParams; its kind has number 0, the default
    return _message(1, b"0.0.0") + _message(2, algorithm)


def _layer(conv: Int8Conv, output: str) -> bytes:
    weight = _message(1, _PLACEHOLDER) + _floats(3, conv.weight_scales)
    source, target = _activation(_PLACEHOLDER, conv.source), _activation(output.encode(), conv.target)
    return _message(1, source) + _message(2, weight) + _message(3, target)


def _activation(name: bytes, steps: Steps) -> bytes:
    return _message(1, name) + _floats(3, [steps.scale]) + _key(4, _VARINT) + _varint(steps.zero_point)


def _message(number: int, content: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(content)) + content


def _floats(number: int, values: Sequence[float]) -> bytes:
    return b"".join(_key(number, _FLOAT) + struct.pack("<f", value) for value in values)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    value %= 1 << 64  # negative numbers as two's complement
    written = b""
    while value > 127:
        written += bytes([value % 128 + 128])
        value //= 128
    return written + bytes([value])
