"""Entries that training refuses are all listed by `check`, in every format, and left out of the fixed copy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import AutoDataset
from ppdet.data_check.entries import entry_findings
from ppdet.data_check.read import read_split
from ppdet.data_check.split import Network, Split
from ppdet.data_edit.read import read_part
from tests.support.csv_files import write_csv, write_open_images
from tests.support.datasets import noise_scenes
from tests.support.labeling_tools import write_cvat, write_label_studio, write_labelme
from tests.support.voc_files import annotation, plain
from tests.support.yolo_files import write_yolo


def replace(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text()
    assert text.count(old) >= count
    path.write_text(text.replace(old, new, count))


def yolo(root: Path) -> int:
    write_yolo(root, noise_scenes(6))
    (root / "labels" / "train" / "1.txt").write_text("9 .5 .5 .1 .1\n0 .5 .5 .1 .1\n1 .5 .5 .1\nx .5 .5 .1 .1\n")
    (root / "labels" / "train" / "2.txt").write_text("1 50 50 9 9\n")
    (root / "labels" / "train" / "3.txt").write_bytes(b"\xff")
    return 5


def voc(root: Path) -> int:
    root.mkdir()
    plain(root, a=annotation(), b=annotation("\x01"), c="<annotation>", d=annotation(), e="<html/>")
    return 3


def csv(root: Path) -> int:
    write_csv(root, noise_scenes(6))
    with (root / "train.csv").open("a") as file:
        file.write("1.png,1,2,x,4,red\n1.png,1,2,3,4,\n1.png,1,2\n")
    return 3


def open_images(root: Path) -> int:
    write_open_images(root, noise_scenes(6))
    with (root / "train-annotations-bbox.csv").open("a") as file:
        file.write("1,x,/m/00,1,a,b,0,1,0,0,0,0,0\n1,x,,1,0,1,0,1,0,0,0,0,0\n1,x\n")
    return 3


def labelme(root: Path) -> int:
    write_labelme(root, noise_scenes(6))
    (root / "2.png").unlink()
    (root / "3.json").write_text('{"shapes": [], "imagePath"')
    replace(root / "1.json", '"label": "', '"label": 1.5, "was": "', 2)
    return 4


def cvat(root: Path) -> int:
    write_cvat(root, noise_scenes(6))
    replace(root / "annotations.xml", 'xtl="', 'xtl="a', 2)
    replace(root / "annotations.xml", 'name="6.png"', 'name=""')
    return 3


def label_studio(root: Path) -> int:
    write_label_studio(root, noise_scenes(6))
    replace(root / "export.json", '"rectanglelabels": ["', '"rectanglelabels": ["\\u0001', 2)
    replace(root / "export.json", "6.png", "6.mov")
    return 3


FORMATS: list[Callable[[Path], int]] = [yolo, voc, csv, open_images, labelme, cvat, label_studio]
SPLITS = {yolo: "train"}


def read(root: Path, split: str = "") -> tuple[AutoDataset, Split]:
    dataset = AutoDataset(str(root), split=split)
    return dataset, read_split("train", dataset, Network())


@pytest.mark.parametrize("write", FORMATS)
def test_each_is_listed(write: Callable[[Path], int], tmp_path: Path) -> None:
    count = write(tmp_path / "set")
    dataset, split = read(tmp_path / "set", SPLITS.get(write, ""))
    (finding,) = [each for each in entry_findings(split) if each.name == "entries_refused"]
    assert finding.count == count
    assert len(set(finding.examples)) == 3
    assert all(re.match(rf"{tmp_path}/set/[^\n]+: [^\n]+$", example) for example in finding.examples)
    assert len(split.boxes) >= 1  # the others are read
    first = re.escape(split.faults["entries_refused"][0])
    with pytest.raises(UserError, match=f"^{first}$"):
        dataset.load()
    with pytest.raises(UserError, match=f"^{first}$"):  # convert, split and the like lose nothing
        read_part("train", dataset)


def test_the_labels_of_yolo_that_are_right_are_kept(tmp_path: Path) -> None:
    yolo(tmp_path / "set")
    _, split = read(tmp_path / "set", "train")
    assert len(split.images) == 6
    assert split.boxes.class_index[split.boxes.image == 0].tolist() == [0]
    starts = [message.partition("label ")[2][:2] for message in split.faults["entries_refused"]]
    assert starts == ["1:", "3:", "4:", "1:", ""]


def test_a_class_outside_the_label_list(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    plain(root, a=annotation("cat"), b=annotation("dog"), c=annotation("cow"))
    (root / "label_list.txt").write_text("cat\n")
    _, split = read(root)
    assert len(split.boxes) == 1
    assert [message.partition("class ")[2][:5] for message in split.faults["entries_refused"]] == ["'dog'", "'cow'"]
