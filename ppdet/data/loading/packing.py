"""The arrays of a batch in one piece of memory, so that a worker sends its number, and a device gets it in one copy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

ALIGNMENT = 256  # bytes; what device memory is aligned to
_FLOAT_BYTES = 4
_BOX_BYTES, _OTHER_BYTES = 28, 80  # of a batch's arrays besides the images, per box and per image
_GAPS = 8 * ALIGNMENT  # between the arrays


class Field(NamedTuple):
    """An array's place in the memory.

    Attributes:
        dtype: its NumPy name.
        shape: its shape.
        start: the byte where it begins.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class PackedArrays(Mapping[str, np.ndarray]):
    """Arrays by name, which are views of `memory` [bytes] uint8 at the places in `layout`."""

    def __init__(self, memory: np.ndarray, layout: Mapping[str, Field]) -> None:
        self.memory, self.layout = memory, dict(layout)

    def __getitem__(self, name: str) -> np.ndarray:
        field = self.layout[name]
        return self.memory[field.start : field.start + field.size].view(field.dtype).reshape(field.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.layout)

    def __len__(self) -> int:
        return len(self.layout)


def allocate(arrays: Mapping[str, tuple[DTypeLike, tuple[int, ...]]], buffer: np.ndarray | None) -> PackedArrays:
    """Returns arrays of the given types and shapes, in this order, with undefined values.

    They lie in `buffer` [bytes] uint8 if it is large enough.
    """
    layout, end = {}, 0
    for name, (dtype, shape) in arrays.items():
        layout[name] = Field(np.dtype(dtype).name, shape, end)
        end += padded(layout[name].size)
    memory = buffer[:end] if buffer is not None and end <= len(buffer) else np.empty(end, np.uint8)
    return PackedArrays(memory, layout)


def padded(size: int) -> int:
    """Bytes that an array of `size` bytes takes in the memory."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def batch_bytes(images: int, size: tuple[int, int], boxes: int) -> int:
    """Bytes of a batch of `images` of `size` (height, width) with up to `boxes` boxes each."""
    return images * (3 * _FLOAT_BYTES * math.prod(size) + _BOX_BYTES * boxes + _OTHER_BYTES) + _GAPS
