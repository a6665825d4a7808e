"""Parts of a tensor that share its memory, on any device and without a launch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import paddle


def part_of(vector: paddle.Tensor, start: int, shape: Sequence[int]) -> paddle.Tensor:
    """Returns the elements of `vector` [n] from `start` on in this shape. Changing them changes the vector."""
    part = vector._slice(start, start + math.prod(shape))
    part.get_tensor()._set_dims(list(shape))
    return part
