from __future__ import annotations

import numpy as np
import pytest

from ppdet.metrics.analysis.confusion import Confusion, confusion_matrix
from ppdet.metrics.analysis.curves import class_curves
from ppdet.metrics.analysis.matching import match
from tests.support.judged import Judged, random_judged

BOX, OTHER, NOWHERE = [0, 0, 100, 100], [200, 200, 300, 300], [500, 500, 600, 600]


def confusion(judged: Judged, threshold: float = 0.3) -> Confusion:
    return confusion_matrix(judged.case, match(judged.case, 0.5), threshold)


def test_hand_made_matrix() -> None:
    objects = [[[0, *BOX, 0], [1, *OTHER, 0], [1, 700, 0, 800, 100, 1]], [[0, *BOX, 0]], []]
    detections = [
        [
            [1, 0.9, *BOX],  # the box is also found with its class, which comes first: detection of nothing
            [0, 0.4, *BOX],
            [0, 0.8, *OTHER],  # confusion
            [0, 0.7, *OTHER],  # the object is taken: detection of nothing
            [1, 0.6, 710, 10, 720, 20],  # in a crowd: left out
        ],
        [[0, 0.2, *BOX]],  # under the threshold: not found
        [[1, 0.5, *NOWHERE]],
    ]
    found = confusion(Judged(objects, detections))
    assert found.counts.tolist() == [[1, 0, 1], [1, 0, 0], [1, 2, 0]]
    assert [part.tolist() for part in found.cell(1, 0)] == [[1], [1]]  # by falling score: 0.9, 0.8, 0.7, 0.6, 0.4
    assert [part.tolist() for part in found.cell(0, 2)] == [[3], [-1]]
    assert [part.tolist() for part in found.cell(2, 1)] == [[-1, -1], [0, 6]]
    assert [part.tolist() for part in found.cell(2, 2)] == [[], []]


def test_of_equal_overlaps_the_first_object_is_confused() -> None:
    found = confusion(Judged([[[0, *BOX, 0], [0, *BOX, 0]]], [[[1, 0.9, *BOX]]]))
    assert found.cell(0, 1)[0].tolist() == [0]


@pytest.mark.parametrize("kind", ["COCO", "VOC"])
@pytest.mark.parametrize("seed", range(6))
def test_sums_and_the_diagonal(seed: int, kind: str) -> None:
    """Rows have the objects, columns the detections that count, the diagonal what the curves call right."""
    judged = random_judged(seed, kind=kind)
    case, matching = judged.case, match(judged.case, 0.5)
    found, curves = confusion_matrix(case, matching, 0.5), class_curves(case, matching)
    assert found.counts[:-1].sum(1).tolist() == [curve.positives for curve in curves]
    last = [int((curve.score >= 0.5).sum()) - 1 for curve in curves]
    assert np.diagonal(found.counts)[:-1].tolist() == [c.right[i] for c, i in zip(curves, last, strict=True)]
    kept = [c.right[i] + c.wrong[i] for c, i in zip(curves, last, strict=True)]
    assert found.counts[:, :-1].sum(0).tolist() == kept
    for row in range(5):
        for column in range(5):
            truth, detections = found.cell(row, column)
            assert len(truth) == found.counts[row, column]
            assert set(case.truth.class_index[truth[truth >= 0]]) <= {row}
            assert set(case.found.class_index[detections[detections >= 0]]) <= {column}
    assert len(set(found.truth[found.truth >= 0])) == (found.truth >= 0).sum()


def test_nothing() -> None:
    assert confusion(Judged([], [])).counts.sum() == 0
    assert confusion(Judged([[[0, *BOX, 0]]], [[]])).counts[0, 2] == 1
