"""The ground truth as flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ppdet.metrics.inputs import GroundTruth, Record


@dataclass(frozen=True, eq=False)
class Truth:
    """The N objects of n images, image by image.

    Attributes:
        im_ids: [n] int64, ascending; the images that are scored.
        num_classes: K.
        image: [N] int64, the position in `im_ids`, ascending.
        class_index: [N] int64.
        xywh: [N, 4] float64: x, y, width, height in original pixels, as in a COCO file.
        area: [N] float64, square pixels: of the outline if the file has it.
        crowd: [N] bool, a region that detections may lie in any number of times, without being counted.
        difficult: [N] bool, marked as difficult in a VOC data set that is scored by VOC's rule.
    """

    im_ids: np.ndarray
    num_classes: int
    image: np.ndarray
    class_index: np.ndarray
    xywh: np.ndarray
    area: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    @cached_property
    def boxes(self) -> np.ndarray:
        """[N, 4] float64, xyxy, original pixels."""
        return np.concatenate([self.xywh[:, :2], self.xywh[:, :2] + self.xywh[:, 2:]], axis=1)

    @cached_property
    def counts(self) -> np.ndarray:
        """[N] bool: neither a crowd nor difficult, so that it has to be found."""
        found: np.ndarray = ~(self.crowd | self.difficult)
        return found

    @cached_property
    def image_start(self) -> np.ndarray:
        """[n + 1] int64: the objects of image i are `image_start[i]` to `image_start[i + 1]`."""
        return np.searchsorted(self.image, np.arange(len(self.im_ids) + 1))

    def per_class(self) -> np.ndarray:
        """[K] int64, the number of objects to be found."""
        return np.bincount(self.class_index[self.counts], minlength=self.num_classes)


def flatten_truth(records: Sequence[Record], truth: GroundTruth | None, num_classes: int, voc: bool = False) -> Truth:
    """Returns the objects of the scored images.

    Args:
        records: the images to score, and their objects if there is no `truth`.
        truth: the ground truth of a COCO file, which has crowds and areas of outlines.
        num_classes: K.
        voc: objects that are marked as difficult do not count; otherwise they count like all others.
    """
    records = sorted(records, key=lambda record: record.im_id)
    im_ids = np.array([record.im_id for record in records], np.int64)
    if truth is not None and not voc:
        scored = np.flatnonzero(np.isin(truth.im_id, im_ids))
        order = scored[np.argsort(truth.im_id[scored], kind="stable")]
        owners = truth.im_id[order]
        classes, xywh = truth.class_index[order], np.asarray(truth.boxes[order], np.float64)
        area, crowd = np.asarray(truth.areas[order], np.float64), np.asarray(truth.crowd[order], bool)
        difficult = np.zeros(len(order), bool)
    else:
        owners = np.repeat(im_ids, [len(record.gt_bbox) for record in records])
        classes = np.concatenate([np.empty(0, np.int64), *(record.gt_class.reshape(-1) for record in records)])
        corners = np.concatenate([np.empty((0, 4)), *(record.gt_bbox for record in records)])
        xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        area, crowd = xywh[:, 2] * xywh[:, 3], np.zeros(len(xywh), bool)
        marks = np.concatenate([np.empty(0, np.int64), *(record.difficult.reshape(-1) for record in records)])
        difficult = (marks != 0) & voc
    image = np.searchsorted(im_ids, owners)
    return Truth(im_ids, num_classes, image, classes.astype(np.int64), xywh.reshape(-1, 4), area, crowd, difficult)
