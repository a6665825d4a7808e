"""Learning-rate schedule and optimizer, from the `LearningRate` and `OptimizerBuilder` sections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import paddle
from paddle import nn
from paddle.regularizer import L1Decay, L2Decay

from ppdet.core.errors import UserError, nearest
from ppdet.core.registry import Component, register

_OPTIMIZERS = {cls.__name__: cls for cls in (paddle.optimizer.Momentum, paddle.optimizer.SGD, paddle.optimizer.Adam,
                                             paddle.optimizer.AdamW)}  # fmt: skip
_REGULARIZERS = {"L1": L1Decay, "L2": L2Decay}


class Schedule(Protocol):
    """One part of a schedule: the factor that it puts on the base learning rate at `step`."""

    def factor(self, step: int, steps_per_epoch: int, warmup_steps: int) -> float: ...


@register
@dataclass(frozen=True)
class CosineDecay:
    """Half a cosine from 1 to `min_lr_ratio`, from the end of the warm-up to `max_epochs`."""

    ignored_options: ClassVar[tuple[str, ...]] = ("use_warmup",)  # a LinearWarmup in the list says so

    max_epochs: int = 1000
    min_lr_ratio: float = 0.0

    def factor(self, step: int, steps_per_epoch: int, warmup_steps: int) -> float:
        total = self.max_epochs * steps_per_epoch
        progress = min(1.0, (step - warmup_steps) / max(1, total - warmup_steps))
        return self.min_lr_ratio + (1 - self.min_lr_ratio) * 0.5 * (math.cos(progress * math.pi) + 1)


@register
@dataclass(frozen=True)
class PiecewiseDecay:
    """Times `gamma` at each of the `milestones` (epochs)."""

    ignored_options: ClassVar[tuple[str, ...]] = ("use_warmup",)  # a LinearWarmup in the list says so

    milestones: Sequence[int] = (8, 11)
    gamma: float = 0.1

    def factor(self, step: int, steps_per_epoch: int, warmup_steps: int) -> float:
        return self.gamma ** sum(step >= epoch * steps_per_epoch for epoch in self.milestones)


@register
@dataclass(frozen=True)
class LinearWarmup:
    """From `start_factor` to 1 in `steps` steps (or `epochs` epochs)."""

    steps: int = 500
    start_factor: float = 1.0 / 3
    epochs: int | None = None

    def length(self, steps_per_epoch: int) -> int:
        return self.steps if self.epochs is None else self.epochs * steps_per_epoch

    def warmup_factor(self, step: int, length: int) -> float:
        progress = step / length
        return self.start_factor * (1 - progress) + progress


@register
class LearningRate:
    """The learning rate as a pure function of the step; at most one warm-up and one decay."""

    def __init__(self, base_lr: float, schedulers: Sequence[Component[Any]] = ()):
        warmups = [s for s in schedulers if isinstance(s, LinearWarmup)]
        decays = [s for s in schedulers if not isinstance(s, LinearWarmup)]
        if len(warmups) > 1 or len(decays) > 1:
            raise UserError("LearningRate.schedulers: expected at most one LinearWarmup and one decay")
        self.base_lr = base_lr
        self.warmup = warmups[0] if warmups else None
        self.decay = decays[0] if decays else None

    def at(self, step: int, steps_per_epoch: int) -> float:
        """Learning rate of the update number `step` (from 0)."""
        warmup_steps = self.warmup.length(steps_per_epoch) if self.warmup else 0
        if step < warmup_steps:
            return self.base_lr * self.warmup.warmup_factor(step, warmup_steps)
        return self.base_lr * (self.decay.factor(step, steps_per_epoch, warmup_steps) if self.decay else 1.0)


@register
class OptimizerBuilder:
    """Optimizer `{type: Momentum, …}` and regularizer `{type: L2, factor: …}`; parameters may carry their own decay."""

    def __init__(
        self,
        optimizer: dict[str, Any],
        regularizer: dict[str, Any] | None = None,
        clip_grad_by_norm: float | None = None,
    ):
        self.optimizer = _typed(optimizer, _OPTIMIZERS, "OptimizerBuilder.optimizer")
        self.regularizer = regularizer and _typed(regularizer, _REGULARIZERS, "OptimizerBuilder.regularizer")
        self.clip_grad_by_norm = clip_grad_by_norm

    def __call__(self, learning_rate: float, model: nn.Layer) -> paddle.optimizer.Optimizer:
        """An optimizer of the model's trainable parameters; the caller sets the learning rate of every step."""
        cls, options = self.optimizer
        decay = None
        if self.regularizer:
            regularizer, arguments = self.regularizer
            decay = regularizer(arguments.get("factor", 0.0))
        clip = nn.ClipGradByGlobalNorm(self.clip_grad_by_norm) if self.clip_grad_by_norm else None
        parameters = [p for p in model.parameters() if not p.stop_gradient]
        try:
            return cls(
                learning_rate=learning_rate, parameters=parameters, weight_decay=decay, grad_clip=clip, **options
            )
        except TypeError as error:
            raise UserError(
                f"OptimizerBuilder.optimizer: {cls.__name__} does not take these options: {error}"
            ) from error


def _typed(section: dict[str, Any], known: dict[str, type], path: str) -> tuple[type, dict[str, Any]]:
    """The class that `type` names, and the other options; null takes away an option that a base config set."""
    options = {key: value for key, value in section.items() if value is not None}
    name = options.pop("type", None)
    if name not in known:
        raise UserError(f"{path}.type: found {name!r}, expected one of {', '.join(known)}{nearest(str(name), known)}")
    return known[name], options
