"""Checks of boxes against the others in their image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ppdet.data.ops import functional as F
from ppdet.data_check.finding import Finding, found
from ppdet.data_check.split import Split

_NEARLY = 0.9  # IoU
_MOST = 2000  # boxes of one class in an image that are compared with each other
_COUNTED = 100  # boxes of an image that COCO's score looks at


def boxes_repeated(split: Split) -> Finding | None:
    """A box repeats another of the same class and place."""
    keys = np.column_stack([split.boxes.image, split.boxes.class_index, split.boxes.corners])
    mask = _usable(split) & _repeats(keys)
    return found("warning", "boxes repeat another of the same class and place", split.files_of(mask), "remove them")


def boxes_of_two_classes(split: Split) -> Finding | None:
    """A box has exactly the place of a box of another class."""
    places = np.column_stack([split.boxes.image, split.boxes.corners])
    with_class = np.column_stack([places, split.boxes.class_index])
    mask = _usable(split) & _repeats(places) & ~_repeats(with_class)
    advice = "decide on one class, unless objects have several"
    return found("warning", "boxes have the exact place of one of another class", split.files_of(mask), advice)


def boxes_nearly_repeated(split: Split) -> Finding | None:
    """A box overlaps another of its class with an IoU over 0.9, without being equal."""
    boxes, near = split.boxes.corners, []
    for group in _groups(split):
        overlap = np.triu(F.pairwise_iou(boxes[group], boxes[group]), 1)
        equal = (boxes[group, None] == boxes[None, group]).all(2)
        near += group[((overlap > _NEARLY) & ~equal).any(0) & ~np.triu(equal, 1).any(0)].tolist()
    what = "boxes nearly repeat another of their class (IoU over 0.9)"
    return found("warning", what, split.files_of(np.array(sorted(near), np.int64)), "remove one of each pair")


def images_with_many_boxes(split: Split) -> Finding | None:
    """An image has more boxes than COCO's score counts detections."""
    counts = np.bincount(split.boxes.image, minlength=len(split.images))
    places = [split.images[index].name for index in np.flatnonzero(counts > _COUNTED).tolist()]
    what = f"images have more than {_COUNTED} boxes, the most detections that the score counts"
    return found("info", what, places, "cut them into tiles, or expect a recall below 1")


def _usable(split: Split) -> np.ndarray:
    return np.asarray(np.isfinite(split.boxes.corners).all(1) & ~split.boxes.crowd)


def _repeats(rows: np.ndarray) -> np.ndarray:
    """[N] bool: whether a row of [N, K] equals an earlier one."""
    first = np.unique(rows, axis=0, return_index=True)[1]
    repeats = np.ones(len(rows), bool)
    repeats[first] = False
    return repeats


def _groups(split: Split) -> Iterator[np.ndarray]:
    """Positions of the boxes of one class in one image, where there are several."""
    usable = np.flatnonzero(_usable(split) & (split.boxes.sides > 0).all(1))
    keys = split.boxes.image[usable] * max(len(split.categories), 1) + split.boxes.class_index[usable]
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order])) + 1
    return (group[:_MOST] for group in np.split(usable[order], starts) if len(group) > 1)
