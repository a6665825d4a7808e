"""The copy that `--fix` writes has none of the faults with one remedy, and the same boxes where nothing was wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ppdet.core.errors import UserError
from ppdet.data_check.check import with_pixels
from ppdet.data_check.find_splits import datasets_of
from ppdet.data_check.fix import write_fixed
from ppdet.data_check.read import read_split
from ppdet.data_check.split import Network
from tests.data_check.test_check import FAULTS, findings_of
from tests.support.data_faults import BOXES, FaultySet, copy_of

# errors for which a person has to decide
LEFT = {"boxes_normalized", "sizes_swapped", "sizes_wrong", "class_names_empty", "split_without_boxes"}
WARNINGS = {
    "images_listed_twice",
    "image_ids_of_two_kinds",
    "images_without_size",
    "names_spelled_otherwise",
    "annotation_ids_repeated",
    "class_names_repeated",
    "class_names_with_blanks",
    "images_copied",
    "boxes_partly_outside",
    "boxes_repeated",
    "category_ids_differ",
}


def fix(made: FaultySet, folder: Path) -> dict[str, int]:
    datasets, _ = datasets_of(made.root, ["train", "val"], None)
    changes = write_fixed(folder, with_pixels([read_split(n, each, Network()) for n, each in datasets.items()]))
    return {what: count for what, count in changes.items() if count}


def planted(name: str, clean: FaultySet, root: Path) -> FaultySet:
    made = copy_of(clean, root)
    FAULTS[name].plant(made)
    made.save()
    return made


def boxes_of(folder: Path, split: str = "train") -> dict[str, list[Any]]:
    """(class, box) of each image, by file name."""
    content = json.loads((folder / f"{split}.json").read_text())
    names = {each["id"]: each["name"] for each in content["categories"]}
    files = {each["id"]: each["file_name"] for each in content["images"]}
    found: dict[str, list[Any]] = {file: [] for file in files.values()}
    for each in content["annotations"]:
        found[files[each["image_id"]]].append((names[each["category_id"]], each["bbox"]))
    return found


def test_nothing_changes_where_nothing_is_wrong(clean: FaultySet, tmp_path: Path) -> None:
    assert fix(clean, tmp_path / "fixed") == {}
    for split in ("train", "val"):
        assert boxes_of(tmp_path / "fixed", split) == boxes_of(clean.root, split)
        for link in (tmp_path / "fixed" / split).iterdir():
            assert link.resolve() == clean.root / split / link.name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fixed"]


@pytest.mark.parametrize("name", FAULTS)
def test_no_error_is_left(name: str, clean: FaultySet, tmp_path: Path) -> None:
    made = planted(name, clean, tmp_path / "set")
    before = {path: path.read_bytes() for path in made.root.rglob("*") if path.is_file()}
    fix(made, tmp_path / "fixed")
    findings = findings_of(tmp_path / "fixed")
    assert {finding.name for finding in findings if finding.severity == "error"} == LEFT & {name}
    assert name not in WARNINGS & {finding.name for finding in findings}
    assert {path: path.read_bytes() for path in made.root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "changes", "box"),
    [
        ("boxes_swapped", {"boxes changed": 1}, [30, 50, 20, 10]),
        ("boxes_partly_outside", {"boxes changed": 1}, [150, 10, 18, 30]),
        ("boxes_outside", {"boxes removed": 1}, None),
        ("boxes_without_size", {"boxes removed": 1}, None),
        ("boxes_repeated", {"boxes removed": 1}, None),
        ("files_empty", {"images removed": 1, "boxes removed": 3}, None),
        ("images_copied_across", {"images removed": 1, "boxes removed": 3}, None),
    ],
)
def test_what_is_changed(name: str, changes: dict[str, int], box: Any, clean: FaultySet, tmp_path: Path) -> None:
    assert fix(planted(name, clean, tmp_path / "set"), tmp_path / "fixed") == changes
    expected = boxes_of(clean.root)
    if name == "images_copied_across":
        del expected["3.png"]  # of the training: the score keeps its images
    if box:
        expected["3.png"].append(("red", box))
    assert boxes_of(tmp_path / "fixed") == expected


def test_corners_become_width_and_height(clean: FaultySet, tmp_path: Path) -> None:
    assert fix(planted("boxes_as_xyxy", clean, tmp_path / "set"), tmp_path / "fixed") == {"boxes changed": 72}
    assert boxes_of(tmp_path / "fixed") == boxes_of(clean.root)


def test_an_image_that_is_listed_twice_gets_all_its_boxes(clean: FaultySet, tmp_path: Path) -> None:
    made = copy_of(clean, tmp_path / "set")
    made.train["images"].append(made.train["images"][3] | {"id": 900})
    made.add_box((100, 70, 30, 30), 1, 900)
    made.save()
    assert fix(made, tmp_path / "fixed") == {}
    assert boxes_of(tmp_path / "fixed")["3.png"] == [
        *zip(("red", "green", "blue"), map(list, BOXES), strict=True),
        ("green", [100, 70, 30, 30]),
    ]


def test_files_of_one_name_in_two_folders(clean: FaultySet, tmp_path: Path) -> None:
    made = copy_of(clean, tmp_path / "set")
    (made.root / "train" / "more").mkdir()
    made.file.rename(made.root / "train" / "more" / "0.png")
    made.train["images"][3]["file_name"] = "more/0.png"
    made.save()
    fix(made, tmp_path / "fixed")
    assert (tmp_path / "fixed" / "train" / "3_0.png").resolve() == made.root / "train" / "more" / "0.png"
    assert findings_of(tmp_path / "fixed") == []


def test_a_folder_that_cannot_be_written(clean: FaultySet, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--fix: .*file/new cannot be written"):
        fix(clean, tmp_path / "file" / "new")


def test_a_file_that_has_the_name_of_a_renamed_one(clean: FaultySet, tmp_path: Path) -> None:
    made = copy_of(clean, tmp_path / "set")
    for number, (folder, name) in {3: ("more", "0.png"), 2: ("most", "3_0.png")}.items():
        (made.root / "train" / folder).mkdir()
        (made.root / "train" / f"{number}.png").rename(made.root / "train" / folder / name)
        made.train["images"][number]["file_name"] = f"{folder}/{name}"
    made.save()
    fix(made, tmp_path / "fixed")
    files = {link.resolve().relative_to(made.root) for link in (tmp_path / "fixed" / "train").iterdir()}
    assert {Path("train/0.png"), Path("train/more/0.png"), Path("train/most/3_0.png")} <= files
    assert len(files) == 24


def test_a_split_that_is_named_by_its_path(clean: FaultySet, tmp_path: Path) -> None:
    split = read_split("lists/train.json", datasets_of(clean.root, ["train"], None)[0]["train"], Network())
    write_fixed(tmp_path / "fixed", with_pixels([split]))
    assert boxes_of(tmp_path / "fixed", "lists_train.json") == boxes_of(clean.root)
