"""TeacherLabels: what a config says about a teacher, and the labels that come of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import Fraction, Range
from ppdet.core.registry import register
from ppdet.data.datasets import Category, GroundTruth, Reclass
from ppdet.data.structures import Record
from ppdet.deploy.detector import Detector
from ppdet.runtime import distributed
from ppdet.teacher_labels import cache
from ppdet.teacher_labels.detect import LOWEST, ImageFile, detect
from ppdet.teacher_labels.match import Change, marked_boxes, scores_of_labels, unlabeled, with_boxes, with_classes
from ppdet.weights.class_names import left_over, match_names, some

logger = logging.getLogger(__name__)


@register
@dataclass(frozen=True)
class TeacherLabels:
    """Labels that an exported model completes and softens, for training only.

    The model detects once in every image of TrainDataset. The detections are kept in a file and are computed again only
    if the model or the images change. The model's classes are matched by name with those of the data set; labels of
    other classes stay as they are. Label files do not change, and evaluations use them alone.

    Attributes:
        model: an export of this project, or another detector with an infer_cfg.yml beside it: the folder or the file
            that `Detector` opens.
        missing_labels: a detection that scores at least this and lies on no label becomes a box, which counts as much
            as it scores; null: none does.
        soft: how far the teacher decides how much a label counts, which is 1 - soft + soft * score of the best
            detection of its class on it. 0: each label counts 1.
        overlap: the IoU from which a detection lies on a label; for crowds the share of it that is inside of them.
        cache_dir: the folder for the file of detections; null: the folder `cache` of the data set.
    """

    model: str
    missing_labels: Annotated[float, Range(LOWEST, 1)] | None = 0.5
    soft: Fraction = 0.0
    overlap: Annotated[float, Range(0, 1, exclude="low")] = 0.5
    cache_dir: str | None = None

    def relabel(self, root: Path) -> Reclass:
        """Returns `Dataset.reclass` that changes the boxes of the data set in the folder `root`, not its classes.

        The function is a collective, in which the first rank detects. It raises UserError if the model cannot be used
        or has no class of the data set, or if the file of detections cannot be written.
        """

        def relabel(
            categories: list[Category], records: list[Record], truth: GroundTruth | None
        ) -> tuple[list[Category], list[Record], GroundTruth | None]:
            first = distributed.rank() == 0
            changes = _on_all_ranks(self._changes(categories, records, truth, root) if first else iter(()))
            return categories, list(map(with_boxes, records, changes)), truth

        return relabel

    def _changes(
        self, categories: Sequence[Category], records: Sequence[Record], truth: GroundTruth | None, root: Path
    ) -> Iterator[list[Change]]:
        """Yields the changes of the records in order, in parts, and logs a summary at the end."""
        detector = self._open()
        classes = self._classes(detector.labels, [category.name for category in categories])
        marked, changes, found = marked_boxes(records, truth), list[Change](), 0
        files = [ImageFile(record.im_file, record.size) for record in records]
        for part in self._detections(detector, files, root):
            place = slice(len(changes), len(changes) + len(part))
            of_images = zip(records[place], marked[place], part, strict=True)
            new = [
                self._change(record, boxes, with_classes(rows, classes), classes) for record, boxes, rows in of_images
            ]
            changes, found = changes + new, found + sum(map(len, part))
            yield new
        labels, added = (sum(map(len, each)) for each in zip(*((c.gt_score, c.added) for c in changes), strict=True))
        agreeing = sum(change.agreeing for change in changes)
        message = "TeacherLabels: %d detections; %d of %d labels have one of their class; %d without a label are added"
        logger.info(message, found, agreeing, labels, added)

    def _open(self) -> Detector:
        try:
            return Detector(self.model)
        except UserError as error:
            raise UserError(f"TeacherLabels.model: {error}") from error

    def _classes(self, labels: Sequence[str], names: Sequence[str]) -> np.ndarray:
        """[number of labels] int64: the class of the data set for each class of the teacher, -1 for none."""
        positions = match_names(labels, names)
        left_out, unknown = left_over(labels, names, positions)
        if len(left_out) == len(labels):
            raise UserError(
                f"TeacherLabels.model: {self.model} knows {some(labels)}, none of which is a class of the data set "
                f"({some(names)}); expected the same names; name the classes alike, or choose another model"
            )
        if unknown or left_out:
            message = "TeacherLabels: classes that the teacher does not know: %s; its classes that are not used: %s"
            logger.info(message, some(unknown) or "none", some(left_out) or "none")
        return np.array([-1 if position is None else position for position in positions], np.int64)

    def _detections(self, detector: Detector, files: Sequence[ImageFile], root: Path) -> Iterator[list[np.ndarray]]:
        """Yields the detections in all files in order, in parts: those of the cache, then new ones, which it keeps."""
        key = cache.fingerprint(detector, files, root)
        path = (Path(self.cache_dir) if self.cache_dir else root / "cache") / f"teacher-{key[:16]}.npz"
        known = cache.read(path, key, len(files))
        logger.info("TeacherLabels: detections in %d of %d images are in %s", len(known), len(files), path)
        if known:
            yield known
        if len(known) == len(files):
            return
        cache.write(path, key, known)  # a folder that cannot be written is found before the work
        for part in detect(detector, files, len(known)):
            known = [*known, *part]
            cache.write(path, key, known)
            logger.info("TeacherLabels: detected in %d of %d images", len(known), len(files))
            yield part

    def _change(
        self, record: Record, marked: tuple[np.ndarray, np.ndarray], rows: np.ndarray, classes: np.ndarray
    ) -> Change:
        """The change of one record; `marked` is its element of `marked_boxes`, `rows` are in its classes."""
        scores = scores_of_labels(record, rows, self.overlap)
        known = np.isin(record.gt_class[:, 0], classes)
        weights = np.where(known, 1 - self.soft + self.soft * scores, 1)
        lowest = np.inf if self.missing_labels is None else self.missing_labels
        added = unlabeled(rows[rows[:, 1] >= lowest], *marked, self.overlap)
        return Change(weights.astype(np.float32), added, int((scores > 0).sum()))


def _on_all_ranks(parts: Iterator[list[Change]]) -> list[Change]:
    """All elements of the parts that the first rank has, on every rank. A collective.

    The ranks meet after each part, so that none waits for longer than one takes.
    """
    found = list[Change]()
    while part := distributed.all_gather_object(next(parts, []))[0]:
        found += part
    return found
