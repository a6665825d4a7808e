"""A few images of the validation set that a training is watched on, and what each evaluation finds on them.

The detections are kept in a file, so that a continued run still has those of its earlier evaluations.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.data.structures import Record
from ppdet.metrics.results import ImageDetections
from ppdet.report.pictures import Box, Picture
from ppdet.utils.streams import Stream, generator

IMAGES = 8
THRESHOLD = 0.3  # scores are low at the beginning of a training
_MOST = 20  # boxes of an image, the most confident ones
_NAMED = 2  # boxes that a caption names
_SIDE = 240  # pixels

Found = Mapping[str, Sequence[Sequence[float]]]  # by image file: class index, score, x1, y1, x2, y2


def choose(records: Sequence[Record], seed: int) -> list[Record]:
    """IMAGES of the records, those with boxes first."""
    order = generator(Stream.FOLLOWED, seed).permutation(len(records))
    with_boxes_first = sorted(order.tolist(), key=lambda index: not len(records[index].gt_bbox))
    return [records[index] for index in with_boxes_first[:IMAGES]]


@dataclass(frozen=True, eq=False)
class Follow:
    """The images, and the detections on them.

    Attributes:
        file: where the detections are kept.
        records: the images.
        names: of the classes.
        found: the detections of each evaluation, by its epoch.
    """

    file: Path
    records: Sequence[Record]
    names: Sequence[str]
    found: dict[int, Found] = field(default_factory=dict)

    def read(self) -> None:
        """Reads the file, if there is one. Of an epoch that was done twice, the last detections count."""
        if self.file.is_file():
            for line in self.file.read_text(encoding="utf-8", errors="replace").splitlines():
                with suppress(ValueError, TypeError, KeyError):  # a line that was cut short
                    entry = json.loads(line)
                    self.found[int(entry["epoch"])] = dict(entry["found"])

    def add(self, epoch: int, detections: Iterable[ImageDetections]) -> None:
        """Keeps the strong detections on the images."""
        files = {record.im_id: record.im_file for record in self.records}
        found = {files[im_id]: _strong(rows) for im_id, rows in detections if im_id in files}
        self.found[epoch] = found
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"epoch": epoch, "found": found}) + "\n")

    def pictures(self, found: Found) -> list[Picture]:
        """The images with their boxes and those that were found."""
        return [self._picture(record, found.get(record.im_file, ())) for record in self.records]

    def _picture(self, record: Record, rows: Sequence[Sequence[float]]) -> Picture:
        boxes = [Box(_corners(box), "truth") for box in record.gt_bbox.tolist()]
        boxes += [Box(_corners(row[2:]), "found") for row in reversed(rows)]
        return Picture(record.im_file, boxes, self._caption(rows), None, record.size, _SIDE)

    def _caption(self, rows: Sequence[Sequence[float]]) -> str:
        named = [f"{self.names[int(row[0])]} {row[1]:.2f}" for row in rows[:_NAMED]]
        more = [f"{len(rows) - _NAMED} more"] if len(rows) > _NAMED else []
        return ", ".join(named + more) or "nothing found"


def _strong(rows: np.ndarray) -> list[list[float]]:
    """The detections [n, 6] with a score of THRESHOLD or more, the most confident first, at most _MOST."""
    order = np.argsort(-rows[:, 1], kind="stable")[:_MOST]
    return [[int(row[0]), *(round(each, 3) for each in row[1:])] for row in rows[order].tolist() if row[1] >= THRESHOLD]


def _corners(values: Sequence[Any]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = values
    return float(x1), float(y1), float(x2), float(y2)
