"""The learning rate as a function of the step, from the `LearningRate` section."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from ppdet.core.errors import UserError
from ppdet.core.ranges import AboveZero, Ascending, Count, Fraction, Length, Positive, Range
from ppdet.core.registry import Component, register

logger = logging.getLogger(__name__)

_Rate = Annotated[float, Range(0, 100, exclude="low")]
_HINT = (
    "give the images that it is for as reference_batch_size to have it scaled (PaddleDetection's files: 4 x batch_size)"
)


class Schedule:
    """One part of a schedule."""

    def end(self, steps_per_epoch: int) -> tuple[str, int]:
        """The option that sets the last step at which the rate changes, and that step."""
        raise NotImplementedError


class Decay(Schedule):
    """The part of a schedule that follows the warm-up."""

    use_warmup: bool

    def factor(self, step: int, steps_per_epoch: int, warmup_steps: int) -> float:
        """The factor of the base rate at `step`."""
        raise NotImplementedError


@register
@dataclass(frozen=True)
class CosineDecay(Decay):
    """The rate falls as half a cosine, from the end of the warm-up on.

    Attributes:
        max_epochs: epoch at whose end the schedule is over; the warm-up counts.
        min_lr_ratio: the lowest rate, relative to the base rate.
        last_plateau_epochs: the last of max_epochs, which all have the lowest rate.
        use_warmup: false leaves out a warm-up that stands in the same list.
    """

    max_epochs: Positive = 1000
    min_lr_ratio: Fraction = 0.0
    last_plateau_epochs: Count = 0
    use_warmup: bool = True

    def factor(self, step: int, steps_per_epoch: int, warmup_steps: int) -> float:
        total = max(0, self.max_epochs - self.last_plateau_epochs) * steps_per_epoch
        if step >= total:
            return self.min_lr_ratio
        progress = (step - warmup_steps) / max(1, total - warmup_steps)
        return self.min_lr_ratio + (1 - self.min_lr_ratio) * 0.5 * (math.cos(progress * math.pi) + 1)

    def end(self, steps_per_epoch: int) -> tuple[str, int]:
        return "max_epochs", self.max_epochs * steps_per_epoch


@register
@dataclass(frozen=True)
class PiecewiseDecay(Decay):
    """The rate falls in steps.

    Attributes:
        milestones: epochs after which the rate falls.
        gamma: factor by which it falls at each milestone.
        use_warmup: false leaves out a warm-up that stands in the same list.
    """

    milestones: Annotated[Sequence[Positive], Length(1, 100), Ascending()] = (8, 11)
    gamma: Annotated[float, Range(0, 1, exclude="low")] = 0.1
    use_warmup: bool = True

    def factor(self, step: int, steps_per_epoch: int, warmup_steps: int) -> float:
        return self.gamma ** sum(step >= epoch * steps_per_epoch for epoch in self.milestones)

    def end(self, steps_per_epoch: int) -> tuple[str, int]:
        return "milestones", self.milestones[-1] * steps_per_epoch


@dataclass(frozen=True)
class Warmup(Schedule):
    """The part of a schedule in which the rate rises to the base rate.

    Attributes:
        steps: length in updates.
        epochs: length in epochs, instead of steps.
    """

    steps: Count = 500
    epochs: Count | None = None

    def length(self, steps_per_epoch: int) -> int:
        return self.steps if self.epochs is None else self.epochs * steps_per_epoch

    def end(self, steps_per_epoch: int) -> tuple[str, int]:
        return "steps" if self.epochs is None else "epochs", self.length(steps_per_epoch)

    def warmup_factor(self, step: int, length: int) -> float:
        """The factor of the base rate at `step` of a warm-up of `length` steps."""
        raise NotImplementedError


@register
@dataclass(frozen=True)
class LinearWarmup(Warmup):
    """The rate rises to the base rate in equal steps.

    Attributes:
        steps: length in updates.
        epochs: length in epochs, instead of steps.
        start_factor: rate of the first update, relative to the base rate.
    """

    start_factor: Fraction = 1.0 / 3

    def warmup_factor(self, step: int, length: int) -> float:
        progress = step / length
        return self.start_factor * (1 - progress) + progress


@register
@dataclass(frozen=True)
class ExpWarmup(Warmup):
    """The rate rises from 0 to the base rate, as a power of the progress.

    Attributes:
        steps: length in updates.
        epochs: length in epochs, instead of steps.
        power: the exponent.
    """

    steps: Count = 1000
    power: AboveZero = 2

    def warmup_factor(self, step: int, length: int) -> float:
        return float((step / length) ** self.power)


@register
class LearningRate:
    """The learning rate as a pure function of the step; at most one warm-up and one decay.

    Args:
        base_lr: the rate at the end of the warm-up, for updates of `reference_batch_size` images.
        schedulers: a LinearWarmup or ExpWarmup, and a CosineDecay or PiecewiseDecay, or one of them.
        auto_scale: whether base_lr is multiplied with (images per update) / `reference_batch_size`; default: true if
            that is given.
        reference_batch_size: images per update, over all devices, that base_lr is for. If it is not given, as in
            PaddleDetection's files, base_lr is taken as it is.
    """

    removed_options: ClassVar[dict[str, str]] = {
        "reference_lr": "base_lr itself belongs to reference_batch_size; remove it (auto_scale: false keeps base_lr)"
    }

    def __init__(
        self,
        base_lr: _Rate,
        schedulers: Sequence[Component[Schedule]] = (),
        auto_scale: bool | None = None,
        reference_batch_size: Positive | None = None,
    ):
        if auto_scale and reference_batch_size is None:
            raise UserError("LearningRate.reference_batch_size: required by auto_scale, not given")
        warmups = [s for s in schedulers if isinstance(s, Warmup)]
        decays = [s for s in schedulers if isinstance(s, Decay)]
        if len(warmups) > 1 or len(decays) > 1:
            raise UserError("LearningRate.schedulers: expected at most one warm-up and one decay")
        self.base_lr = base_lr
        self.schedulers = schedulers
        self.decay = decays[0] if decays else None
        self.warmup = warmups[0] if warmups else None
        if self.decay and not self.decay.use_warmup:
            self.warmup = None
        self.auto_scale = auto_scale
        self.reference_batch_size = reference_batch_size

    def for_run(
        self, batch_size: int, cards: int, accumulate_steps: int = 1, places: tuple[str, str] | None = None
    ) -> LearningRate:
        """A copy whose base_lr is scaled to a run's images per update. Logs one line with that rate.

        Args:
            batch_size: images per card and step.
            cards: devices, each with a process.
            accumulate_steps: steps per update.
            places: where base_lr and reference_batch_size are set, if base_lr is set later and without the other. A
                rate that changes is then a warning.
        """
        images = batch_size * cards * accumulate_steps
        scaled = copy.copy(self)
        if self.auto_scale is False:
            message = f"{self.base_lr:g} is taken as it is (auto_scale: false)"
        elif self.reference_batch_size is None:
            message = f"{self.base_lr:g} is taken as it is, for {images} images per update; {_HINT}"
        else:
            scaled.base_lr = scaled_lr(self.base_lr, images, self.reference_batch_size)
            message = self._scaling(scaled.base_lr, images, places)
        level = logging.WARNING if places and scaled.base_lr != self.base_lr else logging.INFO
        logger.log(level, "LearningRate.base_lr: %s", message)
        return scaled

    def _scaling(self, rate: float, images: int, places: tuple[str, str] | None) -> str:
        """The change of base_lr to `rate`, for the log."""
        base, reference = f"{self.base_lr:g}", f"{self.reference_batch_size} images per update"
        if rate == self.base_lr:
            return f"{base}, for {reference} as in this run"
        if places is None:
            return f"{base} for {reference} becomes {rate:g} for {images} (auto_scale: false keeps it)"
        remedy = "set reference_batch_size beside base_lr, or auto_scale: false to keep it"
        return f"{base} ({places[0]}) for {reference} ({places[1]}) becomes {rate:g} for {images}; {remedy}"

    def misfit(self, epochs: int, steps_per_epoch: int, start: int = 0) -> str | None:
        """The options of the schedule that do not fit a run, in one line; None if all fit.

        Args:
            epochs: epochs to train.
            steps_per_epoch: updates in an epoch.
            start: epochs that are done already.
        """
        found = []
        for index, part in enumerate(self.schedulers):
            option, end = part.end(steps_per_epoch)
            path, total = f"LearningRate.schedulers.{index}.{option}", epochs * steps_per_epoch
            if part is self.decay and (zero := self._zero_epochs(range(start, epochs), steps_per_epoch)):
                which = f"epoch {zero[0]} has" if len(zero) == 1 else f"epochs {zero[0]} to {zero[-1]} have"
                found.append(f"{which} learning rate 0; set {path}")
            elif end > total:
                what = "the warm-up" if part is self.warmup else "the schedule"
                found.append(f"{what} takes {end} steps, the whole run {total}; set {path}")
        return "; ".join(found) or None

    def _zero_epochs(self, epochs: Sequence[int], steps_per_epoch: int) -> list[int]:
        """The epochs, counted from 1, whose first and last step have the rate 0."""
        ends = ((epoch, epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch - 1) for epoch in epochs)
        return [epoch + 1 for epoch, *steps in ends if not any(self.at(step, steps_per_epoch) for step in steps)]

    def at(self, step: int, steps_per_epoch: int) -> float:
        """Learning rate of the update number `step` (from 0)."""
        warmup_steps = self.warmup.length(steps_per_epoch) if self.warmup else 0
        if self.warmup and step < warmup_steps:
            return self.base_lr * self.warmup.warmup_factor(step, warmup_steps)
        return self.base_lr * (self.decay.factor(step, steps_per_epoch, warmup_steps) if self.decay else 1.0)


def scaled_lr(base_lr: float, batch_size: int, reference_batch_size: int) -> float:
    """Scale a rate for updates of `reference_batch_size` images linearly to updates of `batch_size` images."""
    return base_lr if batch_size == reference_batch_size else base_lr * batch_size / reference_batch_size
