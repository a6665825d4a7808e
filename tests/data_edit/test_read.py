"""Parts as they are read: every box of the file, and the fields of COCO."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.data_edit.read import read_parts
from tests.support.data_faults import FaultySet, copy_of


def test_boxes_that_training_drops_are_there(clean: FaultySet, tmp_path: Path) -> None:
    made = copy_of(clean, tmp_path / "set")
    made.add_box((10, 10, 0, 5))
    made.add_box((-50, 10, 20, 5))
    made.train["annotations"][0]["ignore"] = 1
    made.save()
    (part,) = read_parts(made.root, ["train"])
    found = next(picture for picture in part.pictures if picture.name == "3.png")
    assert [each.box for each in found.objects][3:] == [[10, 10, 0, 5], [-50, 10, 20, 5]]
    assert [each.crowd for picture in part.pictures for each in picture.objects] == [True] + [False] * 73
    assert found.entry == made.train["images"][3]
    assert found.objects[0].entry == made.box


def test_voc(tmp_path: Path) -> None:
    """Marks and corners as in the XML; a box that is no number is an object without a box."""
    for folder in ("JPEGImages", "Annotations"):
        (tmp_path / folder).mkdir()
    (tmp_path / "JPEGImages" / "a.jpg").touch()
    objects = [("cat", 1, (1.5, 2, 11, 30)), ("dog", 0, (5, 5, 5, 9)), ("cat", 0, (1, 2, 3, "x"))]
    text = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, difficult, (x1, y1, x2, y2) in objects
    )
    size = "<size><width>50</width><height>40</height></size>"
    (tmp_path / "Annotations" / "a.xml").write_text(f"<annotation>{size}{text}</annotation>")
    (part,) = read_parts(tmp_path, [])
    (picture,) = part.pictures
    assert (part.name, part.classes, picture.size) == ("all", ["cat", "dog"], (40, 50))
    assert [(each.class_index, each.box, each.difficult) for each in picture.objects] == [
        (0, [1.5, 2, 9.5, 28], True),
        (1, [5, 5, 0, 4], False),
        (0, None, False),
    ]
    assert picture.objects[0].entry == {"bbox": [1.5, 2, 9.5, 28], "area": 266, "iscrowd": 0, "difficult": 1}


def test_a_list_without_images(clean: FaultySet, tmp_path: Path) -> None:
    made = copy_of(clean, tmp_path / "set")
    made.train["images"], made.train["annotations"] = [], []
    made.save()
    with pytest.raises(UserError, match=r"train\.json: lists no images; remove the file, or list some"):
        read_parts(made.root, ["train"])
