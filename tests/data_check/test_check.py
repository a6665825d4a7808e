"""Each kind of fault, planted alone in a set without faults, is named once with its count and a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from ppdet.data_check.check import KINDS, check_splits, with_pixels
from ppdet.data_check.find_splits import datasets_of
from ppdet.data_check.finding import Finding
from ppdet.data_check.read import read_split
from ppdet.data_check.split import Network
from tests.support import data_faults as plant
from tests.support.data_faults import (
    FaultySet,
    box,
    copy_of,
    image_as,
    listed,
    odd_picture,
    picture,
    plant_boxes,
    sized,
)
from tests.support.image_specimens import encoded
from tests.support.workspaces import ROOT


class Fault(NamedTuple):
    """plant: puts it into a set; also: the other kinds that it brings along."""

    plant: Callable[[FaultySet], Any]
    count: int
    example: str
    also: Sequence[str] = ()


def pillow(mode: str, kind: str, name: str) -> Callable[[FaultySet], None]:
    def add(made: FaultySet) -> None:
        file = io.BytesIO()
        Image.fromarray(odd_picture(made)).convert(mode).save(file, kind)
        made.with_image(file.getvalue(), name)

    return add


def nearly(made: FaultySet) -> bytes:
    """The picture of the target, with less quality."""
    return encoded(".jpg", picture(made.target, plant.WIDTH + 8), 1, 60)


def put(data: bytes, name: str = "odd.png") -> Callable[[FaultySet], None]:
    return lambda made: made.with_image(data, name)


def remove_boxes(made: FaultySet) -> None:
    for annotation in made.of_image(made.target):
        made.train["annotations"].remove(annotation)


def near_copy(split: str) -> Callable[[FaultySet], None]:
    def add(made: FaultySet) -> None:
        made.write("near.jpg", nearly(made), split)
        made.add_image("near.jpg", split, plant.WIDTH + 8)

    return add


def copy(split: str) -> Callable[[FaultySet], None]:
    def add(made: FaultySet) -> None:
        made.write("copy.png", made.file.read_bytes(), split)
        made.add_image("copy.png", split, plant.WIDTH + 8)

    return add


def of_no_class(made: FaultySet) -> None:
    made.train["annotations"].append({"id": 9999, "image_id": made.target, "category_id": 77})


def listed_twice(made: FaultySet) -> None:
    made.add_image(made.name, width=plant.WIDTH + 8)


def in_two_splits(made: FaultySet) -> None:
    made.add_image(f"../train/{made.name}", "val", plant.WIDTH + 8)


NOISE = encoded(".png", picture(99_999))
EMPTY = np.full((plant.HEIGHT, plant.WIDTH, 3), 90, np.uint8)
FAULTS = {
    "images_incomplete": Fault(listed("images", id=900), 1, "images[24]"),
    "image_ids_repeated": Fault(listed("images", id=2, file_name="other.png"), 1, "other.png"),
    "images_listed_twice": Fault(
        lambda made: made.train["images"].append(made.train["images"][made.target]), 1, "3.png"
    ),
    "image_ids_of_two_kinds": Fault(plant.plant_image_ids_of_two_kinds, 1, "3.png"),
    "images_without_size": Fault(lambda made: made.train["images"][made.target].pop("width"), 1, "3.png"),
    "names_spelled_otherwise": Fault(plant.plant_names_spelled_otherwise, 1, "number%203.png"),
    "categories_incomplete": Fault(listed("categories", id=77), 1, "categories[3]"),
    "category_ids_repeated": Fault(listed("categories", id=2, name="again"), 1, "2 (again)"),
    "annotations_incomplete": Fault(listed("annotations", id=9999), 1, "annotations[72]"),
    "annotations_without_image": Fault(
        listed("annotations", id=9999, image_id=777, category_id=1), 1, "annotations[72]: image_id 777"
    ),
    "annotations_without_class": Fault(of_no_class, 1, "3.png"),
    "annotation_ids_repeated": Fault(lambda made: made.box.update(id=10_000), 1, "3.png"),
    "files_missing": Fault(lambda made: made.file.unlink(), 1, "3.png"),
    "files_listed_twice": Fault(listed_twice, 1, "3.png"),
    "files_empty": Fault(put(b""), 1, "odd.png"),
    "files_truncated": Fault(put(NOISE[: len(NOISE) // 2]), 1, "odd.png"),
    "files_unreadable": Fault(put(b"no image"), 1, "odd.png"),
    "files_misnamed": Fault(put(encoded(".jpg", picture(99_999))), 1, "odd.png"),
    "sizes_swapped": Fault(plant.plant_sizes_swapped, 1, "3.png"),
    "sizes_wrong": Fault(lambda made: made.train["images"][made.target].update(width=200), 1, "3.png"),
    "images_turned": Fault(plant.plant_turned, 1, "odd.png"),
    "images_cmyk": Fault(pillow("CMYK", "jpeg", "odd.jpg"), 1, "odd.jpg"),
    "images_16_bit": Fault(image_as(dtype=np.uint16), 1, "odd.png", ("images_blank",)),
    "images_with_palette": Fault(pillow("P", "png", "odd.png"), 1, "odd.png"),
    "images_with_alpha": Fault(image_as(channels=4), 1, "odd.png"),
    "images_gray": Fault(image_as(channels=1), 1, "odd.png"),
    "images_tiny": Fault(sized(30, 24), 1, "odd.png"),
    "images_large": Fault(sized(4004, 3003), 1, "odd.png"),
    "images_squeezed": Fault(sized(400, 120), 1, "odd.png"),
    "images_of_one_size": Fault(plant.plant_one_size, 24, "0.png"),
    "images_blank": Fault(put(encoded(".png", EMPTY)), 1, "odd.png"),
    "images_without_boxes": Fault(remove_boxes, 1, "3.png"),
    "images_with_many_boxes": Fault(plant.plant_many_boxes, 1, "3.png"),
    "images_copied": Fault(copy("train"), 1, "copy.png"),
    "images_nearly_copied": Fault(near_copy("train"), 1, "3.png ~ near.jpg"),
    "class_names_empty": Fault(lambda made: made.rename_class(1, " "), 1, "id 2"),
    "class_names_repeated": Fault(lambda made: made.rename_class(1, "red"), 1, "red"),
    "class_names_alike": Fault(lambda made: made.rename_class(1, "Red"), 1, "'red' / 'Red'"),
    "class_names_with_blanks": Fault(lambda made: made.rename_class(1, "green "), 1, "'green '"),
    "classes_of_background": Fault(lambda made: made.rename_class(0, "background"), 1, "background"),
    "classes_of_the_config": Fault(lambda made: 5, 3, "red"),
    "classes_without_boxes": Fault(lambda made: made.add_class("purple", "train", "val"), 1, "purple"),
    "classes_with_few_images": Fault(plant.plant_few_images, 1, "purple (1)"),
    "classes_out_of_balance": Fault(plant.plant_imbalance, 1, "purple (1)", ("classes_with_few_images",)),
    "boxes_normalized": Fault(plant_boxes(lambda x, y, w, h: [x / 200, y / 200, w / 200, h / 200]), 72, "0.png"),
    "boxes_as_xyxy": Fault(plant_boxes(lambda x, y, w, h: [x, y, x + w, y + h]), 72, "0.png"),
    "boxes_not_numbers": Fault(lambda made: made.box.update(bbox=[1, 2, "3", 4]), 1, "3.png"),
    "boxes_swapped": Fault(box(50, 50, -20, 10), 1, "3.png"),
    "boxes_without_size": Fault(box(50, 50, 0, 10), 1, "3.png"),
    "boxes_without_area": Fault(lambda made: made.box.update(area=0), 1, "3.png"),
    "boxes_outside": Fault(box(1000, 10, 20, 20), 1, "3.png"),
    "boxes_partly_outside": Fault(box(150, 10, 30, 30), 1, "3.png"),
    "boxes_tiny": Fault(box(50, 50, 1, 17), 1, "3.png"),
    "boxes_small_for_the_input": Fault(plant.plant_small_boxes, 8, "0.png"),
    "boxes_extreme": Fault(box(10, 50, 100, 4), 1, "3.png"),
    "boxes_of_whole_images": Fault(box(0, 0, plant.WIDTH + 8, plant.HEIGHT), 1, "3.png"),
    "boxes_of_crowds": Fault(lambda made: made.box.update(iscrowd=1), 1, "3.png"),
    "boxes_repeated": Fault(box(*plant.BOXES[0]), 1, "3.png"),
    "boxes_nearly_repeated": Fault(box(11, 10, 40, 40), 1, "3.png"),
    "boxes_of_two_classes": Fault(box(*plant.BOXES[1]), 1, "3.png"),
    "files_unreferenced": Fault(lambda made: made.write("extra.png", NOISE), 1, "train/extra.png"),
    "files_in_two_splits": Fault(in_two_splits, 1, "../train/3.png"),
    "images_copied_across": Fault(copy("val"), 1, "3.png = copy.png"),
    "images_nearly_copied_across": Fault(near_copy("val"), 1, "3.png ~ near.jpg"),
    "classes_differ": Fault(plant.plant_class_of_one_split, 1, "purple"),
    "classes_in_another_order": Fault(lambda made: made.val["categories"].reverse(), 2, "blue"),
    "category_ids_differ": Fault(plant.plant_other_ids, 3, "red"),
    "classes_never_trained": Fault(plant.plant_class_never_trained, 1, "purple", ("classes_without_boxes",)),
    "split_without_boxes": Fault(lambda made: made.val["annotations"].clear(), 1, "val.json"),
    "split_small": Fault(plant.plant_small_split, 10, "0.png"),
}


# see test_read.py and test_refused.py
NOT_OF_COCO = {"boxes_difficult", "objects_left_out", "entries_refused", "files_without_labels"}


def findings_of(root: Path, num_classes: int | None = None) -> list[Finding]:
    datasets, _ = datasets_of(root, ["train", "val"], None)
    splits = [read_split(name, dataset, Network(num_classes=num_classes)) for name, dataset in datasets.items()]
    return check_splits(with_pixels(splits))


def test_the_clean_set_has_no_finding(clean: FaultySet) -> None:
    assert findings_of(clean.root) == []


def test_every_kind_is_planted() -> None:
    assert len(KINDS) == len(set(KINDS)) >= 40
    assert {*FAULTS, *NOT_OF_COCO} == set(KINDS)


def test_every_kind_is_documented() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert [name for name in KINDS if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", FAULTS)
def test_kind(name: str, clean: FaultySet, tmp_path: Path) -> None:
    made, fault = copy_of(clean, tmp_path / "set"), FAULTS[name]
    fault.plant(made)
    made.save()
    findings = findings_of(made.root, num_classes=5 if name == "classes_of_the_config" else None)
    assert {finding.name for finding in findings} == {name, *fault.also}
    first = next(finding for finding in findings if finding.name == name)
    assert first.count == fault.count
    assert any(example.endswith(fault.example) for example in first.examples)
    assert len(first.examples) <= 3
    assert first.advice
    assert len([finding for finding in findings if (finding.name, finding.split) == (name, first.split)]) == 1


def test_a_set_of_which_nothing_can_be_read(clean: FaultySet, tmp_path: Path) -> None:
    made = copy_of(clean, tmp_path / "set")
    for image in made.train["images"]:
        made.write(image["file_name"], b"")
    for image in made.val["images"][1:]:  # the first shows where the others belong
        (made.root / "val" / image["file_name"]).unlink()
    counts = {(finding.name, finding.split): finding.count for finding in findings_of(made.root)}
    assert counts == {("files_empty", "train"): 24, ("files_missing", "val"): 19}


@pytest.mark.parametrize("section", ["images", "annotations", "categories"])
def test_a_section_without_entries(section: str, clean: FaultySet, tmp_path: Path) -> None:
    made = copy_of(clean, tmp_path / "set")
    made.train[section].clear()
    made.save()
    errors = {finding.name for finding in findings_of(made.root) if finding.severity == "error"}
    expected = {
        "images": {"annotations_without_image", "split_without_boxes"},
        "annotations": {"split_without_boxes"},
        "categories": {"annotations_without_class", "split_without_boxes", "classes_differ"},
    }
    assert errors == expected[section]


@pytest.mark.parametrize("name", [None, 3, "ca\nt", "\ud800"])
def test_a_class_name_that_training_refuses(name: Any, clean: FaultySet, tmp_path: Path) -> None:
    made = copy_of(clean, tmp_path / "set")
    made.train["categories"].append({"id": 9, "name": name})
    made.save()
    assert [(finding.name, finding.examples) for finding in findings_of(made.root)] == [
        ("categories_incomplete", ["categories[3]"])
    ]


def test_an_image_with_crowds_only_has_no_boxes(clean: FaultySet, tmp_path: Path) -> None:
    """Training leaves it out."""
    made = copy_of(clean, tmp_path / "set")
    for annotation in made.of_image(made.target):
        annotation["iscrowd"] = 1
    made.save()
    found = {finding.name: (finding.count, finding.examples) for finding in findings_of(made.root)}
    assert found["images_without_boxes"] == (1, ["3.png"])
