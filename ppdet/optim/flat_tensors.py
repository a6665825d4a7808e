"""Many tensors as one vector, so that an operation on all of them is one launch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import paddle

_ALIGNMENT = 64  # elements; kernels load vectors from aligned addresses


class FlatTensors:
    """Named float32 tensors that become views of one vector and keep their values.

    If a tensor gets memory of its own, `vector` notices and makes it a view again. In-place updates do not do that.
    """

    def __init__(self, tensors: Mapping[str, paddle.Tensor]):
        self._tensors = dict(tensors)
        self._starts, total = [], 0
        for tensor in self._tensors.values():
            self._starts.append(total)
            total += -(-tensor.size // _ALIGNMENT) * _ALIGNMENT
        self._vector = paddle.zeros([total], dtype="float32")
        self._adopt()

    def vector(self) -> paddle.Tensor:
        """Returns the vector [total] float32, with zeros between the tensors. Changing it changes the tensors."""
        origin = self._vector.data_ptr()
        places = zip(self._tensors.values(), self._starts, strict=True)
        if any(tensor.data_ptr() != origin + 4 * start for tensor, start in places):
            self._adopt()
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
    def _adopt(self) -> None:
        """Make all tensors views of the vector."""
        for tensor, start in zip(self._tensors.values(), self._starts, strict=True):
            view = self._vector._slice(start, start + tensor.size)
            view.get_tensor()._set_dims(tensor.shape)
            paddle.assign(tensor, view)
            view._share_buffer_to(tensor)
