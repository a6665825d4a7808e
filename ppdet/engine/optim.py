"""Learning-rate schedule and optimizer, from the `LearningRate` and `OptimizerBuilder` sections."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import paddle
from paddle import nn
from paddle.regularizer import L1Decay, L2Decay

from ppdet.core.errors import UserError, nearest
from ppdet.core.registry import Component, register

logger = logging.getLogger(__name__)

_PUBLISHED_CARDS = 4  # that the published learning rates are for
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
    """The learning rate as a pure function of the step; at most one warm-up and one decay.

    auto_scale            true: a `base_lr` that equals `reference_lr` is scaled to the run's images per update; a value
                          of one's own is taken as it is. false: never. Not given: never, with a hint (`for_run`)
    reference_lr          the rate that belongs to `reference_batch_size`; default: `base_lr`
    reference_batch_size  images per update, over all cards
    """

    def __init__(
        self,
        base_lr: float,
        schedulers: Sequence[Component[Any]] = (),
        auto_scale: bool | None = None,
        reference_lr: float | None = None,
        reference_batch_size: int | None = None,
    ):
        if auto_scale and reference_batch_size is None:
            raise UserError("LearningRate.reference_batch_size: required by auto_scale, not given")
        if reference_batch_size is not None and reference_batch_size < 1:
            raise UserError(f"LearningRate.reference_batch_size: expected 1 or more, found {reference_batch_size}")
        warmups = [s for s in schedulers if isinstance(s, LinearWarmup)]
        decays = [s for s in schedulers if not isinstance(s, LinearWarmup)]
        if len(warmups) > 1 or len(decays) > 1:
            raise UserError("LearningRate.schedulers: expected at most one LinearWarmup and one decay")
        self.base_lr = base_lr
        self.warmup = warmups[0] if warmups else None
        self.decay = decays[0] if decays else None
        self.auto_scale = auto_scale
        self.reference_lr = base_lr if reference_lr is None else reference_lr
        self.reference_batch_size = reference_batch_size

    def for_run(self, batch_size: int, cards: int, accumulate_steps: int = 1) -> LearningRate:
        """This schedule with the base rate of a run, which is told in one line where it is not plainly `base_lr`.

        batch_size: images per card and step; accumulate_steps: steps per update.
        """
        images = batch_size * cards * accumulate_steps
        if self.auto_scale is None:
            fitting = scaled_lr(self.base_lr, images, _PUBLISHED_CARDS * batch_size)
            if fitting != self.base_lr:
                logger.warning(
                    "LearningRate.base_lr: %g is taken as it is; if it is a published one, for %d cards of %d images, "
                    "%g fits %d images per update (LearningRate.auto_scale settles it)",
                    self.base_lr, _PUBLISHED_CARDS, batch_size, fitting, images,
                )  # fmt: skip
        if not self.auto_scale:
            return self
        if self.base_lr != self.reference_lr:
            logger.info("LearningRate.base_lr: %g, your own, is taken as it is", self.base_lr)
            return self
        scaled = copy.copy(self)
        scaled.base_lr = scaled_lr(self.base_lr, images, self.reference_batch_size)
        if scaled.base_lr != self.base_lr:
            logger.info(
                "LearningRate.base_lr: %g for %d images per update becomes %g for %d (auto_scale=false keeps it)",
                self.base_lr, self.reference_batch_size, scaled.base_lr, images,
            )  # fmt: skip
        return scaled

    def at(self, step: int, steps_per_epoch: int) -> float:
        """Learning rate of the update number `step` (from 0)."""
        warmup_steps = self.warmup.length(steps_per_epoch) if self.warmup else 0
        if step < warmup_steps:
            return self.base_lr * self.warmup.warmup_factor(step, warmup_steps)
        return self.base_lr * (self.decay.factor(step, steps_per_epoch, warmup_steps) if self.decay else 1.0)


def scaled_lr(base_lr: float, batch_size: int, reference_batch_size: int) -> float:
    """The linear rule: a rate found for updates of `reference_batch_size` images, for those of `batch_size`."""
    return base_lr if batch_size == reference_batch_size else base_lr * batch_size / reference_batch_size


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
        if cls is paddle.optimizer.Momentum:
            options = {"use_multi_tensor": True, **options}  # one launch for all parameters
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
