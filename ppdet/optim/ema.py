"""Exponential moving average of the weights, as the published models were trained with."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import paddle
from paddle import nn

from ppdet.optim.flat_tensors import FlatTensors


class ModelEMA:
    """Average of every entry of the model's state dict, norm statistics included.

    It starts from zeros and is divided by (1 - decay^step) when applied. The decay follows `decay_type`: "threshold"
    min(decay, (1 + step) / (10 + step)), "exponential" decay * (1 - exp(-(step + 1) / 2000)) without the division,
    "normal" constant. `cycle_epoch` > 0 starts anew every so many epochs (upstream counts snapshots instead).

    The model's tensors are moved into one vector, and so is the average: an update is three launches.
    """

    def __init__(self, model: nn.Layer, decay: float = 0.9998, decay_type: str = "threshold", cycle_epoch: int = -1):
        self.decay = decay
        self.decay_type = decay_type
        self.cycle_epoch = cycle_epoch
        self._model = FlatTensors(model.state_dict())
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
        """Take in the model's weights after an optimizer step."""
        decay = self._decay_at(self.step)
        self._average = self._average * decay + self._model.vector() * (1 - decay)
        self.step += 1

    @paddle.no_grad()
    def averaged(self) -> dict[str, paddle.Tensor]:
        """The average by name, for evaluation and saving; call `update` at least once before."""
        average = self._average
        if self.decay_type != "exponential":
            average = average * (1 / (1 - self._decay_at(self.step - 1) ** self.step))
        return {name: paddle.to_tensor(value) for name, value in self._model.split(average).items()}

    def start_epoch(self, epoch: int) -> None:
        """Begin a new cycle where `epoch` (from 0) starts one."""
        if self.cycle_epoch > 0 and epoch > 0 and epoch % self.cycle_epoch == 0:
            self._average = paddle.zeros_like(self._average)
            self.step = 0

    def state(self) -> dict[str, np.ndarray]:
        """The sums by name, for a checkpoint; the number of steps goes with them."""
        return self._model.split(self._average)

    def load(self, state: Mapping[str, np.ndarray], step: int) -> None:
        """Continue from the `state` of a checkpoint."""
        self._average = self._model.join(state)
        self.step = step
