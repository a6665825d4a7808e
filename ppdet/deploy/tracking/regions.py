"""Lines and zones of a frame, from options or a file."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..config_file import read_file
from ..config_values import Section, shown
from ..errors import DeployError

Kind = Literal["line", "zone"]
_SHAPES: dict[Kind, str] = {
    "line": "x1,y1,x2,y2",
    "zone": "three points or more, x,y x,y x,y",
}
_UNITS = "in pixels, or all in fractions of the frame, 0 to 1"


@dataclass(frozen=True)
class Region:
    """A line or a zone.

    Attributes:
        kind: a line counts what crosses it, a zone what enters and leaves it.
        name: its name in results.
        points: line: [2, 2], from and to; zone: [n, 2] the corners, n >= 3; x, y in pixels or fractions of the frame.
        source: the option or key that it comes from, for messages.
    """

    kind: Kind
    name: str
    points: np.ndarray
    source: str

    def in_pixels(self, size: tuple[int, int]) -> Region:
        """The region in pixels of a frame of `size` (height, width). Raises DeployError if all of it is outside."""
        height, width = size
        points = self.points * (width, height) if _are_fractions(self.points) else self.points
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        if left > width or top > height or right < 0 or bottom < 0:
            raise DeployError(
                f"{self.source}: lies outside of the frames of {width} x {height} pixels; expected {_UNITS}"
            )
        return Region(self.kind, self.name, points, self.source)


def from_options(lines: Sequence[str], zones: Sequence[str]) -> list[Region]:
    """Regions of options like "0.1,0.5,0.9,0.5" or "gate=10,200,600,200". Raises DeployError if one is wrong."""
    texts: list[tuple[Kind, str]] = [("line", text) for text in lines] + [("zone", text) for text in zones]
    regions: list[Region] = []
    for kind, text in texts:
        name, _, coordinates = text.rpartition("=")
        number = 1 + sum(region.kind == kind for region in regions)
        found = [_number(word) for word in re.split(r"[\s,;]+", coordinates) if word]
        regions.append(_region(kind, name.strip() or f"{kind}_{number}", found, f"--{kind} {text}"))
    return regions


def from_file(path: Path) -> list[Region]:
    """Regions of a YAML or JSON file. Raises DeployError if it cannot be read or one is wrong.

    It has `lines: {name: [x1, y1, x2, y2]}` and `zones: {name: [[x, y], [x, y], [x, y]]}`, or one of them.
    """
    section = Section(read_file(path), str(path))
    if unknown := [key for key in section.names if key not in ("lines", "zones")]:
        raise section.error(str(unknown[0]), "an unknown key", "lines or zones")
    regions = []
    kinds: tuple[Kind, ...] = ("line", "zone")
    for kind in kinds:
        entries = section.section(f"{kind}s")
        for name in entries.names:
            values = entries.items(name, _SHAPES[kind])
            numbers = [value for each in values for value in (each if isinstance(each, list) else [each])]
            regions.append(_region(kind, str(name), numbers, f"{path}: {kind}s.{name}"))
    if not regions:
        raise DeployError(f"{path}: has no lines and no zones; expected lines: {{gate: [x1, y1, x2, y2]}}")
    return regions


def check_names(regions: Sequence[Region]) -> None:
    """Raises DeployError if two lines, or two zones, have the same name."""
    known: dict[tuple[Kind, str], Region] = {}
    for region in regions:
        if other := known.get((region.kind, region.name)):
            raise DeployError(f"{region.source}: {other.source} has the name {region.name} too; expected another name")
        known[region.kind, region.name] = region


def area(points: np.ndarray) -> float:
    """The area of the polygon with the corners `points` [n, 2]."""
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _are_fractions(points: np.ndarray) -> bool:
    return bool(points.min() >= 0 and points.max() <= 1)


def _number(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word


def _region(kind: Kind, name: str, numbers: Sequence[Any], source: str) -> Region:
    expected = f"expected {_SHAPES[kind]}, {_UNITS}"
    for value in numbers:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise DeployError(f"{source}: found {shown(value)}; {expected}")
    if len(numbers) % 2 or (kind == "line" and len(numbers) != 4):
        raise DeployError(f"{source}: found {len(numbers)} numbers; {expected}")
    points = np.array(numbers, np.float64).reshape(-1, 2)
    if kind == "line" and (points[0] == points[1]).all():
        raise DeployError(f"{source}: has no length; expected two different points")
    if kind == "zone" and len(points) < 3:
        raise DeployError(f"{source}: found {len(points)} points; {expected}")
    if kind == "zone" and area(points) == 0:
        raise DeployError(f"{source}: has no area; expected three corners that are not on one line")
    return Region(kind, name, points, source)
