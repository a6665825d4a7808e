from __future__ import annotations

import pytest

from ppdet.core.errors import UserError
from ppdet.data_edit.remap import parse_classes, remap
from tests.support.part_content import content, made_part

BOX, OTHER = [1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]
ESCAPED = r"a\,b -> x\,y; c\;d\->e; f"
PART = made_part([[("car", BOX), ("dog", BOX)], [("truck", BOX), ("person", BOX)], [("dog", BOX)]])


def test_classes_are_renamed_joined_and_left_out() -> None:
    new, remarks = remap([PART], parse_classes("car, truck -> vehicle ; person"))
    assert new[0].classes == ["vehicle", "person"]
    assert content(new[0]) == {
        "0.png": [("vehicle", BOX)],
        "1.png": [("vehicle", BOX), ("person", BOX)],
        "2.png": [],
    }
    assert remarks == [
        "1 classes are left out with 2 objects: dog",
        "1 images have no object any more; they stay, and are trained on with allow_empty: true",
    ]


def test_the_order_is_that_of_the_text() -> None:
    new, remarks = remap([PART], parse_classes("truck;person;dog->animal;car"))
    assert new[0].classes == ["truck", "person", "animal", "car"]
    assert [kind for each in content(new[0]).values() for kind, _ in each] == [
        "car",
        "animal",
        "truck",
        "person",
        "animal",
    ]
    assert remarks == []


def test_ids_stay_with_the_first_class() -> None:
    part = made_part([[("a", BOX), ("b", BOX), ("c", BOX)]])
    part.categories[0].update(id=7, supercategory="x")  # type: ignore[attr-defined]
    part.categories[1].update(id=9)  # type: ignore[attr-defined]
    (new,), _ = remap([part], parse_classes("b,a->d;c"))
    assert new.categories == [{"name": "d", "id": 9}, {"name": "c"}]


def test_names_are_exchanged() -> None:
    (new,), _ = remap([made_part([[("a", BOX)], [("b", BOX)]])], parse_classes("a->b;b->a"))
    assert content(new) == {"0.png": [("b", BOX)], "1.png": [("a", BOX)]}


def test_names_with_marks_and_with_space_around() -> None:
    (new,), _ = remap([made_part([[("a,b", BOX), ("c;d->e", OTHER)], [(" f ", BOX)]])], parse_classes(ESCAPED))
    assert new.classes == ["x,y", "c;d->e", "f"]
    assert content(new) == {"0.png": [("x,y", BOX), ("c;d->e", OTHER)], "1.png": [("f", BOX)]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found no class; expected classes as in"),
        (";", "found no class"),
        ("a,->b", "found 'a,->b'; expected classes as in \"car,truck->vehicle;person\""),
        ("a->", "found 'a->'"),
        ("->b", "found '->b'"),
        ("a->b->c", "found 'a->b->c'"),
        ("a->b,c", "found 'a->b,c'"),  # a comma for a semicolon
        ("a;a->b", "names 'a' twice"),
        ("a->b\x1b", "the class name 'b\\x1b' holds control characters"),
    ],
)
def test_bad_texts(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_classes(text)
    assert f"--classes: {message}" in str(error.value)


def test_unknown_classes() -> None:
    with pytest.raises(UserError, match="--classes: the data has no class 'trucks'; did you mean 'truck'?"):
        remap([PART], {"trucks": "x"})
    with pytest.raises(UserError, match="has no class 'zebra'; expected one of car, dog, person, truck"):
        remap([PART], {"zebra": "x"})


def test_no_image_is_said_to_be_empty_if_none_is() -> None:
    _, remarks = remap([made_part([[("a", BOX), ("b", BOX)]])], {"a": "a"})
    assert remarks == ["1 classes are left out with 1 objects: b"]
