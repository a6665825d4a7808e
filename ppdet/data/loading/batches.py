"""A batch's arrays as tensors on Paddle's current device, where they arrive in one copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle.base import framework

from ppdet.data.loading.packing import Field, PackedArrays
from ppdet.data.ops.device_color import map_colors
from ppdet.data.structures import Batch
from ppdet.runtime.operator_support import place_kind
from ppdet.utils.tensor_parts import part_of

_STAYS_ON_HOST = "im_id"


def current_place() -> Any:
    """Returns the Paddle place of new tensors, with its card."""
    return framework._current_expected_place()


def on_cpu(arrays: PackedArrays) -> Batch:
    """Returns the batch as tensors that share the arrays' memory."""
    tensors = {name: shared_tensor(array) for name, array in arrays.items() if name != _STAYS_ON_HOST}
    return _batch(tensors, arrays[_STAYS_ON_HOST].copy())


@dataclass(frozen=True, eq=False)
class Sent:
    """A batch that is on the device, as one vector [n] float32, and where its parts are."""

    vector: paddle.Tensor
    layout: Mapping[str, Field]
    im_id: np.ndarray

    def batch(self) -> Batch:
        """Returns the Batch, whose tensors are parts of the vector."""
        tensors = {name: self._part(field) for name, field in self.layout.items() if name != _STAYS_ON_HOST}
        return _batch(tensors, self.im_id)

    def _part(self, field: Field) -> paddle.Tensor:
        words = part_of(self.vector, field.start // 4, [-(-field.size // 4)])
        if field.dtype == "float32":
            return part_of(words, 0, field.shape)
        # Paddle's view of another size is right for parts that begin with the vector. Images do.
        return part_of(paddle.view(words, field.dtype), 0, field.shape)


def send(arrays: PackedArrays, place: Any) -> Sent:
    """Copies the arrays to the device `place`.

    Waits for the copy, without holding the interpreter's lock: call it on a thread of its own.
    """
    host = shared_tensor(arrays.memory.view(np.float32))
    if place_kind(str(place)) == "gpu":
        framework._set_expected_place(place)  # a new thread uses card 0; page-locking would take memory there
        host = host.pin_memory()
    # A blocking copy runs behind all work that the device has been given. The memory that Paddle gives to the copy may
    # still be read by that work: it is free as soon as the host has released it.
    return Sent(host._copy_to(place, True), arrays.layout, arrays[_STAYS_ON_HOST].copy())


def _batch(tensors: dict[str, paddle.Tensor], im_id: np.ndarray) -> Batch:
    color_map = tensors.pop("color_map", None)
    if color_map is not None:
        tensors["image"] = map_colors(tensors["image"], color_map)
    return Batch(im_id=im_id, **tensors)


def shared_tensor(array: np.ndarray) -> paddle.Tensor:
    """Returns a CPU tensor that shares the array's memory, which paddle.to_tensor would copy."""
    return paddle.base.core.eager.Tensor(
        value=array, place=paddle.CPUPlace(), persistable=False, zero_copy=True, name=None, stop_gradient=True
    )
