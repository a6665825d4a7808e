"""RandomSelect: one of two lists of transforms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import Fraction
from ppdet.core.registry import Component, register
from ppdet.data.ops import functional as F
from ppdet.data.structures import Sample
from ppdet.data.transforms.sample_transforms import Augmentation, Decode, NormalizeImage, Resize, Transform


@register
class RandomSelect(Transform):
    """Applies `transforms1` with probability `p`, else `transforms2`.

    Args:
        transforms1: sample transforms.
        transforms2: sample transforms.
        p: share of the images that go through transforms1.
    """

    only_training = "which chooses transforms at random"

    def __init__(
        self,
        transforms1: Sequence[Component[Transform]],
        transforms2: Sequence[Component[Transform]],
        p: Fraction = 0.5,
    ) -> None:
        self.lists, self.p = (list(transforms1), list(transforms2)), p
        for number, transforms in enumerate(self.lists, start=1):
            for transform in transforms:
                if isinstance(transform, (Decode, Augmentation, NormalizeImage)):
                    kind = type(transform).__name__
                    raise UserError(
                        f"RandomSelect.transforms{number}: found {kind}, which stands in sample_transforms itself only"
                    )

    @property
    def sizes(self) -> list[F.Size]:
        """The sizes that images may be resized to."""
        both = [transform for transforms in self.lists for transform in transforms]
        return [size for each in both if isinstance(each, (Resize, RandomSelect)) for size in each.sizes]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        for transform in self.lists[0] if rng.uniform() < self.p else self.lists[1]:
            sample = transform(sample, rng)
        return sample
