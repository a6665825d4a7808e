"""The epochs in which augmentations are on, as a function of the epoch alone, so that a resumed run needs no state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ppdet.data.transforms.sample_transforms import AnyTransform, Augmentation

T = TypeVar("T", bound=AnyTransform)

IN_TURN = ("Mixup", "Cutmix", "Mosaic")  # one of them at a time, the first that is on


@dataclass(frozen=True)
class Schedule:
    """The transforms of each epoch; epochs count from 0.

    Attributes:
        first_epochs: how many of the first epochs have the transform of a name (of IN_TURN); 0: all have it; -1: none.
        end: the first epoch without any augmentation; None: all may have some.
    """

    first_epochs: Mapping[str, int] = field(default_factory=dict)
    end: int | None = None

    def active(self, transforms: Sequence[T], epoch: int) -> list[T]:
        """The transforms of an epoch, in order."""
        on = [name for name in IN_TURN if self._begins_with(name, epoch)]
        off = set(self.first_epochs) - set(on[:1])
        closed = self.end is not None and epoch >= self.end
        return [
            each
            for each in transforms
            if not (closed and isinstance(each, Augmentation)) and type(each).__name__ not in off
        ]

    def _begins_with(self, name: str, epoch: int) -> bool:
        epochs = self.first_epochs.get(name, -1)
        return epochs == 0 or epoch < epochs
