"""In one set with every kind of fault, each is named once, with the right count, split and example."""

from __future__ import annotations

import re

import pytest

from ppdet.data.datasets import LabelMeDataSet, VOCDataSet
from ppdet.data_check.check import KINDS, check_splits, with_pixels
from ppdet.data_check.find_splits import datasets_of
from ppdet.data_check.finding import Finding
from ppdet.data_check.read import read_split
from ppdet.data_check.split import Network
from tests.data_check.test_check import FAULTS
from tests.support.data_every_fault import COUNTS, faulty_set, write_labelme, write_voc

CLASSES = 11  # of the training
BOXES = 20 * 3 + 7  # of a split: three in each image, and one of each other class
ACROSS = " + ".join([*COUNTS, "test_voc", "test_labelme"])
# kinds of classes and of whole splits: the split, the count and an example
OF_SPLITS: dict[str, tuple[str, int, str]] = {
    "boxes_normalized": ("test_normalized", BOXES, "0.png"),
    "boxes_as_xyxy": ("test_xyxy", BOXES, "0.png"),
    "images_of_one_size": ("test_one_size", 20, "0.png"),
    "classes_in_another_order": (ACROSS, CLASSES - 1, "violet"),  # the one in the middle stays
    "category_ids_differ": (ACROSS, CLASSES, "red"),
    "split_without_boxes": ("test_unlabeled", 1, "test_unlabeled.json"),
    "split_small": ("test_small", 10, "0.png"),
    "classes_differ": (ACROSS, 1, "amber"),
    "classes_never_trained": (ACROSS, 1, "violet"),
    "classes_without_boxes": ("train", 1, "violet"),
    "classes_with_few_images": ("train", 1, "purple (1)"),
    "classes_out_of_balance": ("train", 1, "purple (1)"),
    "boxes_small_for_the_input": ("train", 1, "0.png"),
    "classes_of_the_config": ("train", CLASSES, "red"),
    "class_names_empty": ("train", 1, "id 4"),
    "class_names_repeated": ("train", 1, "red"),
    "class_names_alike": ("train", 1, "'red' / 'Red'"),
    "class_names_with_blanks": ("train", 1, "'teal '"),
    "classes_of_background": ("train", 1, "background"),
    "boxes_difficult": ("test_voc", 1, "3.png"),
    "entries_refused": ("test_labelme", 1, "halves of characters (surrogates); correct it"),
    "objects_left_out": ("test_labelme", 1, "3.json (that are no outlines but point)"),
}
OF_IMAGES = {name: fault for name, fault in FAULTS.items() if name not in OF_SPLITS}
OF_OTHER_TESTS = {"files_without_labels"}  # these images have no boxes either; see test_read.py
IN_TWO_SPLITS = (
    "files_unreferenced",
    "files_in_two_splits",
    "images_copied_across",
    "images_nearly_copied_across",
)
COUNTED_MORE = {"images_blank": 2}  # the 16-bit image is black as 8 bits
# the names of the classes are those of every split
REPEATED = {name for name in OF_SPLITS if name.startswith("class_names")} | {"classes_of_background"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Finding], dict[str, int]]:
    root = tmp_path_factory.mktemp("every") / "set"
    _, targets = faulty_set(root, {name: fault.plant for name, fault in OF_IMAGES.items()})
    datasets, _ = datasets_of(root, list(COUNTS), None)
    splits = [
        read_split(name, dataset, Network(num_classes=5 if name == "train" else None))
        for name, dataset in datasets.items()
    ]
    write_voc(root / "voc")
    write_labelme(root / "labelme")
    for cls in (VOCDataSet, LabelMeDataSet):
        folder = cls.__name__.removesuffix("DataSet").lower()
        dataset = cls(str(root / folder), anno_path=".")
        dataset.expected_classes = [category.name for category in splits[1].categories]
        splits.append(read_split(f"test_{folder}", dataset, Network()))
    return check_splits(with_pixels(splits)), targets


def test_every_kind_is_planted() -> None:
    assert {*OF_SPLITS, *OF_IMAGES, *OF_OTHER_TESTS} == set(KINDS)


@pytest.mark.parametrize("name", sorted({*KINDS} - OF_OTHER_TESTS))
def test_named_once(name: str, found: tuple[list[Finding], dict[str, int]]) -> None:
    findings, targets = found
    if name in OF_SPLITS:
        split, count, example = OF_SPLITS[name]
    else:
        fault = OF_IMAGES[name]
        split, count = ACROSS if name in IN_TWO_SPLITS else "train", COUNTED_MORE.get(name, fault.count)
        example = fault.example.replace("3.png", f"{targets[name]}.png")
    named = [each for each in findings if each.name == name and (each.split == split or name not in REPEATED)]
    if name == "classes_without_boxes":  # " " is no name in VOC and LabelMe, whose images have red objects only
        named = [each for each in named if each.split not in ("test_voc", "test_labelme")]
    assert [(each.split, each.count) for each in named] == [(split, count)]
    assert any(without_places(each).endswith(without_places(example)) for each in named[0].examples)


def without_places(example: str) -> str:
    """Places in a file depend on the faults that were planted before."""
    return re.sub(r"\[\d+\]", "[]", example)
