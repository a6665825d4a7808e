"""Stands in for the packages `trackers` and `supervision` where they are not installed: matches boxes by IoU alone."""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Detections:
    """What ppdet reads and writes of supervision.Detections."""

    xyxy: np.ndarray
    confidence: np.ndarray
    class_id: np.ndarray
    data: dict[str, np.ndarray] = field(default_factory=dict)
    tracker_id: np.ndarray | None = None


class ByteTrackTracker:
    """An id from the second frame on; detections below the threshold continue tracks only."""

    def __init__(self, *, track_activation_threshold: float, minimum_iou_threshold: float, **options: Any) -> None:
        self._threshold, self._least, self.options = track_activation_threshold, minimum_iou_threshold, options
        self._tracks: list[list[Any]] = []  # [box, id], id None until the second frame
        self._ids = 0

    def update(self, found: Detections) -> Detections:
        ids = np.full(len(found.xyxy), -1)
        for i in np.argsort(-found.confidence, kind="stable").tolist():
            box = found.xyxy[i]
            track = max(self._tracks, key=lambda each: iou(each[0], box), default=None)
            if track is not None and iou(track[0], box) >= self._least:
                if track[1] is None:
                    track[1], self._ids = self._ids, self._ids + 1
                track[0], ids[i] = box, track[1]
            elif found.confidence[i] >= self._threshold:
                self._tracks.append([box, None])
        order = np.arange(len(ids))[::-1]  # the library does not keep the order either
        rows = {name: values[order] for name, values in found.data.items()}
        return Detections(found.xyxy[order], found.confidence[order], found.class_id[order], rows, ids[order])


def iou(a: np.ndarray, b: np.ndarray) -> float:
    shared = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))


def modules() -> dict[str, types.ModuleType]:
    """The two packages by name."""
    trackers, supervision = types.ModuleType("trackers"), types.ModuleType("supervision")
    trackers.ByteTrackTracker = ByteTrackTracker  # type: ignore[attr-defined]
    supervision.Detections = Detections  # type: ignore[attr-defined]
    return {"trackers": trackers, "supervision": supervision}
