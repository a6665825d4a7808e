"""Counts objects that cross a line, or enter and leave a zone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import cv2
import numpy as np

from .regions import Region, area
from .tracked import Tracked

Anchor = Literal["center", "bottom"]
# An object counts as on the other side once its point is this share of its shorter side away: boxes tremble.
_CLEARANCE = 0.1


class RegionCounter(Protocol):
    """Counts in one region, in pixels.

    counts: numbers by (class name, what): in, out; for zones also seen.
    """

    region: Region
    counts: Counter[tuple[str, str]]

    def update(self, ids: Sequence[int], names: Sequence[str], points: np.ndarray, clearances: np.ndarray) -> None:
        """Counts the objects of the next frame.

        Args:
            ids: the objects' numbers.
            names: their classes.
            points: [n, 2] where each is, x, y.
            clearances: [n] distance from the border within which it stays on the side where it was.
        """

    def caption(self) -> str:
        """The counts in one line."""


class LineCounter:
    """Counts objects that cross a line between its ends.

    `in`: from the left to the right side of somebody who walks from the first to the second point. So for a line that
    is drawn from left to right, `in` is downwards.
    """

    def __init__(self, region: Region) -> None:
        self.region, self.counts = region, Counter[tuple[str, str]]()
        self._start, end = region.points
        self._length = float(np.linalg.norm(end - self._start))
        self._along = (end - self._start) / self._length
        self._last: dict[int, tuple[float, float]] = {}  # by id: the last place that was clear of the line

    def update(self, ids: Sequence[int], names: Sequence[str], points: np.ndarray, clearances: np.ndarray) -> None:
        """See RegionCounter."""
        offsets = points - self._start
        positions = offsets @ self._along
        distances = self._along[0] * offsets[:, 1] - self._along[1] * offsets[:, 0]  # above 0: on the right side
        places = zip(positions.tolist(), distances.tolist(), clearances.tolist(), strict=True)
        for number, name, (position, distance, clearance) in zip(ids, names, places, strict=True):
            if abs(distance) <= clearance:
                continue
            before, was = self._last.get(number, (position, distance))
            if (was > 0) != (distance > 0):
                crossing = before + (position - before) * was / (was - distance)
                if 0 <= crossing <= self._length:
                    self.counts[name, "in" if distance > 0 else "out"] += 1
            self._last[number] = (position, distance)

    def caption(self) -> str:
        """The counts in one line."""
        return f"in {total(self.counts, 'in')}, out {total(self.counts, 'out')}"


class ZoneCounter:
    """Counts objects that enter (`in`) and leave (`out`) a zone.

    `seen` counts those that were inside at all, also those that appeared there. `now`: how many are inside.
    """

    def __init__(self, region: Region) -> None:
        self.region, self.counts, self.now = region, Counter[tuple[str, str]](), 0
        sides = np.linalg.norm(region.points - np.roll(region.points, 1, axis=0), axis=1)
        self._most = area(region.points) / float(sides.sum()) / 2  # a zone may be smaller than an object's clearance
        self._corners = region.points.astype(np.float32)
        self._inside: dict[int, bool] = {}
        self._seen: set[int] = set()

    def update(self, ids: Sequence[int], names: Sequence[str], points: np.ndarray, clearances: np.ndarray) -> None:
        """See RegionCounter."""
        self.now = 0
        for number, name, point, clearance in zip(ids, names, points.tolist(), clearances.tolist(), strict=True):
            depth = cv2.pointPolygonTest(self._corners, point, True)
            before = self._inside.get(number)
            inside = depth >= 0 if before is None or abs(depth) > min(clearance, self._most) else before
            if before is not None and inside != before:
                self.counts[name, "in" if inside else "out"] += 1
            if inside and number not in self._seen:
                self._seen.add(number)
                self.counts[name, "seen"] += 1
            self._inside[number] = inside
            self.now += inside

    def caption(self) -> str:
        """The counts in one line."""
        return f"in {total(self.counts, 'in')}, out {total(self.counts, 'out')}, now {self.now}"


def make_counters(regions: Sequence[Region], size: tuple[int, int]) -> list[RegionCounter]:
    """A counter for each region, in frames of `size` (height, width)."""
    kinds: dict[str, type[LineCounter | ZoneCounter]] = {"line": LineCounter, "zone": ZoneCounter}
    return [kinds[region.kind](region.in_pixels(size)) for region in regions]


def update_all(counters: Sequence[RegionCounter], found: Tracked, anchor: Anchor) -> None:
    """Counts the objects of the next frame in all regions; `anchor`: the point of a box that is its place."""
    left, top, right, bottom = found.boxes.astype(np.float64).T
    points = np.stack([(left + right) / 2, bottom if anchor == "bottom" else (top + bottom) / 2], axis=1)
    clearances = _CLEARANCE * np.minimum(right - left, bottom - top)
    for counter in counters:
        counter.update(found.ids.tolist(), found.names, points, clearances)


def total(counts: Counter[tuple[str, str]], what: str) -> int:
    """The sum over all classes."""
    return sum(number for (_, key), number in counts.items() if key == what)


def summary(counter: RegionCounter) -> dict[str, Any]:
    """The counts of a region: of all classes together, and of each class."""
    kinds = ("in", "out") if counter.region.kind == "line" else ("in", "out", "seen")
    classes = sorted({name for name, _ in counter.counts})
    return {
        **{what: total(counter.counts, what) for what in kinds},
        "classes": {name: {what: counter.counts[name, what] for what in kinds} for name in classes},
    }
