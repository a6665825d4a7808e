"""The confusion matrix with background, and the boxes in each of its cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppdet.metrics.analysis.matching import RIGHT, UNCOUNTED, Case, Matching, loops


@dataclass(frozen=True, eq=False)
class Confusion:
    """Objects against detections, at one score threshold and one overlap.

    Attributes:
        threshold: detections with this score or more are in it.
        counts: [K + 1, K + 1] int64. Row: the object's class; column: the detection's class; K is background. So row K
            has detections of nothing and column K has objects that were not found.
        truth: [E] int64, the object of each entry; -1: background. Entries are ordered by cell, row by row.
        found: [E] int64, the detection of each entry; -1: background.
    """

    threshold: float
    counts: np.ndarray
    truth: np.ndarray
    found: np.ndarray

    def cell(self, row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the objects and the detections [counts[row, column]] in a cell, the most confident detections first.

        Objects that were not found come in the order of the data set.
        """
        before = np.concatenate([[0], np.cumsum(self.counts)])
        place = row * len(self.counts) + column
        part = slice(before[place], before[place + 1])
        return self.truth[part], self.found[part]


def confusion_matrix(case: Case, matching: Matching, threshold: float) -> Confusion:
    """Pairs objects with detections, each at most once, in two steps.

    First the matching within classes, so that the diagonal has exactly the detections that precision and recall call
    right. Then, by falling score, each detection that is left takes the object left with the largest IoU, if that is
    the matching's overlap or more, whatever its class: these are the confusions. What remains on either side is paired
    with background. Crowds, difficult objects and the detections on them are left out.
    """
    truth, found, num_classes = case.truth, case.found, case.truth.num_classes
    kept = found.score >= threshold
    right = kept & (matching.status == RIGHT)
    partner = np.where(right, matching.truth, -1)
    free_truth = truth.counts.copy()
    free_truth[partner[right]] = False
    free_found = kept & ~right & (matching.status != UNCOUNTED)
    pairs, other = case.pairs, np.empty(len(found), np.int64)
    pairs = pairs.select(found.class_index[pairs.found] != truth.class_index[pairs.truth])
    loops.match_free(pairs.start, pairs.truth, pairs.iou, free_found, free_truth, matching.iou, other)
    partner = np.where(other >= 0, other, partner)
    free_truth[partner[partner >= 0]] = False

    detections, missed = np.flatnonzero(right | free_found), np.flatnonzero(free_truth)
    objects = np.concatenate([partner[detections], missed])
    detections = np.concatenate([detections, np.full(len(missed), -1)])
    row = np.append(truth.class_index, num_classes)[objects]  # background is at -1
    column = np.append(found.class_index, num_classes)[detections]
    cells = row * (num_classes + 1) + column
    order = np.lexsort((-np.append(found.score, 0)[detections], cells))
    counts = np.bincount(cells, minlength=(num_classes + 1) ** 2).reshape(num_classes + 1, -1)
    return Confusion(threshold, counts, objects[order], detections[order])
