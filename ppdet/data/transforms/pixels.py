"""Random changes of pixel values that leave every box where it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import Fraction, Range
from ppdet.core.registry import register
from ppdet.data.structures import Sample
from ppdet.data.transforms.mixing import drawable
from ppdet.data.transforms.sample_transforms import Transform

_Gain = Annotated[float, Range(0, 255)]
_LEVELS = np.arange(256)


@register
@dataclass(frozen=True)
class AugmentHSV(Transform):
    """Changes hue, saturation and value of the image by random amounts.

    With `hgain`, each of the three is changed with probability 1/2, by an amount up to its gain. Without, saturation
    and value are multiplied.

    Attributes:
        fraction: without gains: the factors are 1 - fraction to 1 + fraction.
        is_bgr: turn the hue the other way around, as if the image were BGR.
        hgain: largest change of the hue, in steps of 2 degrees; null: see fraction.
        sgain: largest change of the saturation, 0 to 255.
        vgain: largest change of the value, 0 to 255.
    """

    only_training = "which changes colors at random"

    fraction: Fraction = 0.5
    is_bgr: bool = True
    hgain: _Gain | None = None
    sgain: _Gain | None = None
    vgain: _Gain | None = None

    def __post_init__(self) -> None:
        gains = {"hgain": self.hgain, "sgain": self.sgain, "vgain": self.vgain}
        given = [name for name, gain in gains.items() if gain is not None]
        missing = [name for name in gains if name not in given]
        if given and missing:
            raise UserError(
                f"AugmentHSV.{missing[0]}: not given; expected a number, because {given[0]} is given; "
                f"set all three gains, or none of them"
            )

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        tables = self._draw_tables(rng)
        image, _ = drawable(sample)
        to, back = (cv2.COLOR_BGR2HSV, cv2.COLOR_HSV2BGR) if self.is_bgr else (cv2.COLOR_RGB2HSV, cv2.COLOR_HSV2RGB)
        changed = cv2.cvtColor(cv2.LUT(cv2.cvtColor(image, to), tables), back)
        return replace(sample, image=changed, color_map=None)

    def _draw_tables(self, rng: np.random.Generator) -> np.ndarray:
        """The new value of each hue, saturation and value, [1, 256, 3] uint8."""
        if self.hgain is None or self.sgain is None or self.vgain is None:
            saturation, value = (2 * rng.uniform(size=2) - 1) * self.fraction + 1
            columns = [_LEVELS, _LEVELS * saturation, _LEVELS * value]
        else:
            hue, saturation, value = (
                rng.uniform(-1, 1, 3) * (self.hgain, self.sgain, self.vgain) * rng.integers(0, 2, 3)
            )
            columns = [(_LEVELS + hue) % 180, _LEVELS + saturation, _LEVELS + value]
        return np.asarray(np.clip(np.stack(columns, axis=-1)[None], 0, 255).astype(np.uint8))
