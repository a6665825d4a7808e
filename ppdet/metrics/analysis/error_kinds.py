"""TIDE's kinds of errors, and the AP that fixing each of them would bring.

Source: Bolya et al., "TIDE: A general toolbox for identifying object detection errors" (2020), and its package tidecv.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ppdet.metrics.analysis.matching import LEAST_IOU, RIGHT, UNCOUNTED, WRONG, Case, Matching, Pairs, loops
from ppdet.metrics.means import valid_mean

KINDS = ("classification", "localization", "both", "duplicate", "background", "missed")
CLASSIFICATION, LOCALIZATION, BOTH, DUPLICATE, BACKGROUND, MISSED = range(6)
SIZES = ("small", "medium", "large")


@dataclass(frozen=True, eq=False)
class ErrorKinds:
    """The errors at one overlap. AP is at that overlap; its means are over the classes that have objects.

    Attributes:
        kind: [D] int8, index into KINDS for each wrong detection; -1: right or not counted.
        missed: [N] bool, objects that no detection finds, or would find if its class or its box were right.
        unfound: [N] bool, all objects that no detection finds.
        target: [D] int64, the object that a classification or localization error is about; -1: none.
        counts: [6, K] int64, errors by kind and class of the detection (missed: of the object).
        AP: before anything is fixed.
        gain: [6] float64, the rise of AP if all errors of a kind, and only those, were fixed.
        gain_by_class: [6, K] float64, the rise of each class's AP; NaN for classes without objects. A class of which
            nothing is found, and all objects of which are removed, counts as 1 here; `gain` leaves it out of the mean.
        gain_by_size: [6, 3, K] float64, the same if only errors of one of SIZES were fixed. The size is the object's
            for classification, localization and missed, else the detection's; bounds are 32 and 96 pixels squared.
        false_positives: the rise of AP if no wrong detection were in the way of a right one.
        false_negatives: the rise of AP if there were no objects but those found.
    """

    kind: np.ndarray
    missed: np.ndarray
    unfound: np.ndarray
    target: np.ndarray
    counts: np.ndarray
    AP: float
    gain: np.ndarray
    gain_by_class: np.ndarray
    gain_by_size: np.ndarray
    false_positives: float
    false_negatives: float


def find_errors(case: Case, matching: Matching) -> ErrorKinds:
    """Finds the kind of each error.

    The first that applies to a detection that is not right:
    - localization: its IoU with an object of its class is from 0.1 up to the overlap;
    - classification: its IoU with an object of another class is the overlap or more;
    - duplicate: its IoU with an object of its class, which another detection finds, is the overlap or more;
    - background: its IoU with every object is 0.1 or less;
    - both: anything else.
    Fixing a classification or localization error makes the detection right, if its object is not found and no such
    error of that object has a higher score; otherwise, and for the other kinds, it removes the detection. Fixing
    missed objects removes them. A fixed detection keeps its score. A detection on a crowd is no error and not in
    `kind`, but becomes right as tidecv has it, if it would with another class or box.
    """
    truth, wrong = case.truth, matching.status != RIGHT
    kind, target = _kinds(case, matching)
    kind[~wrong] = -1
    target[~np.isin(kind, (CLASSIFICATION, LOCALIZATION))] = -1
    unfound = truth.counts & (matching.found_of(len(truth)) < 0)
    candidates = np.flatnonzero(np.append(unfound, False)[target])
    wanted, first = np.unique(target[candidates], return_index=True)  # by falling score inside of an image
    repaired = np.zeros(len(kind), bool)
    repaired[candidates[first]] = True
    missed = unfound.copy()
    missed[wanted] = False
    fixer = _Fixer(case, matching, kind, target, repaired, missed)
    shown = np.where(matching.status == WRONG, kind, -1).astype(np.int8)
    return _summary(fixer, shown, unfound)


def _kinds(case: Case, matching: Matching) -> tuple[np.ndarray, np.ndarray]:
    """The kind [D] that each detection would have if it were wrong, and the object [D] that it is about; -1: none."""
    truth, found, pairs = case.truth, case.found, case.pairs
    pairs = pairs.select(truth.counts[pairs.truth])
    same = found.class_index[pairs.found] == truth.class_index[pairs.truth]
    used = matching.found_of(len(truth)) >= 0
    own, own_truth = _nearest(pairs.select(same))
    other, other_truth = _nearest(pairs.select(~same))
    taken, _ = _nearest(pairs.select(same & used[pairs.truth]))
    conditions = [
        (own >= LEAST_IOU) & (own <= matching.iou),
        other >= matching.iou,
        taken >= matching.iou,
        np.maximum(own, other) <= LEAST_IOU,
    ]
    kind = np.select(conditions, [LOCALIZATION, CLASSIFICATION, DUPLICATE, BACKGROUND], BOTH)
    return kind, np.where(kind == CLASSIFICATION, other_truth, own_truth)


def _nearest(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """The largest IoU of each detection, 0 without pairs, and the first object that has it, -1 without pairs."""
    iou, truth = np.zeros(len(pairs.start) - 1), np.full(len(pairs.start) - 1, -1)
    order = np.lexsort((pairs.truth, -pairs.iou, pairs.found))
    detections, first = np.unique(pairs.found[order], return_index=True)
    iou[detections], truth[detections] = pairs.iou[order[first]], pairs.truth[order[first]]
    return iou, truth


@dataclass(frozen=True, eq=False)
class _Fixer:
    """AP of the classes after fixing errors. kind, target: also of detections that are not counted."""

    case: Case
    matching: Matching
    kind: np.ndarray
    target: np.ndarray
    repaired: np.ndarray
    missed: np.ndarray

    def fix(self, detections: np.ndarray | None = None, objects: np.ndarray | None = None) -> np.ndarray:
        """AP [K] after fixing the errors `detections` [D] bool and removing `objects` [N] bool.

        It is 0 if all of a class's objects are removed and detections remain, and -1 if none remain or the class had no
        objects.
        """
        truth, found, status = self.case.truth, self.case.found, self.matching.status
        order, classes, right, data = found.by_class, found.class_index, status == RIGHT, status != UNCOUNTED
        if detections is not None:
            fixed = detections & self.repaired
            data, right = np.where(detections, fixed, data), right | fixed
            moved = fixed & (self.kind == CLASSIFICATION)
            if moved.any():
                classes = np.where(moved, np.append(truth.class_index, -1)[self.target], classes)
                order = np.lexsort((-found.score, classes))
        order = order[data[order]]
        positives = truth.per_class()
        removed = np.empty(0, np.int64) if objects is None else truth.class_index[objects]
        left = positives - np.bincount(removed, minlength=len(positives))
        scores = _class_ap(classes[order], right[order], left, np.array(self.case.rule.recalls))
        remain = np.bincount(classes[order], minlength=len(positives)) > 0
        scores[(left == 0) & (positives > 0) & remain] = 0
        return scores

    def fix_kind(self, kind: int, size: int | None = None) -> np.ndarray:
        """AP [K] after fixing the errors of a kind; if `size` is given, only those of the size."""
        object_size, found_size = _size(self.case.truth.area), _size(self.case.found.area)
        if kind == MISSED:
            return self.fix(objects=self.missed & ((object_size == size) | (size is None)))
        sizes = np.where(self.target >= 0, np.append(object_size, 0)[self.target], found_size)
        return self.fix((self.kind == kind) & ((sizes == size) | (size is None)))


def _class_ap(classes: np.ndarray, right: np.ndarray, positives: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """AP [K] of detections [M] class by class, by falling score; -1 for classes without `positives` [K]."""
    bounds, listed = np.arange(len(positives) + 1), np.flatnonzero(right)
    zeros = np.zeros(len(classes), np.int64)
    lists = (np.searchsorted(classes[listed], bounds), zeros[listed], listed + 1, np.ones(len(listed), np.int8))
    out, running = np.empty((len(positives), 4)), np.arange(len(classes) + 1)
    starts = np.searchsorted(classes, bounds)
    loops.score_classes(np.ones(1, np.int64), running, starts, *lists, zeros[listed], positives, recalls, out)
    return out[:, 0]


def _summary(fixer: _Fixer, kind: np.ndarray, unfound: np.ndarray) -> ErrorKinds:
    truth, found, kinds = fixer.case.truth, fixer.case.found, range(len(KINDS))
    before = fixer.fix()
    after = np.array([fixer.fix_kind(index) for index in kinds])
    parts = np.array([[fixer.fix_kind(index, size) for size in range(len(SIZES))] for index in kinds])
    by_class, by_size = (
        np.where(before < 0, np.nan, np.where(scores < 0, 1.0, scores) - before) for scores in (after, parts)
    )
    classes = [found.class_index[kind == index] for index in kinds if index != MISSED]
    classes.append(truth.class_index[fixer.missed])
    ap, removing = valid_mean(before), replace(fixer, repaired=np.zeros(len(kind), bool))
    return ErrorKinds(
        kind=kind,
        missed=fixer.missed,
        unfound=unfound,
        target=np.where(kind >= 0, fixer.target, -1),
        counts=np.array([np.bincount(each, minlength=truth.num_classes) for each in classes]),
        AP=ap,
        gain=np.array([max(valid_mean(scores) - ap, 0.0) for scores in after]),
        gain_by_class=by_class,
        gain_by_size=by_size,
        false_positives=valid_mean(removing.fix(fixer.matching.status == WRONG)) - ap,
        false_negatives=valid_mean(fixer.fix(objects=unfound)) - ap,
    )


def _size(area: np.ndarray) -> np.ndarray:
    """Index into SIZES."""
    index: np.ndarray = np.digitize(area, (32.0**2, 96.0**2))
    return index
