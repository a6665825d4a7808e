from __future__ import annotations

import numpy as np
import pytest

from ppdet.metrics.analysis.matching import LEAST_IOU, RIGHT, UNCOUNTED, WRONG, Case, match
from tests.support.judged import Judged, random_judged

BOX, SHIFTED = [0, 0, 100, 100], [10, 0, 110, 100]


def statuses(judged: Judged, iou: float = 0.5) -> list[int]:
    return match(judged.case, iou).status.tolist()


def test_of_equal_scores_the_first_detection_comes_first() -> None:
    twice = [[0, 0.5, *SHIFTED], [0, 0.5, *BOX], [0, 0.4, *BOX]]
    assert statuses(Judged([[[0, *BOX, 0]]], [twice])) == [RIGHT, WRONG, WRONG]


def test_of_equal_overlaps_coco_takes_the_last_object_and_voc_the_first() -> None:
    objects, detections = [[[0, *BOX, 0], [0, *BOX, 0]]], [[[0, 0.5, *BOX]]]
    assert match(Judged(objects, detections).case, 0.5).truth.tolist() == [1]
    assert match(Judged(objects, detections, kind="VOC").case, 0.5).truth.tolist() == [0]


def test_a_crowd_swallows_detections_after_objects_are_taken() -> None:
    inside = [[0, 0.9, 10, 10, 20, 20], [0, 0.8, 30, 30, 40, 40], [1, 0.7, 30, 30, 40, 40], [0, 0.6, *BOX]]
    crowd, single = [0, 0, 0, 100, 100, 1], [0, 0, 0, 98, 100, 0]
    assert statuses(Judged([[crowd]], [inside])) == [UNCOUNTED, UNCOUNTED, WRONG, UNCOUNTED]
    assert statuses(Judged([[crowd, single]], [inside])) == [UNCOUNTED, UNCOUNTED, WRONG, RIGHT]


def test_difficult_objects_count_in_coco_files_only_by_their_crowd_flag() -> None:
    detections = [[[0, 0.9, *BOX], [0, 0.8, *SHIFTED]]]
    assert statuses(Judged([[[0, *BOX, 1]]], detections, kind="VOC")) == [UNCOUNTED, UNCOUNTED]


def test_voc_needs_more_than_the_overlap_and_counts_corners_as_pixels() -> None:
    detection = [[[0, 0.9, 0, 0, 9, 4]]]  # 10 x 5 pixels of 10 x 10
    judged = Judged([[[0, 0, 0, 9, 9, 0]]], detection, kind="VOC")
    assert judged.case.pairs.iou.tolist() == [0.5]
    assert statuses(judged) == [WRONG]
    assert statuses(judged, 0.49) == [RIGHT]


def test_a_second_detection_does_not_take_another_object_in_voc() -> None:
    objects = [[[0, *BOX, 0], [0, *SHIFTED, 0]]]
    detections = [[[0, 0.9, *BOX], [0, 0.8, 1, 0, 101, 100]]]
    assert statuses(Judged(objects, detections)) == [RIGHT, RIGHT]
    assert statuses(Judged(objects, detections, kind="VOC")) == [RIGHT, WRONG]


def test_the_detection_of_each_object() -> None:
    judged = Judged([[[0, *BOX, 0], [1, *BOX, 0]], []], [[[1, 0.9, *BOX]], [[0, 0.9, *BOX]]])
    assert match(judged.case, 0.5).found_of(2).tolist() == [-1, 0]


def test_empty_inputs() -> None:
    for objects, detections in (([], []), ([[]], [[]]), ([[[0, *BOX, 0]]], [[]]), ([[]], [[[0, 0.9, *BOX]]])):
        matching = match(Judged(objects, detections).case, 0.5)
        assert matching.status.tolist() == [WRONG] * sum(map(len, detections))


def test_images_that_are_not_scored_are_left_out_and_ids_may_have_gaps() -> None:
    judged = Judged([[[0, *BOX, 0]], [[1, *BOX, 0]]], [[[0, 0.9, *BOX]], [[1, 0.9, *BOX]]], im_ids=[7, 3])
    assert statuses(judged) == [RIGHT, RIGHT]
    assert judged.case.truth.im_ids.tolist() == [3, 7]
    assert judged.case.truth.class_index.tolist() == [1, 0]


@pytest.mark.parametrize("seed", range(10))
def test_random_cases_against_plain_loops(seed: int) -> None:
    judged = random_judged(seed)
    for iou in (0.5, 0.75, 0.95):
        assert match(judged.case, iou).status.tolist() == plain_coco(judged.case, iou)


@pytest.mark.parametrize("kind", ["COCO", "VOC"])
def test_pairs_against_plain_loops(kind: str) -> None:
    case = random_judged(3, kind=kind).case
    expected = [
        (d, t, value)
        for d in range(len(case.found))
        for t in range(len(case.truth))
        if case.found.image[d] == case.truth.image[t] and (value := overlap(case, d, t)) >= LEAST_IOU
    ]
    found = list(zip(case.pairs.found, case.pairs.truth, case.pairs.iou, strict=True))
    assert len(found) > 50
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def overlap(case: Case, d: int, t: int) -> float:
    one, other, extra = case.found.boxes[d], case.truth.boxes[t], case.rule.pixel
    across, down = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    if across <= 0 or down <= 0:
        return 0.0
    common = (across + extra) * (down + extra)
    areas = [(box[2] - box[0] + extra) * (box[3] - box[1] + extra) for box in (one, other)]
    return common / (areas[0] if case.truth.crowd[t] else sum(areas) - common)


def plain_coco(case: Case, iou: float) -> list[int]:
    """COCO's rule in words: objects first, then crowds; the largest overlap, the last of equal ones."""
    taken: set[int] = set()
    result = []
    for d in range(len(case.found)):
        same = [
            t
            for t in range(len(case.truth))
            if case.truth.image[t] == case.found.image[d] and case.truth.class_index[t] == case.found.class_index[d]
        ]
        good = [(overlap(case, d, t), t) for t in same if overlap(case, d, t) >= iou]
        objects = [pair for pair in good if not case.truth.crowd[pair[1]] and pair[1] not in taken]
        if objects:
            taken.add(max(objects)[1])
            result.append(RIGHT)
        else:
            result.append(UNCOUNTED if any(case.truth.crowd[t] for _, t in good) else WRONG)
    return result
