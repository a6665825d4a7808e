"""Suspects become findings with names, ids and boxes."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.data.datasets import Category
from ppdet.data_edit.parts import Object, Part, Picture
from ppdet.suspects.findings import Finding, find

CATEGORIES = [{"id": 7, "name": "stop"}, {"id": 9, "name": "yield"}]


def label(number: int, class_index: int, *box: float, crowd: bool = False, difficult: bool = False) -> Object:
    return Object(class_index, box or None, crowd, difficult, {"id": number})


def found_in(
    *objects: Object, rows: list[list[float]], categories: list[dict[str, object]] = CATEGORIES
) -> list[Finding]:
    """The findings in one image, a.jpg with the id 31; the model knows stop and yield."""
    part = Part("val", categories, [Picture("/data/a.jpg", "a.jpg", (60, 80), {"id": 31}, objects)])
    known = [Category(7, "stop"), Category(9, "yield")]
    return find(part, known, [31], {0: np.array(rows, float).reshape(-1, 6)})


def test_a_finding_names_both_classes_and_boxes() -> None:
    (found,) = found_in(label(5, 0, 10, 20, 30, 20), rows=[[1, 0.75, 11, 20, 40, 40]])
    assert (found.kind, found.sure, found.image_id, found.label_id) == ("mislabeled", 0.75, 31, 5)
    assert found.picture.file == "/data/a.jpg"
    assert (found.label_class, found.label_box) == (Category(7, "stop"), (10, 20, 40, 40))
    assert (found.suggested_class, found.suggested_box) == (Category(9, "yield"), (11, 20, 40, 40))


def test_a_missing_label_has_no_class_and_no_box() -> None:
    (found,) = found_in(rows=[[1, 0.75, 11, 20, 40, 40]])
    assert (found.kind, found.label, found.label_class, found.label_box, found.label_id) == ("missing", *[None] * 4)
    assert found.suggested_class == Category(9, "yield")


def test_suggested_boxes_end_at_the_border() -> None:
    """The image is 80 pixels wide and 60 high."""
    (found,) = found_in(rows=[[1, 0.75, -1, 20, 90, 61]])
    assert found.suggested_box == (0, 20, 80, 60)


def test_a_spurious_label_has_no_suggestion() -> None:
    """The second label is found with 0.5; (1 - 0) * 0.25, the mean of 0 and 0.5."""
    found = found_in(label(5, 0, 10, 20, 8, 8), label(6, 0, 50, 20, 8, 8), rows=[[0, 0.5, 50, 20, 58, 28]])
    assert [(each.kind, each.label_id, each.sure) for each in found] == [("spurious", 5, 0.25), ("spurious", 6, 0.125)]
    assert (found[0].suggested_box, found[0].suggested_class) == (None, None)


@pytest.mark.parametrize("mark", [{"crowd": True}, {"difficult": True}])
def test_crowds_and_difficult_objects_are_left_alone(mark: dict[str, bool]) -> None:
    assert found_in(label(5, 0, 10, 20, 30, 20, **mark), rows=[[1, 0.75, 11, 20, 40, 40]]) == []


@pytest.mark.parametrize("box", [(), (10, 20, 0, 5), (10, 20, 5, -1), (float("nan"), 20, 5, 5)])
def test_labels_without_a_box_are_for_data_check(box: tuple[float, ...]) -> None:
    """They are not spurious, and the label behind keeps its place in the list."""
    found = found_in(label(5, 0, *box), label(6, 0, 10, 20, 30, 20), rows=[[0, 0.75, 11, 20, 40, 40]])
    assert [(each.kind, each.label_id) for each in found] == [("spurious", 6)]


def test_a_class_that_the_model_does_not_know_is_left_alone() -> None:
    """The labels list their classes in another order, and one that the model has no output for."""
    listed = [{"id": 1, "name": "lamp"}, {"id": 2, "name": "yield"}, {"id": 3, "name": "stop"}]
    known = [label(5, 0, 10, 20, 30, 20), label(6, 1, 50, 0, 10, 10), label(7, 2, 60, 40, 10, 10)]
    rows = [[0, 0.5, 10, 20, 40, 40], [0, 0.9, 50, 0, 60, 10], [0, 1, 60, 40, 70, 50]]
    found = found_in(*known, rows=rows, categories=listed)
    assert [(each.kind, each.label_id, each.label_class) for each in found] == [("mislabeled", 6, Category(9, "yield"))]
    assert found[0].suggested_class == Category(7, "stop")


def test_classes_are_those_that_remapping_finds() -> None:
    """Names that differ by case or blanks mean one class."""
    listed = [{"id": 2, "name": "YIELD "}, {"id": 3, "name": "Stop"}]
    known = [label(5, 0, 10, 20, 30, 20), label(6, 1, 50, 0, 10, 10)]
    rows = [[0, 0.5, 10, 20, 40, 40], [0, 1.0, 50, 0, 60, 10]]
    (found,) = found_in(*known, rows=rows, categories=listed)
    assert (found.kind, found.label_id, found.label_class) == ("mislabeled", 5, Category(9, "yield"))


def test_classes_of_one_name_stay_apart() -> None:
    part = Part("val", [{"name": "a"}] * 2, [Picture("a.jpg", "a.jpg", (60, 80), {}, [label(6, 1, 50, 0, 10, 10)])])
    twins = [Category(7, "a"), Category(9, "a")]
    (found,) = find(part, twins, [1], {0: np.array([[0, 0.9, 50, 0, 60, 10]])})
    assert (found.kind, found.label_class, found.suggested_class) == ("mislabeled", twins[1], twins[0])
