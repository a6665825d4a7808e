"""Chooses the images and boxes that the page shows: the worst of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ppdet.data.datasets import Dataset
from ppdet.data.structures import Record
from ppdet.metrics.analysis.analysis import Analysis, analyze
from ppdet.metrics.analysis.confusion import Confusion
from ppdet.metrics.analysis.error_kinds import KINDS
from ppdet.metrics.analysis.matching import Case
from ppdet.metrics.results import ImageDetections
from ppdet.report.pictures import Box, Corners, Picture

WORST, EACH, OF_A_CELL, CELLS = 12, 24, 6, 40  # pictures of a gallery and of a cell of the matrix; the number of cells
_IMAGE_SIDE = 288
ALL = (-2, -2)  # in place of the object and the detection that a picture is about


@dataclass(frozen=True, eq=False)
class Scene:
    """The detections that a user would see, beside what there was to find.

    Attributes:
        analysis: of all detections. Those with a score of `confusion.threshold` or more are seen.
        records: the images, in the order of `case.truth.im_ids`.
        names: of the classes.
    """

    analysis: Analysis
    records: Sequence[Record]
    names: Sequence[str]

    @property
    def case(self) -> Case:
        return self.analysis.case

    @property
    def confusion(self) -> Confusion:
        return self.analysis.confusion

    @cached_property
    def pairs(self) -> np.ndarray:
        """[E, 2] int64: the object and the detection of each entry of the matrix; -1 for none."""
        return np.column_stack([self.confusion.truth, self.confusion.found])

    @cached_property
    def kinds(self) -> np.ndarray:
        """[E, 2] int64: the classes of the object and of the detection; the number of classes for none."""
        truth, found = self.case.truth, self.case.found
        of_truth, of_found = (
            np.append(truth.class_index, len(self.names)),
            np.append(found.class_index, len(self.names)),
        )
        return np.column_stack([of_truth[self.pairs[:, 0]], of_found[self.pairs[:, 1]]])

    @cached_property
    def score(self) -> np.ndarray:
        """[E] float64, of the detection; 0 for none."""
        return np.asarray(np.append(self.case.found.score, 0.0)[self.pairs[:, 1]])

    @cached_property
    def false_positives(self) -> np.ndarray:
        """[E] bool: a detection of the wrong class or of nothing."""
        return np.asarray((self.pairs[:, 1] >= 0) & (self.kinds[:, 0] != self.kinds[:, 1]))

    @cached_property
    def misses(self) -> np.ndarray:
        """[E] bool: an object that nothing was found of."""
        return np.asarray(self.pairs[:, 1] < 0)

    @cached_property
    def confused(self) -> np.ndarray:
        """[E] bool: an object that was taken for another class."""
        return np.asarray(self.false_positives & (self.pairs[:, 0] >= 0))

    @cached_property
    def lost(self) -> np.ndarray:
        """[N] bool: the objects that nothing was found of."""
        lost = np.zeros(len(self.case.truth), bool)
        lost[self.pairs[self.misses, 0]] = True
        return lost


def build_scene(dataset: Dataset, detections: Sequence[ImageDetections], metric: str, map_type: str) -> Scene:
    """Analyzes the detections of all images. metric, map_type: as the config has them."""
    records = sorted(dataset.records, key=lambda record: record.im_id)
    names = [category.name for category in dataset.categories]
    return Scene(analyze(detections, dataset, metric, map_type), records, names)


def worst_images(scene: Scene) -> list[Picture]:
    """The images with the most wrong and missed boxes."""
    wrong, missed = mistakes(scene)
    order = np.argsort(-(wrong + missed), kind="stable")[:WORST]
    return [
        whole_picture(scene, image, f"{wrong[image]} wrong, {missed[image]} missed")
        for image in order.tolist()
        if wrong[image] + missed[image]
    ]


def mistakes(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of wrong boxes and of objects that nothing was found of, [n] each for the images."""
    found, truth, count = scene.case.found, scene.case.truth, len(scene.records)
    wrong = np.bincount(found.image[scene.pairs[scene.false_positives, 1]], minlength=count)
    return wrong, np.bincount(truth.image[scene.lost], minlength=count)


def whole_picture(scene: Scene, image: int, caption: str) -> Picture:
    """The image with all of its objects and of the detections that a user would see."""
    return _picture(scene, image, None, caption, _IMAGE_SIDE)


