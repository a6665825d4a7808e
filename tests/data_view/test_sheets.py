"""Contact sheets of a split: which images and boxes are shown, and where."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.data.datasets import AutoDataset
from ppdet.data_check.read import read_split
from ppdet.data_check.split import Boxes, Network, Split
from ppdet.data_view.sheets import image_sheet, object_sheet, sheets, smallest_objects, write_sheets
from ppdet.deploy.draw import class_color
from tests.support.data_faults import BOXES, NAMES, FaultySet, copy_of

CELL, GAP = 320, 6


@pytest.fixture
def made(clean: FaultySet, tmp_path: Path) -> FaultySet:
    return copy_of(clean, tmp_path / "set")


def split_of(made: FaultySet, name: str = "train") -> Split:
    made.save()
    return read_split(name, AutoDataset(dataset_dir=str(made.root), split=name), Network())


def test_the_pages_of_a_split(clean: FaultySet) -> None:
    pages = dict(sheets(split_of(clean), 0))
    assert list(pages) == [
        "train_images.png",
        *(f"train_class_{index}_{name}.png" for index, name in enumerate(NAMES)),
        "train_smallest.png",
    ]
    assert pages["train_images.png"].shape == (4 * (320 + 24) + 6, 5 * 326 + 6, 3)  # 20 images
    assert pages["train_class_0_red.png"].shape == (3 * (160 + 24) + 6, 8 * 166 + 6, 3)  # 24 boxes
    assert pages["train_smallest.png"].shape == (5 * (160 + 24) + 6, 8 * 166 + 6, 3)  # 40 boxes


def test_the_seed_chooses(clean: FaultySet) -> None:
    split = split_of(clean)
    one, same, other = (next(sheets(split, seed))[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_page_shows_each_image_with_its_boxes(clean: FaultySet) -> None:
    """An image of 160 x 120 is doubled, and lies in the middle of its cell."""
    split = split_of(clean)
    page = image_sheet(split, [0, 2])
    for cell, index in enumerate([0, 2]):
        left, top = GAP + cell * (CELL + GAP), GAP + (CELL - 240) // 2
        shown = page[top : top + 240, left : left + 320]
        for kind, (x, y, w, h) in enumerate(BOXES):
            np.testing.assert_array_equal(shown[2 * (y + h), 2 * x + w], class_color(kind))
        enlarged = cv2.resize(cv2.imread(split.images[index].file), (320, 240), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(shown[220:, 200:], enlarged[220:, 200:])  # beside the boxes


def test_an_object_is_shown_with_its_surroundings(clean: FaultySet) -> None:
    """The box of 40 x 40 at (10, 10) has 16 pixels around it, as far as the image goes: 66 x 66 from its corner."""
    split = split_of(clean)
    page = object_sheet(split, [0], ["red"])
    shown, factor = page[GAP : GAP + 160, GAP : GAP + 160], 160 / 66
    for x, y in ((10, 30), (50, 30), (30, 10), (30, 50)):
        np.testing.assert_array_equal(shown[round(y * factor), round(x * factor)], class_color(0))
    around = cv2.resize(cv2.imread(split.images[0].file)[:66, :66], (160, 160), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(shown[130:], around[130:])


def test_the_smallest_come_first(made: FaultySet) -> None:
    made.add_box((50, 50, 3, 3))
    made.add_box((50, 50, 2, 2))
    made.add_box((50, 50, 0, 9))
    made.add_box((50, 50, 1, 1))
    made.train["annotations"][-1]["iscrowd"] = 1
    split = split_of(made)
    sides = split.boxes.sides[smallest_objects(split, 3)]
    assert sides.tolist() == [[2, 2], [3, 3], [40, 40]]


def test_odd_boxes_and_files_are_shown_as_far_as_they_can(made: FaultySet) -> None:
    for box in ((900, 900, 30, 30), (50, 50, -20, 10), (-1e9, 5, 2e9, 1e9), (50, 50, 0, 0)):
        made.add_box(box)
    made.train["annotations"][-1]["bbox"] = [1, 2, "a", 4]
    made.file.write_bytes(b"")
    (made.root / "train" / "4.png").unlink()
    split = split_of(made)
    assert len(dict(sheets(split, 0))) == 5
    page = image_sheet(split, [3, 4])
    assert (page[GAP : GAP + CELL, GAP : GAP + CELL] == 128).all()
    assert (page[GAP : GAP + CELL, 2 * GAP + CELL : -GAP] == 128).all()


def test_images_without_boxes(made: FaultySet) -> None:
    made.train["annotations"].clear()
    assert [name for name, _ in sheets(split_of(made), 0)] == ["train_images.png"]


def test_a_split_without_images(clean: FaultySet) -> None:
    split = split_of(clean)
    none = Boxes(*(getattr(split.boxes, field.name)[:0] for field in fields(Boxes)))
    assert list(sheets(replace(split, images=[], boxes=none), 0)) == []


def test_names_that_are_no_file_names(made: FaultySet, tmp_path: Path) -> None:
    made.rename_class(0, "../a b:猫")
    names = write_sheets(tmp_path / "shown", [replace(split_of(made), name="lists/train")], 0)
    assert names[1] == "lists_train_class_0__a_b_猫.png"
    assert sorted(names) == sorted(file.name for file in (tmp_path / "shown").iterdir())
    assert cv2.imdecode(np.fromfile(tmp_path / "shown" / names[1], np.uint8), cv2.IMREAD_COLOR) is not None
