"""Label errors: objects that a detector finds without a label, and labels that it contradicts.

The kinds follow ObjectLab (overlooked, badly located and swapped labels; Tkachenko, Thyagarajan and Mueller, 2023) and
add the spurious ones. A detection counts with its score alone, so no calibration and no second model is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

KINDS = ("missing", "spurious", "placed", "mislabeled")

_AGREES = 0.5  # IoU from which a detection and a label mean the same object
_NEAR = 0.1  # IoU from which a detection without a label may mean a label of its class beside it
_CONFIRMS = 0.5  # score from which a detection that agrees with a label leaves no doubt that its object is there
_COVERED = 0.5  # part of a detection in an ignored region, from which it is ignored
_GROUPS, _GROUP = 10, 50  # of labels by size: at most so many groups, of at least so many labels


class Labels(NamedTuple):
    """The N labels of one image.

    Attributes:
        boxes: [N, 4] float, xyxy, pixels, with an area.
        class_index: [N] int, as that of detections.
        ignored: [N] bool: crowds and the like, which are never reported, and on which no label is missing.
    """

    boxes: np.ndarray
    class_index: np.ndarray
    ignored: np.ndarray


class Suspect(NamedTuple):
    """A probable mistake.

    Attributes:
        kind: missing (an object without a label), spurious (a label without an object), placed (a label whose object
            is beside it) or mislabeled (a label whose object has another class).
        sure: 0..1.
        im_id: the image.
        label: position of the label; None if it is missing.
        detection: position of the detection that contradicts it; None if it is spurious.
    """

    kind: str
    sure: float
    im_id: int
    label: int | None
    detection: int | None


class _Evidence(NamedTuple):
    """The evidence of the detections of one image on its N labels: the scores of the best ones, 0 if there are none.

    Attributes:
        agree: [N] float, of the class and at the place of the label.
        near: [N] float, of its class beside it, without a label of their own; near_row: [N] int, their positions.
        other: [N] float, of other classes at its place, without a label of their own; other_row: [N] int.
        alone: positions of the detections that no label explains, at most one for each place, the best first.
    """

    agree: np.ndarray
    near: np.ndarray
    near_row: np.ndarray
    other: np.ndarray
    other_row: np.ndarray
    alone: list[int]


def find_label_errors(images: Mapping[int, tuple[Labels, np.ndarray]], least: float = 0.0) -> list[Suspect]:
    """Returns the probable mistakes of a dataset that are more certain than `least`, the most certain first.

    With `agree`, `near` and `other` as the scores of the best detections that agree with a label, have its class beside
    it, or have another class at its place:

    - missing: the score of a detection without a label.
    - spurious: (1 - the largest of the three scores) * how well labels of its class and size are detected.
    - placed: near * (1 - agree); mislabeled: other * (1 - agree).

    A label is reported once, as the kind that is the most certain.

    Args:
        images: by im_id, the labels and the detections [M, 6] float: class, score, x1, y1, x2, y2 in pixels. The scores
            should go down to 0.05 or less: a weak detection is what distinguishes a hard object from none.
        least: from 0 to 1.
    """
    evidence = {im_id: _compare(labels, rows, least) for im_id, (labels, rows) in images.items()}
    all_labels = [labels for labels, _ in images.values()]
    ends = np.cumsum([len(labels.boxes) for labels in all_labels], dtype=np.int64)
    visible = np.split(_visibility(all_labels, [each.agree for each in evidence.values()]), ends)[:-1]
    suspects = [
        suspect
        for (im_id, (labels, rows)), seen in zip(images.items(), visible, strict=True)
        for suspect in _of_image(im_id, labels, rows, evidence[im_id], seen)
        if suspect.sure > least
    ]
    return sorted(suspects, key=lambda suspect: -suspect.sure)


def _compare(labels: Labels, rows: np.ndarray, least: float) -> _Evidence:
    shared, areas, label_areas = _overlaps(rows[:, 2:], labels.boxes)
    iou = shared / (areas[:, None] + label_areas - shared)
    same = rows[:, :1] == labels.class_index
    agrees = same & (iou >= _AGREES)
    covered = (shared[:, labels.ignored] >= _COVERED * areas[:, None]).any(1)
    free = ~agrees.any(1) & ~covered
    place = np.where(same, iou, 0)
    nearest = place == place.max(1, initial=0, keepdims=True)
    agree, _ = _best(rows[:, 1], agrees)
    near, near_row = _best(rows[:, 1], free[:, None] & same & nearest & (iou >= _NEAR))
    other, other_row = _best(rows[:, 1], free[:, None] & ~same & (iou >= _AGREES))
    apart = np.flatnonzero(free & (rows[:, 1] > least) & (iou < _AGREES).all(1))
    return _Evidence(agree, near, near_row, other, other_row, _one_for_each_place(rows, apart))


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The shared areas [M, N], and the areas [M] and [N]; an area of 0 becomes tiny, so that it can be divided by."""
    low, high = np.maximum(boxes[:, None, :2], others[:, :2]), np.minimum(boxes[:, None, 2:], others[:, 2:])
    areas, other_areas = ((each[:, 2:] - each[:, :2]).clip(1e-6).prod(1) for each in (boxes, others))
    return (high - low).clip(0).prod(2), areas, other_areas


