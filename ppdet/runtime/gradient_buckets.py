"""Averages gradients over the ranks on plug-in devices, in a few all-reduces that begin during the backward pass.

Does what paddle.DataParallel does on other devices. On plug-ins DataParallel copies each gradient into a bucket and
back, one at a time: 556 copies per update of S-320. Here one operator fills a bucket and one takes it apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import paddle
import paddle.distributed as dist
from paddle import nn
from paddle.base import core


class Bucket:
    """Gradients that are averaged in one all-reduce, which begins once all of them are complete."""

    def __init__(self, parameters: Sequence[paddle.Tensor]) -> None:
        self._parameters = parameters
        self._missing = 0  # gradients; 0 or less: none is waited for
        self._gradients: list[paddle.Tensor] = []
        self._mean: paddle.Tensor = None
        self._task: Any = None
        for parameter in parameters:
            parameter._register_backward_hook(self._arrived)

    def expect(self) -> None:
        """Begins the all-reduce in the next backward pass."""
        self._missing = len(self._parameters)

    @paddle.no_grad()
    def end(self) -> None:
        """Replaces the gradients by their means. The device waits for the all-reduce, the host does not."""
        if self._missing > 0:  # parameters without a gradient, which are the same on all ranks
            self._missing = 0
            self._begin()
        if self._gradients:
            self._task.wait()
            sizes = [prod(gradient.shape) for gradient in self._gradients]
            for gradient, part in zip(self._gradients, self._mean.split(sizes), strict=True):
                gradient.get_tensor()._set_dims(gradient.shape)  # as its part of the mean lies in memory
                part._share_buffer_to(gradient)
        self._gradients, self._mean, self._task = [], None, None

    def _arrived(self) -> None:
        self._missing -= 1
        if self._missing == 0:
            self._begin()

    @paddle.no_grad()
    def _begin(self) -> None:
        self._gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        if self._gradients:
            flat = [gradient.reshape([-1]) for gradient in self._gradients]
            self._mean = paddle.concat(flat) * (1 / dist.get_world_size())
            self._task = dist.all_reduce(self._mean, sync_op=False)


class BucketParallel(nn.Layer):
    """A model whose backward pass ends with the mean gradients of all ranks. The weights must be equal on all of them.

    Args:
        model: every parameter that is trained gets a gradient from each update, on all ranks or on none.
        sizes: largest all-reduces in bytes: the one of the first layers, which comes last, and the others.
    """

    def __init__(self, model: nn.Layer, sizes: tuple[int, int]) -> None:
        super().__init__()
        self.model = model
        parameters = [parameter for parameter in model.parameters() if not parameter.stop_gradient]
        groups = core.eager_assign_group_by_size(parameters, [False] * len(parameters), list(sizes))
        self._buckets = [Bucket([parameters[i] for i in group]) for group in reversed(groups)]
        self._averages, self._awaits_end = True, False

    def forward(self, *inputs: paddle.Tensor) -> Any:
        """Returns what the model does."""
        if self._averages and paddle.is_grad_enabled():
            for bucket in self._buckets:
                bucket.expect()
            if not self._awaits_end:
                self._awaits_end = True
                core.eager._add_backward_final_hook(self._end)  # type: ignore[no-untyped-call]
        return self.model(*inputs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Context in which gradients add up on each rank without being averaged."""
        self._averages = False
        try:
            yield
        finally:
            self._averages = True

    def _end(self) -> None:
        self._awaits_end = False
        for bucket in self._buckets:
            bucket.end()
