from __future__ import annotations

import pytest

from ppdet.core.errors import UserError
from ppdet.data_edit.split import boxes_by_class
from ppdet.data_edit.subset import some, with_classes
from tests.support.part_content import content, made_part

BOX = [1.0, 2.0, 3.0, 4.0]


def test_images_with_a_class_keep_all_objects() -> None:
    part = made_part([[("a", BOX), ("b", BOX)], [("b", BOX)], [], [("c", BOX)]])
    (new,) = with_classes([part], ["a", "c"])
    assert content(new) == {"0.png": [("a", BOX), ("b", BOX)], "3.png": [("c", BOX)]}
    assert new.classes == ["a", "b", "c"]


def test_bad_classes() -> None:
    part = made_part([[("ape", BOX)], [("bee", BOX)]])
    with pytest.raises(UserError, match="--classes: the data has no class 'apes'; did you mean 'ape'"):
        with_classes([part], ["apes"])
    with pytest.raises(UserError, match="--classes: no image of all has bee; name other classes or splits"):
        with_classes([part.with_pictures(part.pictures[:1])], ["bee"])


@pytest.mark.parametrize("number", [1, 7, 40, 99])
def test_the_number_is_exact_and_the_order_stays(number: int) -> None:
    part = made_part([[("a", BOX)] * (1 + index % 3) + [("b", BOX)] * (index % 4 == 0) for index in range(100)])
    new = some(part, number, 0)
    names = [picture.name for picture in new.pictures]
    assert len(names) == number
    assert names == [picture.name for picture in part.pictures if picture.name in set(names)]


def test_the_number_is_exact_where_the_shares_are_not() -> None:
    """Half of the boxes are in one of ten images."""
    part = made_part([[("a", BOX)] * 9] + [[("a", BOX)]] * 9)
    for seed in range(5):
        assert len(some(part, 5, seed).pictures) == 5


def test_shares_stay() -> None:
    part = made_part([[("a", BOX)] * 3 + [("b", BOX)] * (index % 4 == 0) for index in range(100)])
    assert boxes_by_class(some(part, 20, 0)) == {"a": 60, "b": 5}


def test_all_if_there_are_no_more() -> None:
    part = made_part([[("a", BOX)]] * 3)
    assert some(part, 3, 0) is some(part, 9, 0) is part
