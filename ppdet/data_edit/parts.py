"""Part: one split of a data set, with all that its annotations hold."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Object:
    """One object of an image.

    Attributes:
        class_index: position in Part.categories.
        box: x, y, width, height in pixels, as in the annotations; None if they give none.
        crowd: whether it is a region that training leaves out.
        difficult: Pascal VOC's mark.
        entry: all fields of COCO.
    """

    class_index: int
    box: Sequence[float] | None
    crowd: bool
    difficult: bool
    entry: Entry


@dataclass(frozen=True, slots=True)
class Picture:
    """One image.

    Attributes:
        file: its path.
        name: its name in the annotations.
        size: (height, width) in the annotations; None if they give none.
        entry: all fields of COCO.
        objects: its objects, in the order of the annotations.
    """

    file: str
    name: str
    size: tuple[int, int] | None
    entry: Entry
    objects: Sequence[Object]

    @property
    def real_file(self) -> str:
        """The path without links: equal for two names of one file."""
        return os.path.realpath(self.file)


@dataclass(frozen=True)
class Part:
    """One split of a data set.

    Attributes:
        name: "train", "val", "test" or "all".
        categories: COCO's entry of each class, with its `name`.
        pictures: the images.
        others: the sections of a COCO file beside images, annotations and categories.
        without_box: the number of objects that have no box at all, such as points.
    """

    name: str
    categories: Sequence[Entry]
    pictures: Sequence[Picture]
    others: Entry = field(default_factory=dict)
    without_box: int = 0

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in order."""
        return [category["name"] for category in self.categories]

    def with_pictures(self, pictures: Iterable[Picture]) -> Part:
        """The part with other images."""
        return replace(self, pictures=list(pictures))
