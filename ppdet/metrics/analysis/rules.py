"""The evaluations that an analysis follows: how boxes overlap, which overlap is enough, how a curve becomes an AP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ppdet.core.errors import UserError

AREAS = {"all": (0.0, 1e10), "s": (0.0, 32.0**2), "m": (32.0**2, 96.0**2), "l": (96.0**2, 1e10)}  # square pixels


@dataclass(frozen=True)
class Rule:
    """An evaluation.

    Attributes:
        name: "COCO" or "VOC".
        ious: the overlaps at which a detection is right, ascending.
        recalls: the recalls at which precision is read, ascending; empty: the sum of the raw curve (VOC's "integral").
        max_found: the most detections of an image and class that count; 0: all.
        pixel: what is added to the sides of boxes. VOC's corners are pixels that belong to the box.
    """

    name: str
    ious: tuple[float, ...]
    recalls: tuple[float, ...]
    max_found: int
    pixel: float

    @property
    def is_voc(self) -> bool:
        return self.name == "VOC"

    @property
    def areas(self) -> Mapping[str, tuple[float, float]]:
        """Ranges of area by name, square pixels. VOC counts all boxes, inverted ones of negative area as well."""
        return AREAS | {"all": (-np.inf, np.inf)} if self.is_voc else AREAS


COCO = Rule("COCO", tuple(np.linspace(0.5, 0.95, 10).tolist()), tuple(np.linspace(0, 1, 101).tolist()), 100, 0.0)


def rule_for(kind: str, map_type: str = "11point") -> Rule:
    """Returns the rule of a config's `metric` and `map_type`.

    Raises:
        UserError: there is no such metric.
    """
    if kind == "COCO":
        return COCO
    if kind == "VOC":
        recalls = tuple(level / 10 for level in range(11)) if map_type == "11point" else ()
        return Rule("VOC", (0.5,), recalls, 0, 1.0)
    raise UserError(f"metric: found {kind!r}; expected one of COCO, VOC")
