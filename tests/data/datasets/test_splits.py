"""Splits by the names that people give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets.base import Part
from ppdet.data.datasets.splits import belongs, choose, names_of


def parts(*names: str) -> list[Part]:
    return [Part(name, {}) for name in names]


def test_names() -> None:
    assert names_of("validation") == ("validation", "val", "valid", "dev")
    assert names_of("night") == ("night",)


@pytest.mark.parametrize(
    ("name", "split", "expected"),
    [
        ("annotations/instances_train2017.json", "train", True),
        ("annotations/instances_train2017.json", "val", False),
        ("valid/_annotations.coco.json", "val", True),
        ("Train.txt", "train", True),
        ("trainval.txt", "train", False),
        ("trainval.txt", "trainval", True),
        ("restrained.csv", "train", False),
        ("night-3.csv", "night-3.csv", True),
    ],
)
def test_belongs(name: str, split: str, expected: bool) -> None:
    assert belongs(name, split) is expected


@pytest.mark.parametrize(
    ("names", "split", "expected"),
    [
        (["a.json"], "", "a.json"),
        (["lists/car_train.txt", "lists/train.txt"], "train", "lists/train.txt"),
        (["instances_train.json", "instances_val.json"], "valid", "instances_val.json"),
        (["2024/a.csv", "2025/a.csv"], "2025/a.csv", "2025/a.csv"),
    ],
)
def test_choose(names: list[str], split: str, expected: str) -> None:
    assert choose(Path("data"), parts(*names), split).name == expected


@pytest.mark.parametrize(
    ("names", "split", "message"),
    [
        (["a.json", "b.json"], "", r"^data: holds 2 splits \(a\.json, b\.json\); set split to one of them$"),
        (
            ["Annotations"],
            "val",
            r"^data: has no split 'val', only Annotations; name a file or folder val",
        ),
        (
            ["a_val.txt", "b_val.txt"],
            "val",
            r"^data: several files may be the split 'val' \(a_val\.txt, b_val\.txt\)",
        ),
    ],
)
def test_unclear_splits(names: list[str], split: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose(Path("data"), parts(*names), split)
