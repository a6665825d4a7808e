"""Label errors: small cases with scores by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ppdet.metrics.label_errors import KINDS, Labels, Suspect, find_label_errors

Box = tuple[float, float, float, float]
HERE, THERE = (0, 0, 10, 10), (100, 100, 130, 130)
SHIFTED = (6, 0, 16, 10)  # IoU 40 / 160 = 0.25 with HERE
CLOSE = (2, 0, 12, 10)  # IoU 80 / 120 with HERE


def labels(*found: tuple[int, Box], ignored: Sequence[int] = ()) -> Labels:
    """Labels from classes and boxes; `ignored` are positions."""
    boxes = np.array([box for _, box in found], float).reshape(-1, 4)
    return Labels(boxes, np.array([kind for kind, _ in found], int), np.isin(np.arange(len(found)), ignored))


def rows(*found: tuple[int, float, Box]) -> np.ndarray:
    """Detections from classes, scores and boxes."""
    return np.array([(kind, score, *box) for kind, score, box in found], float).reshape(-1, 6)


def of_one(known: Labels, found: np.ndarray) -> list[Suspect]:
    """The suspects of a dataset of one image, number 7, with scores rounded to 6 decimals."""
    return [each._replace(sure=round(each.sure, 6)) for each in find_label_errors({7: (known, found)})]


def test_missing() -> None:
    found = of_one(labels((0, HERE)), rows((0, 1.0, HERE), (1, 0.8, THERE)))
    assert found == [Suspect("missing", 0.8, 7, None, 1)]


def test_missing_in_an_image_without_labels() -> None:
    found = of_one(labels(), rows((2, 0.3, HERE), (1, 0.8, THERE)))
    assert found == [Suspect("missing", 0.8, 7, None, 1), Suspect("missing", 0.3, 7, None, 0)]


def test_missing_once_for_an_object_of_two_classes() -> None:
    found = of_one(labels(), rows((2, 0.3, CLOSE), (1, 0.8, HERE), (1, 0.2, SHIFTED)))
    assert found == [Suspect("missing", 0.8, 7, None, 1), Suspect("missing", 0.2, 7, None, 2)]


def test_not_missing_beside_a_label_of_another_class() -> None:
    """It is a doubt about the label's class: 0.9 * (1 - 0.8), more than (1 - 0.9) * 0.8 for a spurious one."""
    found = of_one(labels((0, HERE)), rows((0, 0.8, HERE), (1, 0.9, CLOSE)))
    assert found == [Suspect("mislabeled", 0.18, 7, 0, 1)]


@pytest.mark.parametrize("region", [(90, 90, 140, 140), (100, 100, 130, 115)])
def test_not_missing_if_half_of_it_lies_in_an_ignored_region(region: Box) -> None:
    assert of_one(labels((0, region), ignored=[0]), rows((1, 0.8, THERE))) == []


def test_missing_if_less_of_it_lies_in_an_ignored_region() -> None:
    found = of_one(labels((0, (100, 100, 130, 114)), ignored=[0]), rows((1, 0.8, THERE)))
    assert found == [Suspect("missing", 0.8, 7, None, 0)]


def test_an_ignored_label_is_never_wrong() -> None:
    known = labels((0, HERE), (0, THERE), ignored=[0])
    assert of_one(known, rows((0, 1.0, THERE), (1, 0.9, HERE), (0, 0.9, SHIFTED)))[1:] == []


def test_mislabeled() -> None:
    """0.9 * (1 - 0.2)."""
    found = of_one(labels((0, HERE)), rows((0, 0.2, HERE), (1, 0.9, CLOSE)))
    assert found == [Suspect("mislabeled", 0.72, 7, 0, 1)]


def test_an_object_in_front_of_another_makes_no_label_wrong() -> None:
    """Each detection has its own label, though they overlap."""
    found = of_one(labels((0, HERE), (1, CLOSE)), rows((0, 0.9, HERE), (1, 0.7, CLOSE)))
    assert [(each.kind, each.sure) for each in found] == [("spurious", 0.21), ("spurious", 0.09)]  # weak doubts


def test_placed() -> None:
    """0.9 * (1 - 0)."""
    assert of_one(labels((0, HERE)), rows((0, 0.9, SHIFTED))) == [Suspect("placed", 0.9, 7, 0, 0)]


def test_an_object_without_a_label_beside_one_with_its_label() -> None:
    """The label is confirmed with 0.8, so the second detection has an object of its own; 0.9 * (1 - 0.8) is a doubt."""
    found = of_one(labels((0, HERE)), rows((0, 0.8, HERE), (0, 0.9, SHIFTED)))
    assert found == [Suspect("missing", 0.9, 7, None, 1), Suspect("placed", 0.18, 7, 0, 1)]


def test_a_doubtful_label_is_moved_to_the_object() -> None:
    """0.9 * (1 - 0.4); the detection is not reported a second time as missing."""
    found = of_one(labels((0, HERE)), rows((0, 0.4, HERE), (0, 0.9, SHIFTED)))
    assert found == [Suspect("placed", 0.54, 7, 0, 1)]


