"""Exponential moving average of the weights, with which the published models were trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import paddle
from paddle import nn

from ppdet.optim.flat_tensors import FlatTensors


class ModelEMA:
    """Average of all entries of a model's state dict, including norm statistics; what is frozen stays as it is.

    left_out: names of more entries that have no average.

    The average starts from zeros and is divided by (1 - decay^step) when it is used. `decay_type` sets the decay:
    "threshold": min(decay, (1 + step) / (10 + step)).
    "exponential": decay * (1 - exp(-(step + 1) / 2000)), without the division.
    "normal": constant.

    With `cycle_epoch` > 0 the average restarts every `cycle_epoch` epochs; upstream counts snapshots instead.

    The model's tensors move into one vector, and the average is a vector too, so an update takes three launches.
    """

    def __init__(
        self,
        model: nn.Layer,
        decay: float = 0.9998,
        decay_type: str = "threshold",
        cycle_epoch: int = -1,
        left_out: Iterable[str] = (),
    ) -> None:
        self.decay = decay
        self.decay_type = decay_type
        self.cycle_epoch = cycle_epoch
        self._model = FlatTensors(model.state_dict())
        self._frozen = {*frozen_entries(model), *left_out}
        self._average = paddle.zeros_like(self._model.vector())
        self.step = 0

    def _decay_at(self, step: int) -> float:
        if self.decay_type == "threshold":
            return min(self.decay, (1 + step) / (10 + step))
        if self.decay_type == "exponential":
            return self.decay * (1 - math.exp(-(step + 1) / 2000))
        return self.decay

    @paddle.no_grad()
    def update(self) -> None:
        """Add the model's current weights to the average. Call it after each optimizer step."""
        decay = self._decay_at(self.step)
        self._average = self._average * decay + self._model.vector() * (1 - decay)
        self.step += 1

    @paddle.no_grad()
    def averaged(self) -> dict[str, np.ndarray]:
        """Returns the average by name, for evaluation and saving. Call `update` at least once before."""
        average = self._average
        if self.decay_type != "exponential":
            average = average * (1 / (1 - self._decay_at(self.step - 1) ** self.step))
        averages = self._model.split(average)
        if self._frozen:  # the divisor fits constants only nearly, as in PaddleDetection
            averages |= {name: value for name, value in self.weights().items() if name in self._frozen}
        return averages

    def weights(self) -> dict[str, np.ndarray]:
        """Returns the model's own entries by name, which take one copy from the device."""
        return self._model.split(self._model.vector())

    def start_epoch(self, epoch: int) -> None:
        """Restart the average if a cycle begins with `epoch` (counted from 0)."""
        if self.cycle_epoch > 0 and epoch > 0 and epoch % self.cycle_epoch == 0:
            self._average = paddle.zeros_like(self._average)
            self.step = 0

    def state(self) -> dict[str, np.ndarray]:
        """Returns the undivided average by name, for a checkpoint, which also needs `step`."""
        return self._model.split(self._average)

    def load(self, state: Mapping[str, np.ndarray], step: int) -> None:
        """Continue from the `state` of a checkpoint."""
        self._average = self._model.join(state)
        self.step = step


def frozen_entries(model: nn.Layer) -> Iterator[str]:
    """The entries of the state dict that a training leaves as they are."""
    for prefix, layer in model.named_sublayers(include_self=True):
        follows_batches = not getattr(layer, "_use_global_stats", None)  # if it is a norm
        for name, parameter in layer.named_parameters(prefix, include_sublayers=False):
            if parameter.stop_gradient and not (follows_batches and name.endswith(("_mean", "_variance"))):
                yield name
