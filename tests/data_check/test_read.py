from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import AutoDataset, ImageFolder
from ppdet.data_check.boxes import boxes_difficult, boxes_not_numbers, boxes_of_crowds, boxes_outside
from ppdet.data_check.entries import entry_findings
from ppdet.data_check.finding import Finding
from ppdet.data_check.read import read_split
from ppdet.data_check.split import Network, Split
from tests.support import coco_files, voc_files
from tests.support.csv_files import OPEN_IMAGES_HEADER
from tests.support.data_faults import FaultySet
from tests.support.image_specimens import encoded


def read_voc(root: Path, **xml: str) -> Split:
    return read_split("train", voc_files.plain(root, **xml), Network())


def named(finding: Finding | None) -> tuple[int, list[str]]:
    assert finding
    return finding.count, [Path(example).stem for example in finding.examples]


def test_voc_keeps_the_boxes_that_training_drops(tmp_path: Path) -> None:
    split = read_voc(
        tmp_path,
        good=voc_files.annotation(),
        hard=voc_files.annotation(difficult=1),
        words=voc_files.annotation(box=("a", 1, 2, 3)),
        away=voc_files.annotation(box=(500, 20, 530, 40)),
    )
    assert [image.name for image in split.images] == [f"JPEGImages/{n}.png" for n in ("good", "hard", "words", "away")]
    assert split.images[0].size == (100, 200)
    np.testing.assert_array_equal(split.boxes.corners[0], voc_files.BOX)
    assert len(split.boxes) == 4
    assert named(boxes_difficult(split)) == (1, ["hard"])
    assert named(boxes_not_numbers(split)) == (1, ["words"])
    assert named(boxes_outside(split)) == (1, ["away"])
    assert split.folder == tmp_path / "JPEGImages"


def test_coco_keeps_crowds_and_the_order_of_the_file(tmp_path: Path) -> None:
    coco_files.write(tmp_path, coco_files.CONTENT)
    split = read_split("train", coco_files.dataset(tmp_path), Network())
    assert [image.name for image in split.images] == ["nine.jpg", "four.jpg", "empty.jpg"]
    np.testing.assert_array_equal(split.boxes.image, [0, 0, 1])
    np.testing.assert_array_equal(split.boxes.class_index, [0, 1, 1])
    np.testing.assert_array_equal(split.boxes.crowd, [False, True, False])
    np.testing.assert_allclose(split.boxes.corners[0], [10.12345, 20, 40.12345, 60])


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"images": []}'])
def test_a_file_that_is_no_coco_is_refused(text: str, tmp_path: Path) -> None:
    coco_files.write(tmp_path, text)
    with pytest.raises(UserError, match="anno.json: "):
        read_split("train", coco_files.dataset(tmp_path), Network())


def test_images_alone_are_refused() -> None:
    with pytest.raises(UserError, match="train: ImageFolder has no boxes; give a dataset with annotations"):
        read_split("train", ImageFolder(), Network())


def test_a_format_that_is_found_out(clean: FaultySet) -> None:
    split = read_split("train", AutoDataset(str(clean.root), split="train"), Network())
    assert (len(split.images), len(split.boxes), split.source) == (24, 72, clean.root / "train.json")


def test_yolo_keeps_what_reaches_outside(tmp_path: Path) -> None:
    for folder in ("images/train", "labels/train"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: [cat]\n")
    (tmp_path / "images/train/a.png").write_bytes(encoded(".png"))  # 48 x 32
    (tmp_path / "labels/train/a.txt").write_text("0 0.5 0.5 1.5 0.5\n0 0.5 0.5 0 0.5\n")
    split = read_split("train", AutoDataset(str(tmp_path), split="train"), Network())
    np.testing.assert_allclose(split.boxes.corners, [[-12, 8, 60, 24], [24, 8, 24, 24]])


def test_points_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    shapes = [
        {"label": "cat", "shape_type": "rectangle", "points": [[1, 2], [30, 20]]},
        {"label": "cat", "shape_type": "point", "points": [[1, 2]]},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"version": "5", "imagePath": "a.png", "shapes": shapes}))
    split = read_split("train", AutoDataset(str(tmp_path)), Network())
    np.testing.assert_array_equal(split.boxes.corners, [[1, 2, 30, 20]])
    (finding,) = entry_findings(split)
    assert (finding.name, finding.count) == ("objects_left_out", 1)
    assert finding.examples == ["a.json (that are no outlines but point)"]


def test_groups_of_open_images_are_crowds(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(".jpg"))
    rows = [f"a,x,cat,1,0.25,0.5,0.5,1,0,0,{group},0,0" for group in (0, 1)]
    (tmp_path / "boxes.csv").write_text("\n".join([OPEN_IMAGES_HEADER, *rows]))
    split = read_split("train", AutoDataset(str(tmp_path)), Network())
    np.testing.assert_allclose(split.boxes.corners, [[12, 16, 24, 32]] * 2)
    np.testing.assert_array_equal(split.boxes.crowd, [False, True])
    assert named(boxes_of_crowds(split)) == (1, ["a"])


def test_images_without_an_annotation_file_are_named(tmp_path: Path) -> None:
    for folder in ("JPEGImages", "Annotations"):
        (tmp_path / folder).mkdir()
    for name in "ab":
        (tmp_path / "JPEGImages" / f"{name}.png").write_bytes(encoded(".png"))
    (tmp_path / "Annotations" / "a.xml").write_text(voc_files.annotation("cat", (1, 2, 30, 20)))
    (tmp_path / "train.txt").write_text("a\nb\n")
    split = read_split("train", AutoDataset(str(tmp_path), split="train"), Network())
    (finding,) = entry_findings(split)
    assert (finding.name, finding.count) == ("files_without_labels", 1)
    assert finding.examples[0].endswith("JPEGImages/b.png")