@pytest.mark.parametrize(("overlap", "kind"), [(1.7, "missing"), (1.9, "placed")])
def test_placed_from_an_iou_of_a_tenth(overlap: float, kind: str) -> None:
    """Boxes of 10 x 10 that share `overlap` * 10: the IoU, overlap / (20 - overlap), is 0.1 at 1.818."""
    found = of_one(labels((0, HERE)), rows((0, 0.9, (10 - overlap, 0, 20 - overlap, 10))))
    assert [each.kind for each in found if each.sure > 0.5] == [kind]


def test_a_detection_is_beside_the_nearest_label_only() -> None:
    """IoU 0.25 with the first label; 60 / 140 with the second, which is placed, while the first has no evidence."""
    known = labels((0, HERE), (0, (10, 0, 20, 10)))
    assert of_one(known, rows((0, 0.9, SHIFTED))) == [Suspect("placed", 0.9, 7, 1, 0)]


def test_a_detection_that_agrees_with_a_label_is_beside_no_other() -> None:
    """IoU 0.25 with the first label, 70 / 130 with the second: (1 - 0) * 0.45 and (1 - 0.9) * 0.45."""
    known = labels((0, HERE), (0, (9, 0, 19, 10)))
    found = of_one(known, rows((0, 0.9, SHIFTED)))
    assert found == [Suspect("spurious", 0.45, 7, 0, None), Suspect("spurious", 0.045, 7, 1, None)]


def test_spurious() -> None:
    """Three labels of one class and size, whose agreement is 0.9, 0.6 and 0, on average 0.5: (1 - agreement) * 0.5."""
    images = {im_id: (labels((0, HERE)), rows((0, score, HERE))) for im_id, score in enumerate((0.9, 0.6))}
    found = find_label_errors({**images, 2: (labels((0, HERE)), rows())})
    assert [each._replace(sure=round(each.sure, 6)) for each in found] == [
        Suspect("spurious", 0.5, 2, 0, None),
        Suspect("spurious", 0.2, 1, 0, None),
        Suspect("spurious", 0.05, 0, 0, None),
    ]


def test_spurious_of_a_class_that_the_model_does_not_find() -> None:
    """The model says nothing of class 1, so nothing follows from its silence."""
    known = labels((0, HERE), (1, (50, 50, 60, 60)), (1, THERE))
    assert [each.label for each in of_one(known, rows((0, 0.9, HERE)))] == [0]


def test_spurious_of_a_size_that_the_model_does_not_find() -> None:
    """50 labels of 10 pixels that are found with 0.8, 50 of 4 pixels with 0.2: means 0.8 and 0.2, 0.5 of the class.

    0.5 * 0.8 / 0.5 and 0.5 * 0.2 / 0.5 are what silence is worth, after one label of each size is found with 0.
    """
    sizes = [10] * 51 + [4] * 51
    scores = [0.816] * 50 + [0] + [0.204] * 50 + [0]  # means of 0.8 and 0.2 in each group
    images = {
        im_id: (labels((0, (0, 0, size, size))), rows((0, score, (0, 0, size, size))))
        for im_id, (size, score) in enumerate(zip(sizes, scores, strict=True))
    }
    sure = {each.im_id: each.sure for each in find_label_errors(images)}
    assert (sure[50], sure[101]) == (pytest.approx(0.8), pytest.approx(0.2))


def test_no_detections_no_labels() -> None:
    """A model that finds nothing knows nothing."""
    assert find_label_errors({}) == []
    assert of_one(labels(), rows()) == []
    assert of_one(labels((0, HERE), (3, THERE)), rows()) == []


def test_the_most_certain_comes_first_and_each_label_once() -> None:
    rng = np.random.default_rng(0)

    def boxes(count: int) -> np.ndarray:
        corner = rng.uniform(0, 60, (count, 2))
        return np.hstack([corner, corner + rng.uniform(1, 40, (count, 2))])

    images = {}
    for im_id in range(40):
        count = int(rng.integers(0, 6))
        known = Labels(boxes(count), rng.integers(0, 3, count), rng.random(count) < 0.2)
        found = np.column_stack([rng.integers(0, 3, 20), rng.random(20), boxes(20)])
        images[im_id] = known, found
    suspects = find_label_errors(images)
    assert {each.kind for each in suspects} == set(KINDS)
    sures = [each.sure for each in suspects]
    assert sures == sorted(sures, reverse=True)
    assert 0 < min(sures) <= max(sures) <= 1
    reported = [(each.im_id, each.label) for each in suspects if each.label is not None]
    assert len(set(reported)) == len(reported)
    assert not any(images[im_id][0].ignored[label] for im_id, label in reported)
    for each in suspects:
        assert (each.label is None) == (each.kind == "missing")
        assert (each.detection is None) == (each.kind == "spurious")
