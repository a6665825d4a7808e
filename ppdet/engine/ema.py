"""Exponential moving average of the weights, as the published models were trained with."""

from __future__ import annotations

import math

import paddle
from paddle import nn


class ModelEMA:
    """Average of every entry of the model's state dict, norm statistics included.

    It starts from zeros and is divided by (1 - decay^step) when applied. The decay follows `decay_type`: "threshold"
    min(decay, (1 + step) / (10 + step)), "exponential" decay * (1 - exp(-(step + 1) / 2000)) without the division,
    "normal" constant. `cycle_epoch` > 0 starts anew every so many epochs (upstream counts snapshots instead).
    """

    def __init__(self, model: nn.Layer, decay: float = 0.9998, decay_type: str = "threshold", cycle_epoch: int = -1):
        self.decay = decay
        self.decay_type = decay_type
        self.cycle_epoch = cycle_epoch
        self.state = {name: paddle.zeros_like(value) for name, value in model.state_dict().items()}
        self.step = 0

    def _decay_at(self, step: int) -> float:
        if self.decay_type == "threshold":
            return min(self.decay, (1 + step) / (10 + step))
        if self.decay_type == "exponential":
            return self.decay * (1 - math.exp(-(step + 1) / 2000))
        return self.decay

    @paddle.no_grad()
    def update(self, model: nn.Layer) -> None:
        """Take in the model's weights after an optimizer step."""
        decay = self._decay_at(self.step)
        for name, value in model.state_dict().items():
            self.state[name] = self.state[name] * decay + value.detach() * (1 - decay)
        self.step += 1

    @paddle.no_grad()
    def averaged(self) -> dict[str, paddle.Tensor]:
        """The average, for evaluation and saving; call `update` at least once before."""
        if self.decay_type == "exponential":
            return dict(self.state)
        scale = 1 / (1 - self._decay_at(self.step - 1) ** self.step)
        return {name: value * scale for name, value in self.state.items()}

    def start_epoch(self, epoch: int) -> None:
        """Begin a new cycle where `epoch` (from 0) starts one."""
        if self.cycle_epoch > 0 and epoch > 0 and epoch % self.cycle_epoch == 0:
            self.state = {name: paddle.zeros_like(value) for name, value in self.state.items()}
            self.step = 0
