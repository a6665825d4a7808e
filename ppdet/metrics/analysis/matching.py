"""Matches detections with objects, by the rules of COCO and of VOC."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ppdet.metrics.analysis.found import Found
from ppdet.metrics.analysis.rules import Rule
from ppdet.metrics.analysis.truth import Truth
from ppdet.utils.lazy import LazyModule

loops = LazyModule("ppdet.metrics.analysis.loops")
WRONG, RIGHT, UNCOUNTED = 0, 1, 2  # Matching.status
LEAST_IOU = 0.1  # pairs that overlap by less are unrelated for every part of the analysis


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of a detection and an object of its image that overlap by `LEAST_IOU` or more.

    Attributes:
        start: [D + 1] int64: the pairs of detection d are `start[d]` to `start[d + 1]`, in the order of the objects.
        truth: [P] int64, the object.
        iou: [P] float64. With a crowd: the intersection over the detection's area.
    """

    start: np.ndarray
    truth: np.ndarray
    iou: np.ndarray

    @cached_property
    def found(self) -> np.ndarray:
        """[P] int64, the detection."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    def select(self, mask: np.ndarray) -> Pairs:
        """Returns the pairs for which `mask` [P] is true."""
        start = np.concatenate([[0], np.cumsum(mask)])[self.start]
        return Pairs(start, self.truth[mask], self.iou[mask])


@dataclass(frozen=True, eq=False)
class Matching:
    """The judgement of all detections at one overlap.

    Attributes:
        iou: the overlap.
        status: [D] int8: WRONG, RIGHT or UNCOUNTED (it lies on a crowd, on a difficult object, or out of range).
        truth: [D] int64, the object that the detection is matched to, which may be an ignored one; -1: none.
    """

    iou: float
    status: np.ndarray
    truth: np.ndarray

    def found_of(self, num_truth: int) -> np.ndarray:
        """[N] int64: the detection that finds each object; -1: none. Ignored objects have none."""
        detections = np.full(num_truth, -1)
        right = np.flatnonzero(self.status == RIGHT)
        detections[self.truth[right]] = right
        return detections


@dataclass(frozen=True, eq=False)
class Case:
    """Detections, what there was to find, the rule, and which of them overlap."""

    truth: Truth
    found: Found
    rule: Rule
    pairs: Pairs

    @cached_property
    def same_class(self) -> Pairs:
        """The pairs of which both have the same class."""
        pairs = self.pairs
        return pairs.select(self.found.class_index[pairs.found] == self.truth.class_index[pairs.truth])


def pair_up(truth: Truth, found: Found, rule: Rule) -> Case:
    """Computes the overlaps. Memory is proportional to the pairs that overlap, not to all pairs."""
    boxes = (found.xywh, np.ascontiguousarray(truth.xywh))
    options = (*boxes, truth.crowd, found.image_start, truth.image_start, rule.pixel, LEAST_IOU)
    start = np.zeros(len(found) + 1, np.int64)
    count = loops.overlap_pairs(*options, start, np.empty(0, np.int64), np.empty(0))
    indices, ious = np.empty(count, np.int64), np.empty(count)
    loops.overlap_pairs(*options, start, indices, ious)
    return Case(truth, found, rule, Pairs(start, indices, ious))


def match(
    case: Case, iou: float, truth_inside: np.ndarray | None = None, found_inside: np.ndarray | None = None
) -> Matching:
    """Judges the detections at an overlap.

    COCO: by falling score, each detection takes the free object of its class with the largest IoU, if it is `iou` or
    more. VOC: each belongs to the object of its class with the largest IoU, if it is more than `iou`; the first of each
    object is right. Detections on crowds (COCO) and difficult objects (VOC) are not counted.

    Args:
        case: the detections.
        iou: the overlap, from LEAST_IOU to 1.
        truth_inside: [N] bool, objects that count; others are ignored, as COCO does outside of an area range. None: all
            in the rule's range of areas.
        found_inside: [D] bool, detections that are wrong if they are unmatched; others are then not counted. None: all
            in that range.
    """
    truth, found, pairs = case.truth, case.found, case.same_class
    truth_inside = in_area(truth.area, case.rule.areas["all"]) if truth_inside is None else truth_inside
    found_inside = in_area(found.area, case.rule.areas["all"]) if found_inside is None else found_inside
    status, matched = np.empty(len(found), np.int8), np.empty(len(found), np.int64)
    lists, ignored = (pairs.start, pairs.truth, pairs.iou), ~(truth.counts & truth_inside)
    if case.rule.is_voc:
        loops.match_voc(*lists, ignored, found_inside, iou, status, matched)
    else:
        loops.match_coco(*lists, truth.crowd, ignored, found_inside, iou, status, matched)
    return Matching(iou, status, matched)


def in_area(area: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """Returns whether each area is in a range of `Rule.areas`; a bound belongs to the ranges on both sides."""
    low, high = bounds
    inside: np.ndarray = (area >= low) & (area <= high)
    return inside
