"""Gives detections ids that stay the same from frame to frame, by ByteTrack of the package `trackers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..detections import Detections
from ..errors import DeployError
from ..postprocess import Threshold, overlaps
from ..video import HIGHEST_RATE
from .tracked import Tracked

LOWEST_SCORE = 0.1  # less confident detections do not continue tracks either
_HIDDEN_FRAMES = 30  # at 30 frames per second: a track that is not seen for a second has ended
_MIN_IOU = 0.2  # of a detection and the place where its track is expected
_MIN_FRAMES = 2  # in a row, so that a false detection of one frame gets no id
_HIGH, _SPLIT, _LOW = 1.0, 0.5, 0.0  # the scores that the library sees: it only compares them with its threshold
_SAME_OBJECT = 0.7  # IoU from which a less confident detection of another class is the same object
_CLASS_DISTANCE = 2.0**20  # pixels between the classes, far more than an image has


class Tracker:
    """Follows objects through the frames of one video.

    Objects of different classes are never one track. Confident detections begin and continue tracks; those of a lower
    score, as of partly hidden objects, only continue them. A track appears with its second frame. The same detections
    always have the same ids.

    Args:
        frame_rate: frames per second.
        threshold: lowest score of confident detections, one for all classes or one for each.

    Raises:
        DeployError: the frame rate is wrong, or the library is not installed.
    """

    def __init__(self, frame_rate: float, threshold: Threshold) -> None:
        check_frame_rate(frame_rate)
        self._threshold = threshold
        self._library = import_supervision()
        self._tracker = import_byte_track()(
            lost_track_buffer=_HIDDEN_FRAMES,
            frame_rate=frame_rate,
            track_activation_threshold=_SPLIT,
            minimum_consecutive_frames=_MIN_FRAMES,
            minimum_iou_threshold=_MIN_IOU,
            high_conf_det_threshold=_SPLIT,
        )

    def update(self, found: Detections) -> Tracked:
        """The detections of the next frame that belong to tracks, the most confident first.

        found: all that score at least LOWEST_SCORE.
        """
        found = self._without_doubles(found)
        shift = _CLASS_DISTANCE * found.class_ids[:, None]  # boxes of two classes never overlap
        tracked = self._tracker.update(
            self._library.Detections(
                xyxy=found.boxes.astype(np.float64) + shift,
                confidence=np.where(self._is_confident(found), _HIGH, _LOW),
                class_id=found.class_ids,
                data={"row": np.arange(len(found))},
            )
        )
        ids = dict(zip(_list(tracked.data.get("row")), _list(tracked.tracker_id), strict=True))
        rows = sorted(row for row, track_id in ids.items() if track_id >= 0)
        return Tracked(
            **_rows(found, rows),
            path=found.path,
            order=found.order,
            ids=np.array([ids[row] + 1 for row in rows], np.int64),
        )

    def _is_confident(self, found: Detections) -> np.ndarray:
        limits = self._threshold[found.class_ids] if isinstance(self._threshold, np.ndarray) else self._threshold
        return np.asarray(found.scores >= limits)

    def _without_doubles(self, found: Detections) -> Detections:
        """Leaves out the low scores that other classes have for an object: they would keep wrong tracks alive."""
        stays = self._is_confident(found)
        for i in np.flatnonzero(~stays).tolist():
            shared, area, areas = overlaps(found.boxes[i], found.boxes[:i])  # the more confident ones
            same = shared > _SAME_OBJECT * (area + areas - shared)
            stays[i] = not (same & (found.class_ids[:i] != found.class_ids[i])).any()
        return select(found, np.flatnonzero(stays).tolist())


def check_frame_rate(frame_rate: float) -> None:
    """Raises DeployError if it is not one."""
    if not HIGHEST_RATE >= frame_rate > 0:
        highest = f"more than 0, at most {HIGHEST_RATE:g}"
        raise DeployError(f"frame_rate: found {frame_rate:g}; expected the frames per second, {highest}")


def of_classes(found: Detections, class_ids: Sequence[int]) -> Detections:
    """The detections of some classes."""
    return select(found, np.flatnonzero(np.isin(found.class_ids, class_ids)).tolist())


def select(found: Detections, rows: Sequence[int]) -> Detections:
    """Some of the detections."""
    return Detections(**_rows(found, rows), path=found.path, order=found.order)


def class_numbers(classes: Sequence[str], labels: Sequence[str]) -> list[int]:
    """The indices of class names. Raises DeployError if one is unknown."""
    if unknown := [name for name in classes if name not in labels]:
        known = ", ".join(labels[:10]) + (", …" if labels[10:] else "")
        raise DeployError(f"classes: found {unknown[0]!r}; expected classes of the model: {known}")
    return [labels.index(name) for name in classes]


def import_byte_track() -> Any:
    """The class ByteTrackTracker. Raises DeployError if it is not installed."""
    try:
        from trackers import ByteTrackTracker
    except ImportError as error:
        raise _missing(error) from error
    return ByteTrackTracker


def import_supervision() -> Any:
    """The module supervision, whose Detections `trackers` takes. Raises DeployError if it is not installed."""
    try:
        import supervision
    except ImportError as error:
        raise _missing(error) from error
    return supervision


def _missing(error: ImportError) -> DeployError:
    absent = error.name in ("trackers", "supervision")
    reason = "not installed" if absent else f"cannot be imported ({error})"
    return DeployError(f'trackers: {reason}; pip install "trackers>=2.5", or see docs/tracking.md')


def _rows(found: Detections, rows: Sequence[int]) -> dict[str, Any]:
    names = tuple(found.names[row] for row in rows)
    chosen = np.array(rows, np.int64)
    return {
        "boxes": found.boxes[chosen],
        "scores": found.scores[chosen],
        "class_ids": found.class_ids[chosen],
        "names": names,
    }


def _list(values: np.ndarray | None) -> list[int]:
    return [] if values is None else [int(value) for value in values]
