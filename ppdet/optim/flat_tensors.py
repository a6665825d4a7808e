"""Many tensors as one vector, so that an operation on all of them is one launch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import paddle

from ppdet.utils.tensor_parts import part_of

_ALIGNMENT = 64  # elements; kernels load vectors from aligned addresses


class FlatTensors:
    """Named float32 tensors that become views of one vector and keep their values.

    In-place updates keep the views. A tensor that gets memory of its own becomes a view again at the next `vector`. On
    a device that cannot update in place, tensors get new memory at every update. There they stay as they are from the
    second update on, and `vector` copies them.
    """

    def __init__(self, tensors: Mapping[str, paddle.Tensor]):
        self._tensors = dict(tensors)
        self._starts, total = [], 0
        for tensor in self._tensors.values():
            self._starts.append(total)
            total += tensor.size + _gap(tensor.size)
        gaps = {_gap(tensor.size) for tensor in self._tensors.values()}
        self._zeros = {gap: paddle.zeros([gap], dtype="float32") for gap in gaps if gap}
        self._vector = self._joined()
        self._share()
        self._moved = False  # whether the last call of `vector` found tensors with memory of their own

    def vector(self) -> paddle.Tensor:
        """Returns the values of all tensors [total] float32, with zeros between the tensors. Do not change it."""
        origin = self._vector.data_ptr()
        places = zip(self._tensors.values(), self._starts, strict=True)
        moved_before, self._moved = self._moved, any(t.data_ptr() != origin + 4 * start for t, start in places)
        if self._moved:
            self._vector = self._joined()
            if not moved_before:
                self._share()
        return self._vector

    def split(self, vector: paddle.Tensor) -> dict[str, np.ndarray]:
        """Returns the parts of a vector with the same layout, as arrays by name."""
        values = vector.numpy()
        return {
            name: values[start : start + tensor.size].reshape(tensor.shape)
            for (name, tensor), start in zip(self._tensors.items(), self._starts, strict=True)
        }

    def join(self, values: Mapping[str, np.ndarray]) -> paddle.Tensor:
        """Returns arrays by name as a vector of this layout: the inverse of `split`."""
        vector = np.zeros(self._vector.shape, np.float32)
        for (name, tensor), start in zip(self._tensors.items(), self._starts, strict=True):
            vector[start : start + tensor.size] = values[name].reshape(-1)
        return paddle.to_tensor(vector)

    @paddle.no_grad()
    def _joined(self) -> paddle.Tensor:
        """Returns a new vector. Not filled in place, because not every device can write into a part of a tensor."""
        parts = []
        for tensor in self._tensors.values():
            parts.append(tensor.reshape([-1]))
            if gap := _gap(tensor.size):
                parts.append(self._zeros[gap])
        return paddle.concat(parts)

    def _share(self) -> None:
        """Make all tensors views of the vector, which has their values."""
        for tensor, start in zip(self._tensors.values(), self._starts, strict=True):
            part_of(self._vector, start, tensor.shape)._share_buffer_to(tensor)


def _gap(size: int) -> int:
    """Returns the number of elements between a tensor of this size and the next one."""
    return -size % _ALIGNMENT