def false_positives(scene: Scene) -> list[Picture]:
    """The most confident wrong detections, whatever they lie on."""
    return _pictures(scene, np.flatnonzero(scene.false_positives), EACH)


def misses(scene: Scene) -> list[Picture]:
    """The largest objects that nothing was found of: those are the most surprising."""
    return _pictures(scene, np.flatnonzero(scene.misses), EACH)


def confusions(scene: Scene) -> list[Picture]:
    """Objects that were taken for another class, the most confident mistakes first."""
    return _pictures(scene, np.flatnonzero(scene.confused), EACH)


def cells(scene: Scene) -> dict[tuple[int, int], list[Picture]]:
    """Pictures of the cells of the confusion matrix off its diagonal, by (row, column), the fullest cells first."""
    counts = scene.confusion.counts.copy()
    np.fill_diagonal(counts, 0)
    fullest = np.argsort(-counts, axis=None, kind="stable")[:CELLS]
    keys = [divmod(int(cell), len(counts)) for cell in fullest if counts.flat[cell]]
    return {key: _pictures(scene, np.flatnonzero((scene.kinds == key).all(1)), OF_A_CELL) for key in keys}


def _pictures(scene: Scene, entries: np.ndarray, count: int) -> list[Picture]:
    """Pictures of the entries with the highest scores; without scores, of those with the largest objects."""
    area = np.append(scene.case.truth.area, 0)[scene.pairs[entries, 0]]
    chosen = entries[np.lexsort((-area, -scene.score[entries]))[:count]]
    return [_of_entry(scene, *scene.pairs[entry].tolist()) for entry in chosen]


def _of_entry(scene: Scene, object_: int, detection: int) -> Picture:
    found, truth = scene.case.found, scene.case.truth
    if detection < 0:
        width, height = truth.xywh[object_, 2:]
        caption = f"{scene.names[truth.class_index[object_]]}, {width:.0f} x {height:.0f}"
        return _picture(
            scene, int(truth.image[object_]), _corners(truth.boxes[object_]), caption, about=(object_, detection)
        )
    caption = f"{scene.names[found.class_index[detection]]} {found.score[detection]:.2f}"
    if object_ >= 0:
        caption = f"{scene.names[truth.class_index[object_]]} taken for {caption}"
    else:
        object_, remark = _remark(scene, detection)
        caption += remark
    return _picture(
        scene, int(found.image[detection]), _corners(found.boxes[detection]), caption, about=(object_, detection)
    )


def _remark(scene: Scene, detection: int) -> tuple[int, str]:
    """The object that a wrong detection without one of its own is about, -1 for none, and what is wrong."""
    errors = scene.analysis.errors
    kind, target = KINDS[errors.kind[detection]], int(errors.target[detection])
    if kind == "classification" and target >= 0:
        return target, f" on {scene.names[scene.case.truth.class_index[target]]}"
    return target, {"localization": ", fits badly", "duplicate": ", a second box"}.get(kind, "")


def _picture(
    scene: Scene,
    image: int,
    focus: Corners | None,
    caption: str,
    side: int = 168,
    about: tuple[int, int] = ALL,
) -> Picture:
    """A picture of an image with its objects and detections.

    Args:
        scene: the detections.
        image: position of the image.
        focus: the part that is shown; None: all.
        caption: the text.
        side: pixels.
        about: the object and the detection that the picture is about, -1 for none: other objects are thin, and other
            detections are left out.
    """
    found, truth, record = scene.case.found, scene.case.truth, scene.records[image]
    boxes = []
    for each in range(truth.image_start[image], truth.image_start[image + 1]):
        part = "truth" if each == about[0] or (about == ALL and truth.counts[each]) else "other"
        boxes.append(Box(_corners(truth.boxes[each]), part))
    for each in range(found.image_start[image], found.image_start[image + 1]):
        if each == about[1] or (about == ALL and found.score[each] >= scene.confusion.threshold):
            boxes.append(Box(_corners(found.boxes[each]), "found"))
    boxes.sort(key=lambda box: box.part != "other")
    return Picture(record.im_file, boxes, caption, focus, record.size, side)


def _corners(box: np.ndarray) -> Corners:
    x1, y1, x2, y2 = box.tolist()
    return x1, y1, x2, y2
