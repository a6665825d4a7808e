from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.data_edit.merge import merge
from tests.support.part_content import content, made_part

BOX, OTHER = [1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]
SOURCES = [Path("first"), Path("second")]


def test_images_of_both_with_one_list_of_classes() -> None:
    first, second = made_part([[("b", BOX)]], prefix="x"), made_part([[("a", BOX), ("b", OTHER)]], prefix="y")
    (new,), remarks = merge(SOURCES, [[first], [second]])
    assert new.classes == ["b", "a"]
    assert content(new) == {"x0.png": [("b", BOX)], "y0.png": [("a", BOX), ("b", OTHER)]}
    assert remarks == ["first has no class a: objects of it in its images count as background; annotate them"]


def test_an_image_of_both_has_the_objects_of_both() -> None:
    first, second = made_part([[("a", BOX)], []]), made_part([[("a", BOX), ("a", OTHER)]])
    (new,), remarks = merge(SOURCES, [[first], [second]])
    assert content(new) == {"0.png": [("a", BOX), ("a", OTHER)], "1.png": []}
    assert remarks == ["1 images are listed again; they count once, with all objects"]


def test_splits_are_merged_by_name() -> None:
    parts = [made_part([[("a", BOX)]], name, prefix) for name, prefix in (("train", "t"), ("val", "v"), ("train", "u"))]
    new, remarks = merge(SOURCES, [parts[:2], parts[2:]])
    assert [(part.name, sorted(content(part))) for part in new] == [
        ("train", ["t0.png", "u0.png"]),
        ("val", ["v0.png"]),
    ]
    assert remarks == []


def test_an_image_in_two_splits_is_said() -> None:
    part = made_part([[("a", BOX)]], "train")
    _, remarks = merge(SOURCES, [[part], [replace(part, name="val")]])
    assert remarks == ["1 images are in more than one split; use `ppdet data split`, which corrects it"]


def test_classes_that_look_alike_are_said() -> None:
    first, second = (
        made_part([[("Red Car", BOX)]], prefix="x"),
        made_part([[("red_car", BOX), ("red", BOX)]], prefix="y"),
    )
    (new,), remarks = merge(SOURCES, [[first], [second]])
    assert new.classes == ["Red Car", "red", "red_car"]
    assert remarks[-1] == (
        "the classes 'Red Car' and 'red_car' differ by case or blanks only; `ppdet data remap` joins them"
    )


def test_licenses_of_both() -> None:
    """Equal ones count once, and each image keeps its own."""
    licenses = [[{"id": 1, "name": "free"}, {"id": 2, "name": "mine"}], [{"id": 1, "name": "mine"}]]
    parts = [
        replace(
            part,
            others={"licenses": listed, "info": part.pictures[0].name},
            pictures=[replace(part.pictures[0], entry={"license": number})],
        )
        for part, listed, number in zip(
            (made_part([[("a", BOX)]], prefix=prefix) for prefix in "xy"), licenses, (2, 1), strict=True
        )
    ]
    (new,), _ = merge(SOURCES, [[part] for part in parts])
    assert new.others == {"licenses": licenses[0], "info": "x0.png"}
    assert [picture.entry["license"] for picture in new.pictures] == [2, 2]


def test_a_set_without_splits_needs_some() -> None:
    with pytest.raises(
        UserError, match="second: has no splits, but other data sets have train; use `ppdet data split`"
    ):
        merge(SOURCES, [[made_part([[]], "train")], [made_part([[]])]])