def _best(scores: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each column of mask [M, N] the largest score of its rows, 0 if there are none, and the row's position."""
    if not len(scores):
        return np.zeros(mask.shape[1]), np.zeros(mask.shape[1], np.int64)
    scored = np.where(mask, scores[:, None], 0)
    return scored.max(0), scored.argmax(0)


def _one_for_each_place(rows: np.ndarray, positions: np.ndarray) -> list[int]:
    """The best detection of each place, whatever its class: the model may see two classes in one object."""
    kept: list[int] = []
    for row in positions[np.argsort(-rows[positions, 1], kind="stable")].tolist():
        shared, area, areas = _overlaps(rows[[row], 2:], rows[kept, 2:])
        if (shared < _AGREES * (area[:, None] + areas - shared)).all():
            kept.append(row)
    return kept


def _visibility(labels: Sequence[Labels], agree: Sequence[np.ndarray]) -> np.ndarray:
    """The share of labels like each one that is detected, [all labels] 0..1.

    It is the mean of `agree` in its class, times that among labels of its size, relative to that of all labels.
    """
    kinds = np.concatenate([np.zeros(0, np.int64), *(each.class_index for each in labels)])
    boxes = np.concatenate([np.zeros((0, 4)), *(each.boxes for each in labels)])
    ignored = np.concatenate([np.zeros(0, bool), *(each.ignored for each in labels)])
    scores = np.concatenate([np.zeros(0), *agree])
    order = np.argsort((boxes[:, 2:] - boxes[:, :2]).prod(1), kind="stable")
    sizes = np.empty(len(boxes), np.int64)
    groups = np.clip(len(boxes) // _GROUP, 1, _GROUPS)
    sizes[order] = np.arange(len(boxes)) * groups // max(len(boxes), 1)
    used = ~ignored
    of_all = scores[used].mean() if used.any() else 0.0
    if of_all == 0:
        return np.zeros(len(boxes))
    visible: np.ndarray = _group_means(kinds, scores, used) * _group_means(sizes, scores, used) / of_all
    return visible.clip(0, 1)


def _group_means(groups: np.ndarray, values: np.ndarray, used: np.ndarray) -> np.ndarray:
    """For each element the mean of the values that are used in its group, 0 if there are none."""
    index = np.unique(groups, return_inverse=True)[1].reshape(-1)
    counts, sums = np.bincount(index, used), np.bincount(index, values * used)
    means: np.ndarray = (sums / counts.clip(1))[index]
    return means


def _of_image(
    im_id: int, labels: Labels, rows: np.ndarray, evidence: _Evidence, visible: np.ndarray
) -> Iterator[Suspect]:
    """The suspects of one image."""
    agree, near, near_row, other, other_row, alone = evidence
    sures = np.array(
        [(1 - np.maximum(agree, np.maximum(near, other))) * visible, near * (1 - agree), other * (1 - agree)]
    )
    kinds, explained = sures.argmax(0), set[int]()
    for label in np.flatnonzero(~labels.ignored & (sures.max(0) > 0)).tolist():
        kind = int(kinds[label])
        row = (None, int(near_row[label]), int(other_row[label]))[kind]
        if row is not None and agree[label] < _CONFIRMS:  # else it is another object beside that of the label
            explained.add(row)
        yield Suspect(KINDS[1 + kind], float(sures[kind, label]), im_id, label, row)
    for row in alone:
        if row not in explained:
            yield Suspect("missing", float(rows[row, 1]), im_id, None, row)
