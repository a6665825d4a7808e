"""The objects of one frame, with the ids that they keep from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..detections import Detections
from ..draw import draw


@dataclass(frozen=True, kw_only=True)
class Tracked(Detections):
    """Detections of one frame that a Tracker follows.

    Some may score less than the threshold: those that continue a track.

    Attributes:
        ids: [n] int64, from 1; an object has the same id in all frames, and no other object has it.
    """

    ids: np.ndarray

    def entries(self) -> list[dict[str, Any]]:
        """Those of Detections, each with its `track_id`."""
        pairs = zip(self.ids.tolist(), super().entries(), strict=True)
        return [{"track_id": track_id, **entry} for track_id, entry in pairs]

    def to_supervision(self) -> Any:
        """That of Detections with the ids as `tracker_id`."""
        found = super().to_supervision()
        found.tracker_id = self.ids
        return found

    def _draw(self, image: np.ndarray | None) -> np.ndarray:
        return draw(self._bgr(image), self.boxes, self.scores, self.class_ids, self.names, self.ids)
