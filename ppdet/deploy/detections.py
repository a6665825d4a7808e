"""What a detector found in one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detections:
    """n objects of one image, the surest first; n may be 0.

    boxes      [n, 4] float32, xyxy, pixels of the original image; may reach a little beyond its edges
    scores     [n] float32, 0..1
    class_ids  [n] int64
    names      n class names
    """

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scores)


def from_rows(rows: np.ndarray, labels: Sequence[str], threshold: float) -> Detections:
    """Rows [m, 6] (class, score, x1, y1, x2, y2) of at least `threshold`; each class has a label."""
    rows = rows[rows[:, 1] >= threshold]
    rows = rows[np.argsort(-rows[:, 1], kind="stable")]
    class_ids = rows[:, 0].astype(np.int64)
    names = tuple(labels[i] for i in class_ids.tolist())
    return Detections(rows[:, 2:].astype(np.float32), rows[:, 1].astype(np.float32), class_ids, names)


def to_rows(found: Detections) -> np.ndarray:
    """[n, 6] float32 (class, score, x1, y1, x2, y2)."""
    return np.column_stack([found.class_ids.astype(np.float32), found.scores, found.boxes])
