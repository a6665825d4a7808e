"""BoxFilter: selects the boxes of an annotation file that training can use, and reports the others."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np

from ppdet.data.ops.decode import image_size
from ppdet.data.structures import Record

logger = logging.getLogger(__name__)

Object = tuple[int, Sequence[float], int]  # class index, xyxy box, 1 if difficult
Size = tuple[int, int]  # height, width

_USUAL_CROWDS = 0.1  # of the annotations; COCO 2017 has 0.012
_USUAL_REPEATS = 0.001  # of the boxes
_SMALLEST_SIDE = 1e-5  # pixels; boxes thinner than this are dropped


EVERY_ENTRY: AbstractContextManager[object] = nullcontext()  # the entry of a BoxFilter that refuses none


class BoxFilter:
    """Checks the boxes of one annotation file and counts the faults by kind, for one warning at the end.

    Attributes:
        entry: the context in which readers read one entry. A UserError ends the reading here; `data check` notes it and
            goes on with the next entry.
    """

    entry: AbstractContextManager[object] = EVERY_ENTRY

    def __init__(self, source: Path) -> None:
        self.source, self.clipped, self.kept, self.largest = source, 0, 0, 0.0
        self.dropped: dict[str, tuple[int, str]] = {}  # by kind: the count and an example
        self.crowds = self.annotations = 0
        self.crowd_reason = "iscrowd or ignore: 1"
        self.other_sizes: list[str] = []
        self.repeats, self.repeated = 0, ""  # boxes, and the first image that has one
        self.unlabeled: list[str] = []  # images that should have an annotation file, and have none

    def drop(self, kind: str, example: str) -> None:
        """Counts an object that has no box. `kind` follows a number, as in "3 without bbox"."""
        count, first = self.dropped.get(kind, (0, example))
        self.dropped[kind] = count + 1, first

    def record(self, im_file: Path, im_id: int, size: Size | None, objects: Sequence[Object]) -> Record:
        """The Record of an image, with the objects that have a valid box."""
        boxes = [(index, box, difficult) for index, box, difficult in objects if self._is_box(box, im_file.name)]
        size = self._checked_size(im_file, size, [box for _, box, _ in boxes])
        kept = [(index, cut, difficult) for index, box, difficult in boxes if (cut := self._cut(box, size, im_file))]
        self.kept += len(kept)
        if repeats := len(boxes) - len({(index, *box) for index, box, _ in boxes}):
            self.repeats, self.repeated = self.repeats + repeats, self.repeated or im_file.name
        return make_record(im_file, im_id, size, kept)

    def _is_box(self, box: Sequence[float], name: str) -> bool:
        x1, y1, x2, y2 = box
        if not all(map(math.isfinite, box)):
            self.drop("with a coordinate that is not a number", name)
        elif x2 - x1 <= _SMALLEST_SIDE or y2 - y1 <= _SMALLEST_SIDE:
            self.drop("without width or height", name)
        else:
            return True
        return False

    def _checked_size(self, im_file: Path, size: Size | None, boxes: Sequence[Sequence[float]]) -> Size | None:
        """The image file's size if boxes reach outside the annotated one, else the annotated size."""
        if size is None or not any(_reaches_outside(box, size) for box in boxes):
            return size
        found = image_size(im_file, size)
        if found is None or found == size:
            return size
        self.other_sizes.append(f"{im_file}: {size[1]} x {size[0]} instead of {found[1]} x {found[0]}")
        return found

    def _cut(self, box: Sequence[float], size: Size | None, im_file: Path) -> list[float] | None:
        """The part of an xyxy box inside the image, rounded to 3 decimals; None if it is empty."""
        height, width = size or (math.inf, math.inf)
        x1, y1, x2, y2 = box
        inside = [min(max(x1, 0), width), min(max(y1, 0), height), min(max(x2, 0), width), min(max(y2, 0), height)]
        if inside[2] - inside[0] <= _SMALLEST_SIDE or inside[3] - inside[1] <= _SMALLEST_SIDE:
            self.drop("entirely outside the image", im_file.name)
            return None
        self.largest = max(self.largest, *inside)
        self.clipped += _reaches_outside(box, size)
        return [round(float(value), 3) for value in inside]

    def summary(self) -> str:
        """One line about the boxes that were left out, clipped or repeated; empty if there are none."""
        parts = []
        if self.dropped:
            total = sum(count for count, _ in self.dropped.values())
            kinds = ", ".join(f"{count} {kind} (e.g. {example})" for kind, (count, example) in self.dropped.items())
            parts.append(f"dropped {total} boxes: {kinds}")
        if self.clipped:
            parts.append(f"clipped {self.clipped} that reached outside the image")
        if self.repeats:
            parts.append(f"kept {self.repeats} that repeat another of the same class and place (e.g. {self.repeated})")
        if self.crowds:
            parts.append(f"left out {self.crowds} of {self.annotations} annotations because of {self.crowd_reason}")
        return "; ".join(parts)

    def report(self) -> None:
        """Logs the summary: as a warning, unless the faults are no more than in COCO itself."""
        many_crowds = self.crowds > _USUAL_CROWDS * self.annotations
        if summary := self.summary():
            hint = "; single objects, though drawn as masks, need iscrowd: 0" if many_crowds else ""
            many = many_crowds or self.repeats > _USUAL_REPEATS * self.kept
            level = logging.WARNING if self.dropped or self.clipped or many else logging.INFO
            logger.log(level, "%s: %s%s", self.source, summary, hint)
        if self.kept and self.largest <= 1:
            message = "%s: all boxes lie within 0..1, which looks like fractions of the image's size; expected pixels"
            logger.warning(message, self.source)
        if self.unlabeled:
            message = "%s: %d images have no annotation file, and so no objects (e.g. %s)"
            logger.warning(message, self.source, len(self.unlabeled), self.unlabeled[0])
        if self.other_sizes:
            message = "%s: gives %d images another size than they have (%s); the images' sizes are used"
            logger.warning(message, self.source, len(self.other_sizes), self.other_sizes[0])


def _reaches_outside(box: Sequence[float], size: Size | None) -> bool:
    """Whether the box reaches outside by a whole pixel. Less is a usual effect of rounding and is not reported."""
    height, width = size or (math.inf, math.inf)
    return min(box[0], box[1]) <= -1 or box[2] >= width + 1 or box[3] >= height + 1


def make_record(
    im_file: Path, im_id: int, size: tuple[int, int] | None = None, objects: Sequence[Object] = ()
) -> Record:
    return Record(
        im_file=str(im_file),
        im_id=im_id,
        size=size,
        gt_bbox=np.array([box for _, box, _ in objects], np.float32).reshape(-1, 4),
        gt_class=np.array([index for index, _, _ in objects], np.int32).reshape(-1, 1),
        difficult=np.array([difficult for _, _, difficult in objects], np.int32).reshape(-1, 1),
    )
