"""The lists that `split` writes: every image once, with shares and groups kept."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data_check.check import with_pixels
from ppdet.data_check.copies import files_in_two_splits, images_copied_across, images_nearly_copied_across
from ppdet.data_check.find_splits import datasets_of
from ppdet.data_check.read import read_split
from ppdet.data_edit.convert import write
from ppdet.data_edit.groups import as_pattern
from ppdet.data_edit.read import read_parts
from ppdet.data_edit.split import boxes_by_class, count_labels, split_part
from tests.support.data_faults import FaultySet, copy_of, picture
from tests.support.image_specimens import encoded
from tests.support.part_content import content, made_part

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


def assert_no_copies_across(root: Path) -> None:
    datasets, network = datasets_of(root, [], None)
    splits = with_pixels([read_split(name, dataset, network) for name, dataset in datasets.items()])
    for check in (files_in_two_splits, images_copied_across, images_nearly_copied_across):
        assert check(splits) is None


def test_every_image_once_with_its_objects(clean: FaultySet, tmp_path: Path) -> None:
    parts = read_parts(clean.root, [])
    new, remarks = split_part(parts, SHARES, None, 0)
    assert [part.name for part in new] == ["train", "val", "test"]
    assert [len(part.pictures) for part in new] == [36, 4, 4]  # 35.2, 4.4, 4.4
    assert remarks == []
    write(tmp_path / "new", new)
    read = read_parts(tmp_path / "new", [])
    assert Counter(p.real_file for part in read for p in part.pictures) == Counter(
        os.path.realpath(p.file) for part in parts for p in part.pictures
    )
    assert all(len(p.objects) == 3 for part in read for p in part.pictures)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["test.json", "train.json", "val.json"]


def test_copies_stay_together(clean: FaultySet, tmp_path: Path) -> None:
    """Images 1 to 5 of both splits are copies or near copies, and one file is in both lists."""
    made = copy_of(clean, tmp_path / "set")
    for index in range(1, 6):
        data = encoded(".jpg" if index == 5 else ".png", picture(index, 168))
        made.write(f"{index}.png", data, "val")
    made.val["images"][7]["file_name"] = "../train/7.png"
    made.save()
    for seed in range(3):
        new, remarks = split_part(read_parts(made.root, []), {"train": 0.7, "val": 0.3}, None, seed)
        write(tmp_path / f"new{seed}", new)
        assert sum(len(part.pictures) for part in new) == 43  # the file of both lists counts once
        assert_no_copies_across(tmp_path / f"new{seed}")
        assert remarks == [
            "1 images are listed again; they count once, with all objects",
            "10 images are copies, look alike or share a group: 5 groups stay together, the largest of 2 images",
        ]


def test_groups_stay_together(clean: FaultySet) -> None:
    """By the last digit of the names: each is in one part only."""
    new, _ = split_part(read_parts(clean.root, []), {"train": 0.7, "val": 0.3}, as_pattern(r"(\d)\.png"), 0)
    digits = [{picture.name[-5] for picture in part.pictures} for part in new]
    assert digits[0] | digits[1] == set("0123456789")
    assert not digits[0] & digits[1]


def test_a_class_that_is_too_rare_is_named() -> None:
    part = made_part([[("common", (0, 0, 9, 9))]] * 19 + [[("rare", (0, 0, 9, 9))]])
    new, remarks = split_part([part], {"train": 0.8, "val": 0.2}, None, 0)
    assert boxes_by_class(new[0])["rare"] == 1
    assert remarks == ["val has no box of 1 classes: rare (1 in all)"]


def test_too_few_images() -> None:
    with pytest.raises(UserError, match="--val: 0.1 of 3 images that form 3 groups is none; give a larger share"):
        split_part([made_part([[("a", (0, 0, 9, 9))]] * 3)], {"train": 0.9, "val": 0.1}, None, 0)


def test_what_is_counted() -> None:
    """Boxes of each class, images without boxes, images; neither crowds nor objects without a box."""
    box = [0.0, 0.0, 9.0, 9.0]
    part = made_part([[("a", box), ("a", box), ("b", box)], [], [("b", box), ("b", box)]])
    crowd, no_box = (replace(part.pictures[2].objects[0], **change) for change in ({"crowd": True}, {"box": None}))
    pictures = [*part.pictures[:2], replace(part.pictures[2], objects=[crowd, no_box])]
    assert count_labels(pictures, 2).tolist() == [[2, 1, 0, 1], [0, 0, 1, 1], [0, 0, 1, 1]]


def test_images_without_boxes_are_shared_out() -> None:
    part = made_part([[("a", (0, 0, 9, 9))]] * 30 + [[]] * 30)
    new, _ = split_part([part], {"train": 0.9, "val": 0.1}, None, 0)
    assert [len(values) for values in content(new[1]).values()].count(0) == 3
    assert len(new[1].pictures) == 6


@pytest.mark.parametrize("seed", range(3))
def test_shares_of_bccd(seed: int, shared: Path, tmp_path: Path) -> None:
    """The share of each class in each part is within 3 % of that in the whole set; no copy is in another part."""
    new, _ = split_part(read_parts(shared / "data" / "bccd", []), SHARES, None, seed)
    counts = [boxes_by_class(part) for part in new]
    whole = sum(counts, Counter[str]())
    assert whole == {"RBC": 4155, "WBC": 372, "Platelets": 361}
    for found in counts:
        for name, total in whole.items():
            assert found[name] / found.total() == pytest.approx(total / whole.total(), rel=0.03)
    files = Counter(picture.real_file for part in new for picture in part.pictures)
    assert len(files) == files.total() == 364
    write(tmp_path / "new", new)
    assert_no_copies_across(tmp_path / "new")


@pytest.mark.parametrize("seed", range(5))
def test_shares_of_a_generated_set(seed: int) -> None:
    """500 images with many boxes of one class and few of two others: shares within 3 % of the whole, or one box."""
    rng = np.random.default_rng(seed)
    box = (0, 0, 9, 9)
    pictures = [
        [("common", box)] * int(rng.integers(0, 21))
        + [("rare", box)] * int(rng.random() < 0.3)
        + [("pairs", box)] * (2 * int(rng.random() < 0.2))
        for _ in range(500)
    ]
    new, _ = split_part([made_part(pictures)], SHARES, None, seed)
    counts = [boxes_by_class(part) for part in new]
    whole = sum(counts, Counter[str]())
    assert [len(part.pictures) for part in new] == pytest.approx([400, 50, 50], abs=2)
    for found in counts:
        for name, total in whole.items():
            expected = total / whole.total() * found.total()
            assert found[name] == pytest.approx(expected, rel=0.03, abs=1)


def test_objects_without_a_box_are_counted_once() -> None:
    part = replace(made_part([[("a", [1.0, 2.0, 3.0, 4.0])]] * 4), without_box=7)
    new, _ = split_part([part], {"train": 0.5, "val": 0.5}, None, 0)
    assert [each.without_box for each in new] == [7, 0]
